"""What an operation asks for, measured once before it is validated: each fragment once.

Cost: an operation costs 1, a mutation 10, and each object it may answer 1; scalars are free. What
is asked of the edges of a connection counts `first` times; what is asked of the items of any other
list as often as `shapes.LIST_SIZES` says. Fragments count wherever they are spread, all types of a
union count together, and @skip and @include change nothing. Introspection: see INTROSPECTION.
"""

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
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)

from domain import refusals, texts
from schema import base, errors, limits, shapes

# What introspection costs, whatever is asked of it; twice as much for every alias within.
INTROSPECTION: Mapping[str, int] = MappingProxyType({"__schema": 1_000, "__type": 50})

MOST_FAULTS = 5  # told of a document; no more are looked for

_MUTATION = 10

_TOO_DEEP = texts.marked(
    "The operation is {requested} fields deep; the limit is {limit}. Ask for less at a time."
)
_TOO_MANY_FIELDS = texts.marked(
    "The operation has {requested} fields; the limit is {limit}. Ask for less at a time."
)
_TOO_MANY_ALIASES = texts.marked(
    "The operation has {requested} aliases; the limit is {limit}. Ask for less at a time."
)
_TOO_COSTLY = texts.marked(
    "The operation costs {requested}; the limit is {limit}. Ask for less at a time."
)

_MOST_DOUBLINGS = 20  # far above every limit; aliases themselves may be exponentially many


@dataclass(frozen=True, slots=True)
class Measured:
    """Of an operation, its fragments spread out; see `limits.Limits`."""

    fields: int
    aliases: int
    depth: int
    cost: int
    introspects: bool
    unknown: Sequence["Unknown"]  # each once, the first MOST_FAULTS


@dataclass(frozen=True, slots=True, eq=False)
class Unknown:
    """A field that its type does not have."""

    node: FieldNode
    type: str


def measure(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
) -> Measured:
    """Of any document that can be parsed, valid or not.

    Raises GraphQLError: BAD_PAGE_SIZE where a `first` is no page's size, GRAPHQL_VALIDATION_FAILED
    where a fragment spreads itself.
    """
    root = schema.get_root_type(operation.operation)
    walk = _Walk(schema, document, _given(operation, variables))
    sums = walk.selections(operation.selection_set, root.name if root else "")
    own = _MUTATION if operation.operation is OperationType.MUTATION else 1
    return Measured(
        fields=sums.fields,
        aliases=sums.aliases,
        depth=sums.depth,
        cost=own + sums.cost + sums.edges,
        introspects=sums.introspects,
        unknown=walk.unknown,
    )


