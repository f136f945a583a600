"""Which parts of a document can be cached: decided once for each part of a parsed document."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_abstract_type,
    is_object_type,
    print_ast,
)
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.field import StrawberryField

from schema.engine.fragments import declarations

_BACK = GraphQLCoreConverter.DEFINITION_BACKREF
_LATER = frozenset({"defer", "stream"})  # directives that answer in several responses

Fragments = Mapping[str, FragmentDefinitionNode]


@dataclass(frozen=True, slots=True)
class Part:
    """A field with its selection. `digest` is of its text with that of its fragments, `variables`
    are the names on which it depends, and `live` has the fields directly below it that are computed
    for each answer, by response name."""

    declared: declarations.Stored
    digest: bytes
    variables: Sequence[str]
    live: Mapping[str, tuple[str, str]]  # type and field


@cache
def stored_fields(schema: GraphQLSchema) -> Mapping[tuple[str, str], declarations.Stored]:
    """The declared fields of a schema by the names of their type and field."""
    return {
        (type.name, name): declared
        for type in schema.type_map.values()
        if isinstance(type, GraphQLObjectType)
        for name, field_ in type.fields.items()
        if (declared := declarations.declaration_of(field_.extensions.get(_BACK))) is not None
    }


def compile(
    schema: GraphQLSchema,
    declared: declarations.Stored,
    type: GraphQLObjectType,
    nodes: Sequence[FieldNode],
    fragments: Fragments,
) -> Part | None:
    """The part of these nodes of one field, or None if it cannot be cached."""
    walk = _Walk(schema, fragments)
    below = get_named_type(type.fields[nodes[0].name.value].type)
    for node in nodes:
        walk.collect_variables(node)
        if node.selection_set is not None:
            walk.visit(node.selection_set, below, 1)
    if not walk.is_covered or (walk.live and declared.live is None):
        return None
    texts = [print_ast(node) for node in (*nodes, *walk.spread.values())]
    identity = "\n".join([type.name, *texts])
    return Part(
        declared,
        hashlib.sha256(identity.encode()).digest(),
        tuple(sorted(walk.variables)),
        walk.live,
    )


@dataclass(slots=True)
class _Walk:
    schema: GraphQLSchema
    fragments: Fragments
    is_covered: bool = True
    variables: set[str] = field(default_factory=set)
    live: dict[str, tuple[str, str]] = field(default_factory=dict)
    spread: dict[str, FragmentDefinitionNode] = field(default_factory=dict)

    def visit(self, selected: SelectionSetNode, type: Any, depth: int) -> None:
        for child in selected.selections:
            if isinstance(child, FieldNode):
                self._visit_field(child, type, depth)
            elif isinstance(child, InlineFragmentNode):
                condition = child.type_condition
                within = type if condition is None else self.schema.type_map[condition.name.value]
                self.visit(child.selection_set, within, depth)
            elif isinstance(child, FragmentSpreadNode):
                definition = self.fragments[child.name.value]
                self.spread[child.name.value] = definition
                self.collect_variables(definition)
                within = self.schema.type_map[definition.type_condition.name.value]
                self.visit(definition.selection_set, within, depth)

    def _visit_field(self, node: FieldNode, type: Any, depth: int) -> None:
        name = node.name.value
        if name == "__typename":
            return
        for concrete in _concrete_types(self.schema, type):
            declared = concrete.fields[name].extensions.get(_BACK)
            if declarations.is_live(declared):
                self.is_covered &= depth == 1
                key = name if node.alias is None else node.alias.value
                self.live[key] = concrete.name, name
            else:
                self.is_covered &= is_covered(concrete, declared)
            if node.selection_set is not None:
                below = get_named_type(concrete.fields[name].type)
                self.visit(node.selection_set, below, depth + 1)

    def collect_variables(self, node: Node) -> None:
        for below in _nodes(node):
            if isinstance(below, VariableNode):
                self.variables.add(below.name.value)
            elif below.kind == "directive" and below.name.value in _LATER:  # type: ignore[attr-defined]
                self.is_covered = False


def is_covered(type: GraphQLObjectType, declared: Any) -> bool:
    """Whether a field depends only on what the stored field above it does."""
    if not isinstance(declared, StrawberryField) or declarations.is_unstored(declared):
        return False
    origin = type.extensions[_BACK].origin
    if declarations.is_stored_type(origin) or declarations.is_stored_type(declared.origin):
        return True
    has_id = any(interface.name == "Node" for interface in type.interfaces)
    is_plain = declared.is_basic_field
    return is_plain and (not has_id or declarations.is_stored_plainly(origin))


def _concrete_types(schema: GraphQLSchema, type: Any) -> Sequence[GraphQLObjectType]:
    if is_object_type(type):
        return [type]
    assert is_abstract_type(type)
    possible = schema.get_possible_types(type)
    return list(possible) if isinstance(type, GraphQLInterfaceType) else []


def _nodes(node: Node) -> Iterator[Node]:
    """The node and all below it, without the definitions of spread fragments."""
    yield node
    for name in node.keys:
        value = getattr(node, name, None)
        for below in value if isinstance(value, tuple | list) else (value,):
            if isinstance(below, Node):
                yield from _nodes(below)
