"""The limits of documents for each kind of caller, and the refusal that names a limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from graphql import GraphQLError

from domain import budgets, refusals
from domain.identity import callers
from schema.engine import errors

# The largest JSON integer that every client reads exactly.
_MAX_REPORTED = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """The maximum counts of one document, or of one of its operations."""

    length: int  # characters of the text
    characters: int  # of its tokens: everything except white space and commas
    tokens: int  # including comments
    definitions: int  # operations and fragments
    directives: int
    spreads: int  # of fragments, including inline ones
    nesting: int  # brackets open at once, of any kind
    aliases: int  # in the text, and in the operation with its fragments spread out
    overlaps: int  # pairs of fields of one name, and of fragments, within the same braces
    fields: int  # of the operation with its fragments spread out
    depth: int  # fields within fields
    cost: int  # see schema.cost


_SIGNED_IN = Limits(
    length=20_000,
    characters=7_000,
    tokens=700,
    definitions=40,
    directives=40,
    spreads=60,
    nesting=24,
    aliases=60,
    overlaps=200,
    fields=1_000,
    depth=16,
    cost=budgets.MAX_COST,
)

# By the kind of caller. None: not signed in; sufficient for a login and for introspection.
LIMITS: Mapping[callers.Kind | None, Limits] = MappingProxyType(
    {
        callers.Kind.STAFF: _SIGNED_IN,
        callers.Kind.CONTACT: _SIGNED_IN,
        callers.Kind.KEY: _SIGNED_IN,
        None: Limits(
            length=8_000,
            characters=3_000,
            tokens=250,
            definitions=10,
            directives=10,
            spreads=20,
            nesting=24,
            aliases=10,
            overlaps=200,
            fields=500,
            depth=16,
            cost=20_000,  # a login
        ),
    }
)


def of(caller: callers.Caller | None) -> Limits:
    return LIMITS[None if caller is None else caller.kind]


def refusal(
    code: str, template: str, limit: int, requested: int, argument: str | None = None
) -> GraphQLError:
    """`template` has `{requested}` and `{limit}`, and `{argument}` if it is about an argument; they
    are also reported in `extensions`."""
    reported = max(-_MAX_REPORTED, min(requested, _MAX_REPORTED))
    values = {} if argument is None else {"argument": argument}
    error = refusals.Refusal(code, template, argument, requested=reported, limit=limit, **values)
    return errors.refusal_error(error, limit=limit, requested=reported)
