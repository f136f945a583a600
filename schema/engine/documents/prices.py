"""The prices of fields and their arguments, declared on them.

A cost of 1 represents about 10 µs of processor time, of the web process and PostgreSQL together;
`./callboard bench cost` measures it. A list argument's description, limit and price come from one
declaration; so do a field's price and the arguments on which it depends.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.types.arguments import StrawberryArgumentAnnotation

from schema.engine import scalars

MAX_ITEMS = 500  # default of a list argument
MAX_ENUM_ITEMS = 20  # of a list of enum values

Arguments = Mapping[str, Any]  # by name, as in JSON

_LIST, _FIELD = "callboard.list", "callboard.field"


@dataclass(frozen=True, slots=True)
class ListLimit:
    """At most `limit` items, including repeated ones. Each item adds `each` to the cost."""

    limit: int = MAX_ITEMS
    each: float = 0.2


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a field without its selection.

    - `own`: the fixed part.
    - `each`: for each item of the page or graph that the field reads.
    - `work`: the part that depends on the arguments.
    - `points`: the number of points of a graph, from the arguments. None: the field is not a graph.
    - `signed_in`: only charged to callers who are signed in; others are refused before the work.
    """

    own: float
    each: float = 0.0
    work: Callable[[Arguments], float] | None = None
    points: Callable[[Arguments], int] | None = None
    signed_in: bool = False


def list_argument(
    description: str, *, limit: int = MAX_ITEMS, each: float = 0.2
) -> StrawberryArgumentAnnotation:
    """The declaration of a list argument of a field."""
    declared = ListLimit(limit, each)
    return strawberry.argument(
        description=_described(description, declared), metadata={_LIST: declared}
    )


def list_field(description: str, *, limit: int = MAX_ITEMS, each: float = 0.2, **more: Any) -> Any:
    """The declaration of a list in an input object; `more` as `strawberry.field` takes it."""
    declared = ListLimit(limit, each)
    return strawberry.field(
        description=_described(description, declared), metadata={_LIST: declared}, **more
    )


def limit_sentence(limit: int) -> str:
    """The last sentence of the description of each list argument."""
    return f"At most {limit} items."


def price(
    own: float,
    *,
    each: float = 0.0,
    work: Callable[[Arguments], float] | None = None,
    points: Callable[[Arguments], int] | None = None,
) -> Mapping[str, Price]:
    """A field's price, as its `metadata`."""
    return {_FIELD: Price(own, each, work, points)}


# The cost of hashing or comparing a password: argon2 is slow by design.
_PASSWORD = 13_500.0


def password_price(
    times: int = 1, *, only_with: str | None = None, signed_in: bool = True
) -> Mapping[str, Price]:
    """The price of a mutation that hashes or compares `times` passwords. `only_with`: only if its
    input has this field. `signed_in`: only for callers who are signed in."""
    if only_with is None:
        return {_FIELD: Price(times * _PASSWORD, signed_in=signed_in)}

    def work(arguments: Arguments) -> float:
        input = arguments.get("input")
        has_field = isinstance(input, Mapping) and input.get(only_with) is not None
        return times * _PASSWORD if has_field else 0.0

    return {_FIELD: Price(0.0, work=work, signed_in=signed_in)}


def list_limit(declaration: Any) -> ListLimit | None:
    """The limit that a Strawberry argument or input field declares; None if it declares none."""
    found = getattr(declaration, "metadata", {}).get(_LIST)
    return found if isinstance(found, ListLimit) else None


def field_price(declaration: Any) -> Price | None:
    """The price that a Strawberry field declares; None if it declares none."""
    found = getattr(declaration, "metadata", {}).get(_FIELD)
    return found if isinstance(found, Price) else None


def hours(arguments: Arguments) -> float:
    """Hours between `from` and `to`, 0 or more. 0 if they are not valid times."""
    try:
        start, end = (scalars.read_instant(arguments.get(name)) for name in ("from", "to"))
    except (GraphQLError, ValueError, TypeError):
        return 0.0
    return max(0.0, (end - start) / timedelta(hours=1))


def _described(description: str, declared: ListLimit) -> str:
    return f"{description} {limit_sentence(declared.limit)}"
