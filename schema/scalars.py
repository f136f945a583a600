"""What the API's numbers, instants and money look like on the wire."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NewType, TypeAlias

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

if TYPE_CHECKING:
    Long: TypeAlias = int
else:
    Long = NewType("Long", int)

_LARGEST = 2**53 - 1  # the largest integer every JSON reader keeps exact
_PLAIN = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?")


def _long(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise GraphQLError(f"Long must be an integer, not {value!r}.")
    if abs(value) > _LARGEST:
        raise GraphQLError(f"Long must lie within ±{_LARGEST}.")
    return value


def write_instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("a naive datetime has no place here")
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _read_instant(value: object) -> datetime:
    if not isinstance(value, str) or len(value) > 40:
        raise GraphQLError("DateTime must be a string such as 2026-11-22T03:00:00Z.")
    try:
        instant = datetime.fromisoformat(value)
    except ValueError as error:
        raise GraphQLError("DateTime must be RFC 3339, such as 2026-11-22T03:00:00Z.") from error
    if instant.tzinfo is None:
        raise GraphQLError("DateTime needs a zone, such as the Z of 2026-11-22T03:00:00Z.")
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise GraphQLError("DateTime is out of range.") from error


def plain(value: Decimal) -> str:
    """A finite decimal in plain notation, never with an exponent."""
    if not value.is_finite():
        raise ValueError(f"{value} is no amount")
    return format(value, "f")


def _read_decimal(value: object) -> Decimal:
    if isinstance(value, int) and not isinstance(value, bool):  # exact, unlike a float
        value = str(value)
    if not isinstance(value, str) or not _PLAIN.fullmatch(value):
        raise GraphQLError(
            'Decimal must be a string such as "12.50": at most 18 digits before the point'
            " and 12 after it, without an exponent."
        )
    return Decimal(value)


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
            "An instant, RFC 3339. Answers are UTC with microseconds,"
            " such as 2026-11-22T03:00:00.000000Z. Input without a zone is refused."
        ),
        serialize=write_instant,
        parse_value=_read_instant,
        specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description=(
            'An exact decimal as a string such as "12.50", in plain notation without an exponent.'
        ),
        serialize=plain,
        parse_value=_read_decimal,
    ),
}


@strawberry.type(description="An amount of money.")
class Money:
    amount: Decimal = strawberry.field(
        description="The exact amount as a decimal string, not rounded for display."
    )
    currency: str = strawberry.field(description="ISO 4217 code, such as EUR.")

    @classmethod
    def of(cls, amount: Decimal, currency: str) -> "Money":
        return cls(amount=amount, currency=currency)
