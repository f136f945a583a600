"""The fields that can fail independently, read from the schema and its declarations."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import graphql

from resolvers.access import Identity
from tests.support.api import rights, sdl_documents

# They answer from Redis.
READ_REDIS = {"channels", "liveStats"}
# Their object has too many points, so they refuse.
REFUSE_THEIR_OBJECT = {"Stats.byCarrier"}
# A value of an argument that is refused with any other arguments.
REFUSED: Mapping[str, str] = {"windowSeconds": "0", "rowIds": "[]"}
_NO_CURSOR = '"none of this list"'
PLUMBING = {"Mutation", "Subscription"}


@dataclass(frozen=True)
class Field:
    type: str
    name: str

    @property
    def definition(self) -> graphql.GraphQLField:
        return sdl_documents.type_of(self.type).fields[self.name]

    def __str__(self) -> str:
        return f"{self.type}.{self.name}"


def fields() -> Iterator[Field]:
    """Of all types that a query reaches."""
    for type in rights.SCHEMA.type_map.values():
        is_own = not type.name.startswith("__") and type.name not in PLUMBING
        if isinstance(type, graphql.GraphQLObjectType) and is_own:
            yield from (Field(type.name, name) for name in type.fields)


def needs_permission(field: Field) -> bool:
    """Another one than its object."""
    needs = rights.requirement(field.type, field.name)
    return needs is not None and needs.requires not in (Identity.NONE, Identity.SIGNED_IN)


def can_fail(field: Field) -> bool:
    return (
        bool(field.definition.args)
        or needs_permission(field)
        or field.name in READ_REDIS
        or str(field) in REFUSE_THEIR_OBJECT
    )


def refused_arguments(field: Field) -> dict[str, str] | None:
    """Arguments that are refused; None if the field has none of them."""
    args = field.definition.args
    if {"from", "to"} <= args.keys():
        return {"from": '"2026-11-02T00:00:00Z"', "to": '"2026-11-01T00:00:00Z"'}
    arguments = {name: value for name, value in REFUSED.items() if name in args}
    if "after" in args and graphql.get_named_type(args["after"].type) is graphql.GraphQLString:
        arguments["after"] = _NO_CURSOR
    return arguments or None
