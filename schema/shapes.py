"""The schema as measuring needs it: how many objects a field answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInt,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)

from schema import base

# How many items a list is taken to have that is no connection's `edges`.
LIST_SIZE = 10
LIST_SIZES: Mapping[str, int] = MappingProxyType(
    {"Stats.total": 100, "CarrierStats.points": 100, "Customer.numberBlocks": 100}
)


@dataclass(frozen=True, slots=True)
class Shape:
    """A field: of what type its answers are, how many, what it takes for a page's size.

    `edges`: it is the list that the field around it takes `first` for.
    """

    type: str
    size: int
    edges: bool
    first: int | None


@cache
def shapes(schema: GraphQLSchema) -> dict[str, dict[str, Shape]]:
    """Of every type that fields are asked of, all fields but `__typename`."""
    found = {
        name: {
            field: _shape(f"{name}.{field}", definition)
            for field, definition in getattr(type, "fields", {}).items()
        }
        for name, type in schema.type_map.items()
        if is_composite_type(type)
    }
    if schema.query_type is not None:
        own = found[schema.query_type.name]
        own["__schema"], own["__type"] = (
            Shape(name, 1, False, None) for name in ("__Schema", "__Type")
        )
    return found


def _shape(place: str, field: GraphQLField) -> Shape:
    type = get_nullable_type(field.type)
    size = LIST_SIZES.get(place, LIST_SIZE) if is_list_type(type) else 1
    argument = getattr(field, "args", {}).get("first")
    is_size = argument is not None and get_named_type(argument.type) is GraphQLInt
    first = _default(argument) if is_size else None
    return Shape(get_named_type(field.type).name, size, place.endswith("Connection.edges"), first)


def _default(argument: Any) -> int:
    default = argument.default_value
    return default if isinstance(default, int) else base.MAX_PAGE


UNKNOWN = Shape("", 1, False, None)
