"""Rate cards: what customers pay for their calls."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from domain import money, people, rating
from resolvers import rates
from schema import base, checklist
from schema.rate_cards import RateCard, shown

strawberry.enum(
    money.Rounding,
    name="Rounding",
    description="How a call's charge is rounded, once. Half up and half even go to the nearest;"
    " up is away from zero, down is towards it.",
)


@strawberry.type(description="A card is in force for a customer.")
class RateCardAssignment:
    customer_id: strawberry.ID = strawberry.field(description="Whose calls it rates.")
    rate_card_id: strawberry.ID = strawberry.field(description="The card.")
    valid_from: datetime = strawberry.field(
        description="It rates calls set up from here on, until another card's instant."
    )


@strawberry.input(description="A new, empty rate card.")
class CreateRateCardInput:
    name: str = strawberry.field(description="Its name, unique in the account.")
    currency: str = strawberry.field(description="ISO 4217 code; that of the customers it rates.")
    rounding: money.Rounding = strawberry.field(
        default=money.Rounding.HALF_UP, description="How a call's charge is rounded."
    )
    places: int = strawberry.field(
        default=6, description="Decimal places of a call's charge, 0 to 12."
    )


@strawberry.input(description="The price of numbers that begin with a prefix.")
class RateInput:
    prefix: str = strawberry.field(
        description='Up to 20 digits without a plus sign; "" matches every number.'
    )
    per_minute: Decimal = strawberry.field(description="Price of a minute, in the card's currency.")
    connect_fee: Decimal = strawberry.field(
        default=Decimal(0), description="Price of being answered, in the card's currency."
    )
    minimum: int = strawberry.field(
        default=1, description="Seconds billed at least: the 30 of 30/6."
    )
    increment: int = strawberry.field(
        default=1, description="Seconds billed at a time after the minimum: the 6 of 30/6."
    )
    round_up_seconds: bool = strawberry.field(
        default=True, description="Whether talk time is first rounded up to whole seconds."
    )
    description: str = strawberry.field(default="", description="Shown on invoices, for people.")

    def rate(self) -> rating.Rate:
        described = people.name(self.description, "description") if self.description else ""
        return rating.Rate(
            self.prefix,
            self.per_minute,
            self.connect_fee,
            self.minimum,
            self.increment,
            self.round_up_seconds,
            described,
        )


@strawberry.input(description="Rates to add to a card.")
class AddRatesInput:
    rate_card_id: strawberry.ID = strawberry.field(description="The card.")
    rates: list[RateInput] = strawberry.field(
        description=f"1 to {rates.MAX_RATES} rates, with `endedPrefixes`. From `effectiveFrom` on"
        " they replace those of the same prefixes."
    )
    ended_prefixes: list[str] = strawberry.field(
        default_factory=list,
        description="Prefixes whose rates end at `effectiveFrom`. A shorter prefix rates their"
        " numbers from then on.",
    )
    effective_from: datetime | None = strawberry.field(
        default=None,
        description="Calls set up at this instant or later are rated by them. Null: from now."
        " It may be in the past if no call set up since then has a rate that they replace.",
    )


@strawberry.input(description="Which card rates a customer's calls, from when.")
class AssignRateCardInput:
    customer_id: strawberry.ID = strawberry.field(description="Whose calls.")
    rate_card_id: strawberry.ID = strawberry.field(description="By which card.")
    valid_from: datetime | None = strawberry.field(
        default=None,
        description="Calls set up at this instant or later. Null: from now. It may be in the past"
        " if no call of the customer set up since then has been rated by a card.",
    )


CreateRateCardResult: TypeAlias = Annotated[
    RateCard | base.Refused,
    strawberry.union("CreateRateCardResult", description="The card, or why there is none."),
]
AddRatesResult: TypeAlias = Annotated[
    RateCard | base.Refused,
    strawberry.union("AddRatesResult", description="The card, or why it is as before."),
]
AssignRateCardResult: TypeAlias = Annotated[
    RateCardAssignment | base.Refused,
    strawberry.union("AssignRateCardResult", description="What is in force, or why not."),
]


@strawberry.type
class RatesMutation:
    @strawberry.mutation(description="Makes an empty rate card. Owner and support.")
    async def create_rate_card(
        self,
        info: base.Info,
        input: Annotated[CreateRateCardInput, strawberry.argument(description="The card.")],
    ) -> CreateRateCardResult:
        caller = info.context.signed_in()
        card_id = await rates.create(
            caller,
            name=input.name,
            currency=input.currency,
            rounding=input.rounding,
            places=input.places,
            now=info.context.now,
        )
        id = base.encode_id("RateCard", caller.account_id, card_id)
        return shown(id, await rates.existing(caller, card_id))

    @strawberry.mutation(
        description="Adds a revision to a card: new rates, and the end of others, from an instant."
        " Calls that have a charge keep it. Calls without a rate are rated by `rateCalls`."
        " Refused as EFFECTIVE_IN_PAST if a rated call would have to be rated again. Owner and"
        " support."
    )
    async def add_rates(
        self,
        info: base.Info,
        input: Annotated[AddRatesInput, strawberry.argument(description="The rates.")],
    ) -> AddRatesResult:
        caller = info.context.signed_in()
        card_id = base.decode_id(input.rate_card_id, "RateCard", caller.account_id)
        added = [rate.rate() for rate in input.rates]
        await rates.add(
            *(caller, card_id, added, input.ended_prefixes, input.effective_from, info.context.now)
        )
        return shown(input.rate_card_id, await rates.existing(caller, card_id))

    @strawberry.mutation(
        description="Puts a card in force for a customer. Refused as EFFECTIVE_IN_PAST if a rated"
        " call would have to be rated again. Owner and support."
    )
    async def assign_rate_card(
        self,
        info: base.Info,
        input: Annotated[AssignRateCardInput, strawberry.argument(description="Which card.")],
    ) -> AssignRateCardResult:
        caller, now = info.context.signed_in(), info.context.now
        customer_id = base.decode_id(input.customer_id, "Customer", caller.account_id)
        card_id = base.decode_id(input.rate_card_id, "RateCard", caller.account_id)
        valid_from = await rates.assign(caller, customer_id, card_id, input.valid_from, now)
        await checklist.settle(info, customer_id)
        return RateCardAssignment(
            customer_id=input.customer_id, rate_card_id=input.rate_card_id, valid_from=valid_from
        )
