"""Rate cards: what customers pay for their calls."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from domain import money, people, rating
from models import rate_lists
from resolvers import rates
from schema import base, checklist

strawberry.enum(
    money.Rounding,
    name="Rounding",
    description="How a call's charge is rounded, once. Half up and half even go to the nearest;"
    " up is away from zero, down is towards it.",
)


@strawberry.type(description="A change of a rate card's rates.")
class RateCardRevision:
    number: base.Long = strawberry.field(description="Number of the revision in its card.")
    effective_from: datetime = strawberry.field(description="Setup from which it rates calls.")
    rates: base.Long = strawberry.field(description="Number of prefixes that it changed.")
    created_at: datetime = strawberry.field(description="Time of its creation.")

    @classmethod
    def of(cls, row: rate_lists.Revision) -> "RateCardRevision":
        return cls(
            number=base.Long(row.number),
            effective_from=row.effective_from,
            rates=base.Long(row.rates),
            created_at=row.created_at,
        )


@strawberry.type(description="The price of numbers that begin with a prefix.")
class Rate:
    prefix: str = strawberry.field(description='Digits; "" matches every number.')
    description: str = strawberry.field(description="Description of the destination.")
    per_minute: base.Money = strawberry.field(description="Price of a minute.")
    connect_fee: base.Money = strawberry.field(description="Price of an answer.")
    minimum: int = strawberry.field(description="Least seconds billed.")
    increment: int = strawberry.field(description="Seconds billed at a time after the minimum.")
    round_up_seconds: bool = strawberry.field(
        description="Whether talk time is first rounded up to whole seconds."
    )
    revision: base.Long = strawberry.field(description="Number of the revision that set it.")
    effective_from: datetime = strawberry.field(description="Setup from which it rates calls.")

    @classmethod
    def of(cls, row: rate_lists.Rate, currency: str) -> "Rate":
        return cls(
            prefix=row.prefix,
            description=row.description,
            per_minute=base.Money.of(row.per_minute, currency),
            connect_fee=base.Money.of(row.connect_fee, currency),
            minimum=row.minimum,
            increment=row.increment,
            round_up_seconds=row.round_up_seconds,
            revision=base.Long(row.revision),
            effective_from=row.effective_from,
        )


@strawberry.type(description="Prices by prefix; the longest prefix that matches rates a call.")
class RateCard:
    id: strawberry.ID = strawberry.field(description="Opaque and global.")
    version: base.Long = strawberry.field(
        description="Number of its last revision; it increases with every change of its rates."
    )

    name: str = strawberry.field(description="Name, unique in the account.")
    currency: str = strawberry.field(description="ISO 4217 code of its prices.")

    @strawberry.field(description="Its revisions, the newest first.")
    async def revisions(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[RateCardRevision]:
        size, caller = base.page_size(first), info.context.signed_in()
        card_id = base.decode_id(self.id, "RateCard", caller.account_id)
        before = base.decode_number_cursor(after)
        rows = await rates.revisions(caller, card_id, before, size + 1)
        return base.page(
            rows, size, lambda row: base.encode_cursor(row.number), RateCardRevision.of
        )

    @strawberry.field(description="The rates in force at an instant, by prefix.")
    async def rates(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        at: Annotated[datetime | None, strawberry.argument(description="Null: now.")] = None,
    ) -> base.Connection[Rate]:
        size, caller = base.page_size(first), info.context.signed_in()
        card_id = base.decode_id(self.id, "RateCard", caller.account_id)
        place = base.decode_cursor(after)
        prefix = None if place is None else place[0].removeprefix("+")
        at = at or info.context.now
        rows = await rates.rates_at(caller, card_id, at, prefix, size + 1)
        return base.page(
            rows,
            size,
            lambda row: base.encode_cursor(f"+{row.prefix}"),
            lambda row: Rate.of(row, self.currency),
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
class RatesQuery:
    @strawberry.field(description="A rate card. NOT_FOUND if there is none. Owner and support.")
    async def rate_card(
        self,
        info: base.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")],
    ) -> RateCard:
        caller = info.context.signed_in()
        card_id = base.decode_id(id, "RateCard", caller.account_id)
        return _shown(id, await rates.get(caller, card_id))


def _shown(id: strawberry.ID, row: rate_lists.Card) -> RateCard:
    return RateCard(id=id, version=base.Long(row.version), name=row.name, currency=row.currency)


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
        return _shown(id, await rates.get(caller, card_id))

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
        return _shown(input.rate_card_id, await rates.get(caller, card_id))

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
