"""What a document may be, for whom: one table, and the refusal that names a limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from graphql import GraphQLError

from domain import callers, refusals
from schema import errors

# Of the JSON integers that every client reads exactly, the largest.
_LARGEST_TOLD = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of each that one document, or one operation of it, may have."""

    length: int  # characters of the text
    characters: int  # of its tokens: all but white space and commas
    tokens: int  # comments too
    definitions: int  # operations and fragments
    directives: int
    spreads: int  # of fragments, inline ones too
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
    cost=20_000,
)

# By the kind of caller; None: not signed in, which is enough for a login and for introspection.
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
            cost=2_000,
        ),
    }
)


def of(caller: callers.Caller | None) -> Limits:
    return LIMITS[None if caller is None else caller.kind]


def refusal(code: str, template: str, limit: int, requested: int) -> GraphQLError:
    """`template` has `{requested}` and `{limit}`; both are also told in `extensions`."""
    told = max(-_LARGEST_TOLD, min(requested, _LARGEST_TOLD))
    refused = refusals.Refusal(code, template, requested=told, limit=limit)
    return errors.refused(refused, limit=limit, requested=told)
