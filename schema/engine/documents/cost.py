"""Measures an operation in one pass before it is validated; each fragment only once.

The cost, in units of `prices`, is the sum of the operation's base cost, the declared price of each
field, the price of each object and scalar in `shapes`, and the price of each item of list
arguments. Fields below the edges of a connection count `first` times, below the points of a graph
once per point, and below any other list as often as `shapes.LIST_SIZES` says. Fragments count at
every spread, all types of a union are added up, and @skip and @include are ignored. For
introspection see INTROSPECTION.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)

from domain import refusals
from domain.messaging import texts
from schema.engine import base, errors
from schema.engine.documents import arguments, limits, shapes

# The fixed cost of introspection, doubled for every alias within.
INTROSPECTION: Mapping[str, int] = MappingProxyType({"__schema": 1_000, "__type": 50})

MAX_FAULTS = 5  # reported per document; then validation stops

# The base cost of an operation: reading, parsing, checking and answering its request.
QUERY, MUTATION = 200, 400

_TOO_DEEP = texts.mark_text(
    "The operation is {requested} fields deep; the limit is {limit}. Request less at a time."
)
_TOO_MANY_FIELDS = texts.mark_text(
    "The operation has {requested} fields; the limit is {limit}. Request less at a time."
)
_TOO_MANY_ALIASES = texts.mark_text(
    "The operation has {requested} aliases; the limit is {limit}. Request less at a time."
)
_TOO_COSTLY = texts.mark_text(
    "The operation costs {requested}; the limit is {limit}. Request less at a time."
)

_MAX_DOUBLINGS = 20  # far above every limit; fragments can multiply aliases exponentially


@dataclass(frozen=True, slots=True)
class Measured:
    """The measures of an operation with its fragments spread out; see `limits.Limits`."""

    fields: int
    aliases: int
    depth: int
    cost: int
    introspects: bool
    unknown: Sequence["UnknownField"]  # the first MAX_FAULTS, without duplicates


@dataclass(frozen=True, slots=True, eq=False)
class UnknownField:
    """A field that its type does not have."""

    node: FieldNode
    type: str


def measure(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    *,
    signed_in: bool = True,
) -> Measured:
    """Measures an operation of any parsed document, valid or not.

    Raises GraphQLError: BAD_PAGE_SIZE if a `first` is out of range, GRAPHQL_VALIDATION_FAILED if a
    fragment spreads itself.
    """
    root = schema.get_root_type(operation.operation)
    walk = _Walk(schema, document, arguments.Inputs(operation, variables), signed_in)
    sums = walk.selections(operation.selection_set, root.name if root else "")
    base_cost = MUTATION if operation.operation is OperationType.MUTATION else QUERY
    return Measured(
        fields=sums.fields,
        aliases=sums.aliases,
        depth=sums.depth,
        cost=math.ceil(base_cost + sums.cost + sums.edges),
        introspects=sums.introspects,
        unknown=walk.unknown,
    )


def require(measured: Measured, allowed: limits.Limits) -> None:
    """Refuses an operation above the limits."""
    _require_limit("TOO_DEEP", _TOO_DEEP, measured.depth, allowed.depth)
    _require_limit("TOO_MANY_FIELDS", _TOO_MANY_FIELDS, measured.fields, allowed.fields)
    _require_limit("TOO_MANY_ALIASES", _TOO_MANY_ALIASES, measured.aliases, allowed.aliases)
    _require_limit("TOO_COSTLY", _TOO_COSTLY, measured.cost, allowed.cost)


def _require_limit(code: str, template: str, requested: int, limit: int) -> None:
    if requested > limit:
        raise limits.refusal(code, template, limit, requested)


# The walk -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Sums:
    """`edges` is the part of the cost that the enclosing field's `first` multiplies."""

    fields: int = 0
    aliases: int = 0
    depth: int = 0
    cost: float = 0.0
    edges: float = 0.0
    introspects: bool = False

    def add(self, other: "_Sums") -> None:
        self.fields += other.fields
        self.aliases += other.aliases
        self.depth = max(self.depth, other.depth)
        self.cost += other.cost
        self.edges += other.edges
        self.introspects = self.introspects or other.introspects


