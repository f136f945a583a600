"""The schema as `cost` needs it: the type and length of each field's result, and its price."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInputType,
    GraphQLInt,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_input_object_type,
    is_list_type,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter

from schema.engine import base
from schema.engine.documents import prices
from schema.engine.plans import fields as plan_fields

# The assumed length of a list that is neither a connection's `edges` nor the points of a graph.
LIST_SIZE = 10
LIST_SIZES: Mapping[str, int] = MappingProxyType(
    {
        "AccountSummaryRow.charges": 2,
        "CarrierPart.charges": 1,
        "CountryPart.charges": 1,
        "OtherParts.charges": 1,
        "OtherPrefixes.charges": 1,
        "PrefixPart.charges": 1,
        "SummaryCost.amounts": 2,
        "AlertRule.recipients": 3,
        "AuditEntry.changes": 4,
        "Call.legs": 3,
        "Customer.numberBlocks": 100,
        "RowInvoicing.invoices": 2,
    }
)
# Lists whose length the arguments of a field above them determine.
POINTS = frozenset(
    {
        "Stats.total",
        "CarrierStats.points",
        "CarrierBreakdown.parts",
        "CountryBreakdown.parts",
        "PrefixBreakdown.parts",
    }
)

# Costs of fields without a declared price, in units of `prices`.
OBJECT = 0.5  # an object that is read
EDGE = 2.5  # an item of a page, and its row
LEAF = 0.1  # a scalar that is read
RESOLVED = 5.0  # a field that runs a resolver
PAGE = 100.0  # a field that reads a page
_LEAF = prices.Price(LEAF)


@dataclass(frozen=True, slots=True)
class Input:
    """An argument or input field that is or contains a list.

    `limit` is its own limit, None if it is not a list. `fields` are the fields of its object or
    items that are or contain lists.
    """

    limit: prices.ListLimit | None
    fields: Mapping[str, "Input"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A field: the type and number of its results, and its default page size (`first`).

    `edges`: it is a list whose length a field above it determines, by its `first` or its points.
    `price` is charged once per request of the field, `item` for each of its results.
    """

    type: str
    size: int
    edges: bool
    first: int | None
    price: prices.Price = _LEAF
    item: float = 0.0
    inputs: Mapping[str, Input] = field(default_factory=dict)


@cache
def shapes(schema: GraphQLSchema) -> dict[str, dict[str, Shape]]:
    """The shapes of all fields, except `__typename`, by type and name."""
    plain = plan_fields.plain_fields(schema)
    shapes_ = {
        name: {
            field: _shape(name, field, definition, is_plain=(name, field) in plain)
            for field, definition in getattr(type, "fields", {}).items()
        }
        for name, type in schema.type_map.items()
        if is_composite_type(type)
    }
    if schema.query_type is not None:
        query_fields = shapes_[schema.query_type.name]
        query_fields["__schema"], query_fields["__type"] = (
            Shape(name, 1, False, None) for name in ("__Schema", "__Type")
        )
    return shapes_


def _shape(parent: str, name: str, field: GraphQLField, *, is_plain: bool) -> Shape:
    type, place = get_nullable_type(field.type), f"{parent}.{name}"
    is_edges = place.endswith("Connection.edges")
    arguments = getattr(field, "args", {})
    argument = arguments.get("first")
    is_size = argument is not None and get_named_type(argument.type) is GraphQLInt
    return Shape(
        type=get_named_type(field.type).name,
        size=LIST_SIZES.get(place, LIST_SIZE) if is_list_type(type) else 1,
        edges=is_edges or place in POINTS,
        first=_default(argument) if is_size else None,
        price=prices.field_price(_declaration(field)) or _price(field, is_plain=is_plain),
        item=EDGE if is_edges else OBJECT if is_composite_type(get_named_type(field.type)) else 0.0,
        inputs=_inputs(arguments),
    )


def _price(field: Any, *, is_plain: bool) -> prices.Price:
    """The price of a field that declares none, by how it is resolved."""
    is_own = _declaration(field) is not None
    if is_own and get_named_type(field.type).name.endswith("Connection"):
        return prices.Price(PAGE)
    return prices.Price(RESOLVED if is_own and not is_plain else LEAF)


def _default(argument: Any) -> int:
    default = argument.default_value
    return default if isinstance(default, int) else base.MAX_PAGE


def _inputs(definitions: Mapping[str, Any]) -> Mapping[str, Input]:
    """The arguments, or fields of an input object, that are or contain lists."""
    shapes_ = {name: _input(definition) for name, definition in definitions.items()}
    return {name: input for name, input in shapes_.items() if input.limit or input.fields}


def _input(definition: Any) -> Input:
    type: GraphQLInputType = get_named_type(definition.type)
    fields = _inputs(type.fields) if is_input_object_type(type) else {}
    if not is_list_type(get_nullable_type(definition.type)):
        return Input(None, fields)
    return Input(prices.list_limit(_declaration(definition)) or prices.ListLimit(), fields)


def _declaration(definition: Any) -> Any:
    """Strawberry's declaration of a field or argument; None if it is graphql-core's own."""
    extensions: Mapping[str, Any] = getattr(definition, "extensions", None) or {}
    return extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)


UNKNOWN = Shape("", 1, False, None)
