"""The scalars of the API (numbers, times) and money."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NewType, TypeAlias

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from domain import instants, money, refusals
from schema.engine import permissions, storable_input

if TYPE_CHECKING:
    Long: TypeAlias = int
else:
    Long = NewType("Long", int)

_MAX_LONG = 2**53 - 1  # the largest integer that every JSON parser reads exactly


def _long(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise GraphQLError(f"Long must be an integer, not {value!r}.")
    if abs(value) > _MAX_LONG:
        raise GraphQLError(f"Long must lie within ±{_MAX_LONG}.")
    return value


def write_instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("a naive datetime is not allowed")
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise GraphQLError("DateTime must be a string such as 2026-11-22T03:00:00Z.")
    try:
        return instants.parse_zoned(value, "DateTime")
    except refusals.Refusal as refusal:
        raise storable_input.refused(refusal) from None


def plain(value: Decimal) -> str:
    """A finite decimal in plain notation, never with an exponent."""
    if not value.is_finite():
        raise ValueError(f"{value} is not an amount")
    return format(value, "f")


def _read_decimal(value: object) -> Decimal:
    if isinstance(value, int) and not isinstance(value, bool):  # exact, unlike a float
        value = str(value)
    if not isinstance(value, str):
        raise GraphQLError('Decimal must be a string such as "12.50".')
    try:
        return money.parse(value, "Decimal", is_signed=True)
    except refusals.Refusal as refusal:
        raise storable_input.refused(refusal) from None


SCALARS: Mapping[object, ScalarDefinition] = {
    Long: strawberry.scalar(
        name="Long",
        description="An integer within ±(2^53 - 1), written as a JSON number.",
        serialize=_long,
        parse_value=_long,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description=(
            "A time, RFC 3339. Output is UTC with microseconds, such as"
            " 2026-11-22T03:00:00.000000Z. Input needs a zone; digits beyond microseconds are"
            " cut off. Refused: BAD_TIME, NAIVE_TIME."
        ),
        serialize=write_instant,
        parse_value=read_instant,
        specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description=(
            'An exact decimal as a string such as "12.50", in plain notation without an exponent.'
            " Input has at most 18 digits before the point and 12 after it. Refused: BAD_AMOUNT."
        ),
        serialize=plain,
        parse_value=_read_decimal,
    ),
}


@permissions.open_type
@strawberry.type(description="An amount of money.")
class Money:
    amount: Decimal = strawberry.field(
        description="The exact amount as a decimal string, not rounded for display."
    )
    currency: str = strawberry.field(description="ISO 4217 code, such as EUR.")

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> "Money":
        return cls(amount=amount, currency=currency)