class _Walk:
    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        values: arguments.Inputs,
        signed_in: bool,
    ) -> None:
        self._shapes = shapes.shapes(schema)
        self._inputs = values
        self._signed_in = signed_in
        self._fragments = {
            child.name.value: child
            for child in document.definitions
            if isinstance(child, FragmentDefinitionNode)
        }
        self.unknown: list[UnknownField] = []
        self._sums_of_fragments: dict[str, _Sums] = {}
        self._open: set[str] = set()

    def selections(self, node: SelectionSetNode, type: str) -> _Sums:
        sums = _Sums()
        for child in node.selections:
            if isinstance(child, FieldNode):
                self._add_field(sums, child, type)
            elif isinstance(child, FragmentSpreadNode):
                sums.add(self._fragment(child.name.value))
            elif isinstance(child, InlineFragmentNode):
                condition = child.type_condition
                inner = type if condition is None else condition.name.value
                sums.add(self.selections(child.selection_set, inner))
        return sums

    def _fragment(self, name: str) -> _Sums:
        fragment = self._fragments.get(name)
        if fragment is None:
            return _Sums()  # validation refuses it
        if name in self._open:
            raise _circular_fragment(fragment)
        if name not in self._sums_of_fragments:
            self._open.add(name)
            type = fragment.type_condition.name.value
            self._sums_of_fragments[name] = self.selections(fragment.selection_set, type)
            self._open.remove(name)
        return self._sums_of_fragments[name]

    def _add_field(self, sums: _Sums, node: FieldNode, type: str) -> None:
        sums.fields += 1
        sums.aliases += node.alias is not None
        shape, below = self._shape(node, type), _Sums()
        if node.selection_set is not None:
            below = self.selections(node.selection_set, shape.type)
        sums.fields += below.fields
        sums.aliases += below.aliases
        sums.depth = max(sums.depth, 1 + below.depth)
        self._add_cost(sums, node, shape, below)

    def _shape(self, node: FieldNode, type: str) -> shapes.Shape:
        fields = self._shapes.get(type)
        if fields is None:  # unknown or without fields; validation refuses it
            return shapes.UNKNOWN
        shape = fields.get(node.name.value, shapes.UNKNOWN)
        is_unknown = shape is shapes.UNKNOWN and node.name.value != "__typename"
        if is_unknown and len(self.unknown) < MAX_FAULTS:
            self.unknown.append(UnknownField(node, type))
        return shape

    def _add_cost(self, sums: _Sums, node: FieldNode, shape: shapes.Shape, below: _Sums) -> None:
        introspection = INTROSPECTION.get(node.name.value)
        sums.introspects = sums.introspects or below.introspects or introspection is not None
        if introspection is not None:
            sums.cost += introspection * 2 ** min(below.aliases, _MAX_DOUBLINGS)
            return
        sums.cost += self._field_cost(node, shape)
        multiplier = self._multiplier(node, shape)
        if multiplier is not None:
            below.cost, below.edges = below.cost + multiplier * (shape.price.each + below.edges), 0
        if shape.edges:
            sums.edges += shape.item + below.cost + below.edges
        else:
            sums.cost += shape.size * (shape.item + below.cost)
            sums.edges += shape.size * below.edges

    def _field_cost(self, node: FieldNode, shape: shapes.Shape) -> float:
        """The cost of the field itself and of its arguments."""
        lists = self._inputs.price(node, shape)
        if shape.price.signed_in and not self._signed_in:
            return lists
        base_cost, work = shape.price.own + lists, shape.price.work
        return base_cost if work is None else base_cost + work(self._inputs.arguments(node))

    def _multiplier(self, node: FieldNode, shape: shapes.Shape) -> int | None:
        """The number of edges or points that its arguments request; None if it has no such list."""
        if shape.price.points is not None:
            return shape.price.points(self._inputs.arguments(node))
        if shape.first is None:
            return None
        has_first = any(child.name.value == "first" for child in node.arguments or ())
        return _page(self._inputs.argument_value(node, "first")) if has_first else shape.first


def _circular_fragment(fragment: FragmentDefinitionNode) -> GraphQLError:
    refusal = refusals.Refusal(
        "GRAPHQL_VALIDATION_FAILED",
        "The fragment {name} spreads itself.",
        name=fragment.name.value,
    )
    return errors.refusal_error(refusal, [fragment])


def _page(first: Any) -> int:
    """A page's size. Leaves a value that is not a number to validation."""
    if not isinstance(first, int):
        return base.MAX_PAGE
    if not 1 <= first <= base.MAX_PAGE:
        template = texts.mark_text("Request 1 to {limit} items at a time, not {requested}.")
        raise limits.refusal("BAD_PAGE_SIZE", template, base.MAX_PAGE, first)
    return first