def _given(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """The variables' values, with the whole numbers that the operation has for those not given."""
    defaults = {
        one.variable.name.value: _number(one.default_value)
        for one in operation.variable_definitions or ()
        if one.default_value is not None
    }
    return {**defaults, **variables}


def require(measured: Measured, allowed: limits.Limits) -> None:
    """Refuses what is above the limits."""
    _within("TOO_DEEP", _TOO_DEEP, measured.depth, allowed.depth)
    _within("TOO_MANY_FIELDS", _TOO_MANY_FIELDS, measured.fields, allowed.fields)
    _within("TOO_MANY_ALIASES", _TOO_MANY_ALIASES, measured.aliases, allowed.aliases)
    _within("TOO_COSTLY", _TOO_COSTLY, measured.cost, allowed.cost)


def _within(code: str, template: str, requested: int, limit: int) -> None:
    if requested > limit:
        raise limits.refusal(code, template, limit, requested)


# The walk -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Sums:
    """`edges` is the part of the cost that the enclosing field's `first` multiplies."""

    fields: int = 0
    aliases: int = 0
    depth: int = 0
    cost: int = 0
    edges: int = 0
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
        self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]
    ) -> None:
        self._shapes = shapes.shapes(schema)
        self._variables = variables
        self._fragments = {
            one.name.value: one
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        self.unknown: list[Unknown] = []
        self._of_fragment: dict[str, _Sums] = {}
        self._open: set[str] = set()

    def selections(self, node: SelectionSetNode, type: str) -> _Sums:
        sums = _Sums()
        for one in node.selections:
            if isinstance(one, FieldNode):
                self._add_field(sums, one, type)
            elif isinstance(one, FragmentSpreadNode):
                sums.add(self._fragment(one.name.value))
            elif isinstance(one, InlineFragmentNode):
                condition = one.type_condition
                inner = type if condition is None else condition.name.value
                sums.add(self.selections(one.selection_set, inner))
        return sums

    def _fragment(self, name: str) -> _Sums:
        fragment = self._fragments.get(name)
        if fragment is None:
            return _Sums()  # for validation to refuse
        if name in self._open:
            raise _circle(fragment)
        if name not in self._of_fragment:
            self._open.add(name)
            type = fragment.type_condition.name.value
            self._of_fragment[name] = self.selections(fragment.selection_set, type)
            self._open.remove(name)
        return self._of_fragment[name]

    def _add_field(self, sums: _Sums, node: FieldNode, type: str) -> None:
        sums.fields += 1
        sums.aliases += node.alias is not None
        sums.depth = max(sums.depth, 1)
        shape = self._shape(node, type)
        if node.selection_set is None:
            return
        below = self.selections(node.selection_set, shape.type)
        sums.fields += below.fields
        sums.aliases += below.aliases
        sums.depth = max(sums.depth, 1 + below.depth)
        self._add_cost(sums, node, shape, below)

    def _shape(self, node: FieldNode, type: str) -> shapes.Shape:
        fields = self._shapes.get(type)
        if fields is None:  # no such type, or none that has fields: for validation to refuse
            return shapes.UNKNOWN
        shape = fields.get(node.name.value, shapes.UNKNOWN)
        is_unknown = shape is shapes.UNKNOWN and node.name.value != "__typename"
        if is_unknown and len(self.unknown) < MOST_FAULTS:
            self.unknown.append(Unknown(node, type))
        return shape

    def _add_cost(self, sums: _Sums, node: FieldNode, shape: shapes.Shape, below: _Sums) -> None:
        introspection = INTROSPECTION.get(node.name.value)
        sums.introspects = sums.introspects or below.introspects or introspection is not None
        if introspection is not None:
            sums.cost += introspection * 2 ** min(below.aliases, _MOST_DOUBLINGS)
            return
        first = 1 if shape.first is None else self._first(node, shape.first)
        within = below.cost + first * below.edges
        if shape.edges:
            sums.edges += 1 + within
        else:
            sums.cost += shape.size * (1 + within)

    def _first(self, node: FieldNode, default: int) -> int:
        for argument in node.arguments or ():
            if argument.name.value == "first":
                return _page(self._value(argument.value))
        return default

    def _value(self, node: ValueNode) -> Any:
        if isinstance(node, VariableNode):
            return self._variables.get(node.name.value)
        return _number(node)


def _circle(fragment: FragmentDefinitionNode) -> GraphQLError:
    refusal = refusals.Refusal(
        "GRAPHQL_VALIDATION_FAILED",
        "The fragment {name} spreads itself.",
        name=fragment.name.value,
    )
    return errors.refused(refusal, [fragment])


def _page(first: Any) -> int:
    """A page's size; what is no number is for validation to refuse."""
    if not isinstance(first, int):
        return base.MAX_PAGE
    if not 1 <= first <= base.MAX_PAGE:
        template = texts.marked("Ask for 1 to {limit} at a time, not {requested}.")
        raise limits.refusal("BAD_PAGE_SIZE", template, base.MAX_PAGE, first)
    return first


def _number(node: ValueNode | None) -> int | None:
    if not isinstance(node, IntValueNode):
        return None
    digits = node.value
    return int(digits) if len(digits) < 10 else 2**31  # no Int of GraphQL either
