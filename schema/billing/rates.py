"""Mutations of rate cards."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeAlias, cast

import strawberry

from domain import money
from domain.billing import rating
from domain.identity import personal_data
from resolvers.access import Capability
from resolvers.billing import rates
from schema.billing.rate_cards import RateCard, rate_card_of
from schema.engine import base, permissions, slices, target_ids
from schema.engine.documents import prices

strawberry.enum(
    money.Rounding,
    name="Rounding",
    description=(
        "How a call's charge is rounded, once. HALF_UP and HALF_EVEN round to nearest; UP rounds"
        " away from zero, DOWN towards zero."
    ),
)


@permissions.open_type
@strawberry.type(description="A rate card is assigned to a customer.")
class RateCardAssignment:
    customer_id: strawberry.ID = strawberry.field(description="The customer whose calls it rates.")
    rate_card_id: strawberry.ID = strawberry.field(description="The card.")
    valid_from: datetime = strawberry.field(
        description=(
            "Start: it rates calls set up at this time or later, until another card starts."
        )
    )


@strawberry.input(description="A new, empty rate card.")
class CreateRateCardInput:
    name: str = strawberry.field(description="Its name, unique in the account.")
    currency: str = strawberry.field(
        description="ISO 4217 code, the same as that of the customers to which it is assigned."
    )
    rounding: money.Rounding = strawberry.field(
        default=money.Rounding.HALF_UP, description="How a call's charge is rounded."
    )
    places: int = strawberry.field(
        default=6, description="Decimal places of a call's charge, 0 to 12."
    )


@strawberry.input(description="The price of calls to numbers that start with a prefix.")
class RateInput:
    prefix: str = strawberry.field(
        description='Up to 20 digits without a plus sign; "" matches every number.'
    )
    per_minute: Decimal = strawberry.field(description="Price per minute, in the card's currency.")
    connect_fee: Decimal = strawberry.field(
        default=Decimal(0), description="Price per answered call, in the card's currency."
    )
    minimum: int = strawberry.field(
        default=1, description="Minimum billed seconds: the 30 of 30/6."
    )
    increment: int = strawberry.field(
        default=1, description="Billing increment after the minimum, in seconds: the 6 of 30/6."
    )
    round_up_seconds: bool = strawberry.field(
        default=True, description="Whether talk time is first rounded up to whole seconds."
    )
    description: str = strawberry.field(
        default="", description="Description of the destination, shown on invoices."
    )


def _rate(value: Mapping[str, Any]) -> rating.Rate:
    """The rate of a RateInput as decoded by GraphQL."""
    description = value["description"]
    return rating.Rate(
        value["prefix"],
        value["perMinute"],
        value["connectFee"],
        value["minimum"],
        value["increment"],
        value["roundUpSeconds"],
        personal_data.validate_name(description, "description") if description else "",
    )


_MAX_RATES = rates.MAX_RATES


@strawberry.input(description="New and ended rates of a rate card.")
class AddRatesInput:
    id: strawberry.ID | None = target_ids.id_field("The card.")
    rate_card_id: strawberry.ID | None = target_ids.deprecated_id("The card.")
    rates: list[RateInput] = prices.list_field(
        "New rates. From `effectiveFrom` on they replace the rates of the same prefixes. `rates`"
        f" and `endedPrefixes` have 1 to {_MAX_RATES} items together.",
        limit=_MAX_RATES,
        each=3.5,
    )
    ended_prefixes: list[str] = prices.list_field(
        "Prefixes whose rates end at `effectiveFrom`. A shorter prefix rates their numbers from"
        " then on.",
        limit=_MAX_RATES,
        each=3.5,
        default_factory=list,
    )
    effective_from: datetime | None = strawberry.field(
        default=None,
        description=(
            "Start of the new rates: they apply to calls set up at this time or later. Null:"
            " now. May be in the past if no call set up since then has a rate that would be"
            " replaced."
        ),
    )


def _from_input(
    type: type[AddRatesInput], value: Mapping[str, Any], context: object
) -> AddRatesInput:
    """Keeps the rates as decoded by GraphQL: creating thousands of objects would block the
    event loop."""
    return type(**{_PYTHON_NAMES.get(name, name): part for name, part in value.items()})


_PYTHON_NAMES = {
    "rateCardId": "rate_card_id",
    "endedPrefixes": "ended_prefixes",
    "effectiveFrom": "effective_from",
}
AddRatesInput.__strawberry_definition__.from_input = _from_input  # type: ignore[attr-defined]


@strawberry.input(description="The rate card of a customer, and the time from which it applies.")
class AssignRateCardInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer.")
    id: strawberry.ID | None = target_ids.id_field("The card.")
    rate_card_id: strawberry.ID | None = target_ids.deprecated_id("The card.")
    valid_from: datetime | None = strawberry.field(
        default=None,
        description=(
            "Start of the assignment: the card applies to calls set up at this time or later."
            " Null: now. May be in the past if no call of the customer set up since then has"
            " been rated by a card."
        ),
    )


CreateRateCardResult: TypeAlias = Annotated[
    RateCard | base.Refused,
    strawberry.union("CreateRateCardResult", description="The created card, or a refusal."),
]
AddRatesResult: TypeAlias = Annotated[
    RateCard | base.Refused,
    strawberry.union("AddRatesResult", description="The updated card, or a refusal."),
]
AssignRateCardResult: TypeAlias = Annotated[
    RateCardAssignment | base.Refused,
    strawberry.union("AssignRateCardResult", description="The assignment, or a refusal."),
]


@strawberry.type
class RatesMutation:
    @permissions.mutation(
        requires=Capability.MANAGE_CARRIERS,
        description="Creates an empty rate card.",
    )
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
        return rate_card_of(id, await rates.existing(caller, card_id))

    @permissions.mutation(
        requires=Capability.MANAGE_CARRIERS,
        description=(
            "Adds a revision to a rate card: new and ended rates from a given time. Calls that"
            " have a charge keep it. Use `rateCalls` to rate calls without a rate. Refused:"
            " EFFECTIVE_IN_PAST if a rated call would have to be rated again."
        ),
    )
    async def add_rates(
        self,
        info: base.Info,
        input: Annotated[AddRatesInput, strawberry.argument(description="The rates.")],
    ) -> AddRatesResult:
        caller = info.context.signed_in()
        card_id = target_ids.number(input.id, input.rate_card_id, "RateCard", caller.account_id)
        added = await slices.transform(cast("list[Mapping[str, Any]]", input.rates), _rate)
        await rates.add(
            *(caller, card_id, added, input.ended_prefixes, input.effective_from, info.context.now)
        )
        return rate_card_of(
            target_ids.required(input.id, input.rate_card_id), await rates.existing(caller, card_id)
        )

    @permissions.mutation(
        requires=Capability.MANAGE_CARRIERS,
        description=(
            "Assigns a rate card to a customer. Refused: EFFECTIVE_IN_PAST if a rated call would"
            " have to be rated again."
        ),
    )
    async def assign_rate_card(
        self,
        info: base.Info,
        input: Annotated[
            AssignRateCardInput, strawberry.argument(description="The card and the customer.")
        ],
    ) -> AssignRateCardResult:
        caller, now = info.context.signed_in(), info.context.now
        customer_id = base.decode_id(input.customer_id, "Customer", caller.account_id)
        card_id = target_ids.number(input.id, input.rate_card_id, "RateCard", caller.account_id)
        valid_from = await rates.assign(caller, customer_id, card_id, input.valid_from, now)
        return RateCardAssignment(
            customer_id=input.customer_id,
            rate_card_id=target_ids.required(input.id, input.rate_card_id),
            valid_from=valid_from,
        )
