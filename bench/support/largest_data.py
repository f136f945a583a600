"""An operation for every field, mutation and subscription of the schema, with its largest
input.

They are generated from the schema, so that new fields are included automatically.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import graphql
from graphql import GraphQLError, get_named_type, get_nullable_type, is_leaf_type, is_list_type

from domain.identity import callers
from domain.summaries import intervals
from schema import root
from schema.engine import base
from schema.engine.documents import cost, limits, parsing

SCHEMA = root.api._schema
# They end the session that the others are asked with.
LEFT_OUT = frozenset({"logout", "logoutEverywhere", "endSession", "changePassword"})
_LIMIT = re.compile(r"at most ([\d,]+)", re.IGNORECASE)
_ITEMS = 500  # of a list that states no limit
_DAYS = {"stats": intervals.MAX_POINTS // 24, "reconciliation": 366, "summaryUpdated": 31}
_SIZES = [(depth, first) for depth in (5, 4, 3, 2, 1) for first in (base.MAX_PAGE, 10)]
_ALIASES = (59, 45, 30, 20, 15, 10, 7, 5, 4, 3, 2, 1)
_CONTACTS = {"Viewer": "Contact", "Node": "Customer"}  # which member of a union is read


@dataclass(frozen=True, slots=True)
class Operation:
    """`name` is the field that it selects, under `aliases` aliases."""

    name: str
    query: str
    variables: Mapping[str, Any]
    aliases: int
    cost: int

    def body(self) -> bytes:
        return json.dumps({"query": self.query, "variables": self.variables}).encode()


@dataclass(frozen=True, slots=True)
class Known:
    """Ids by their kind, values by the name of an argument, the time now, and what fields of an
    input are in a certain mutation."""

    ids: Mapping[str, Sequence[str]]
    values: Mapping[str, Any]
    now: datetime
    of_inputs: Mapping[str, Mapping[str, Any]]

    def of_argument(self, name: str) -> Sequence[str]:
        """Ids of the kind that the argument's name has; if there is none, of customers."""
        kind = name.lower().removesuffix("s").removesuffix("id")
        kind = {"row": "summaryrow"}.get(kind, kind)
        return next(
            (ids for kind_name, ids in self.ids.items() if kind_name.lower() == kind),
            self.ids["Customer"],
        )


def operations(known_ids: Known, caller: callers.Caller) -> Iterator[Operation]:
    """Of each field of Query and of what `node` returns, each mutation and subscription."""
    for kind, type in (
        ("query", SCHEMA.query_type),
        ("mutation", SCHEMA.mutation_type),
        ("subscription", SCHEMA.subscription_type),
    ):
        assert type is not None
        for name in sorted(set(type.fields) - LEFT_OUT):
            yield _largest(kind, type, name, None, known_ids, caller)
    node = SCHEMA.type_map["Node"]
    assert isinstance(node, graphql.GraphQLInterfaceType)
    for of in SCHEMA.get_possible_types(node):
        for name in sorted(of.fields):
            yield _largest("query", of, name, of.name, known_ids, caller)


def _largest(
    kind: str, type: Any, name: str, node: str | None, known_ids: Known, caller: callers.Caller
) -> Operation:
    """The largest allowed selection, with as many aliases as are allowed."""
    for depth, first in _SIZES:
        text = _Text(known_ids, first)
        selected = text.field(type, name, depth)
        if node is not None:
            id = json.dumps(known_ids.ids.get(node, known_ids.ids["Customer"])[0])
            selected = f"node(id: {id}) {{ ... on {node} {{ {selected} }} }}"
        for aliases in (1,) if kind == "subscription" else _ALIASES:
            operation = _allowed(kind, f"{type.name}.{name}", text, selected, aliases, caller)
            if operation is not None:
                return operation
    raise AssertionError(f"{type.name}.{name}: no operation is within the limits")


def _allowed(
    kind: str, name: str, text: "_Text", selected: str, aliases: int, caller: callers.Caller
) -> Operation | None:
    declared = ", ".join(f"${name}: {type}" for name, (type, _) in text.variables.items())
    fields = " ".join(f"a{n}: {selected}" for n in range(aliases)) if aliases > 1 else selected
    query = f"{kind} Q{f'({declared})' if declared else ''} {{ {fields} }}"
    values = {name: value for name, (_, value) in text.variables.items()}
    try:
        operation = parsing.operation(query, None, caller)
        measured = cost.measure(SCHEMA, operation.document, operation.definition, values)
        cost.require(measured, limits.of(caller))
    except GraphQLError:
        return None
    return Operation(name, query, values, aliases, measured.cost)


@dataclass
class _Text:
    """The text of a field with its arguments and selection; `variables`: type and value."""

    known: Known
    first: int
    variables: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def field(self, type: Any, name: str, depth: int) -> str:
        definition = type.fields[name]
        passed = []
        for argument, its in definition.args.items():
            if (value := self._argument(name, argument, its)) is not None:
                variable = f"{name}_{argument}"
                self.variables[variable] = (str(its.type), value)
                passed.append(f"{argument}: ${variable}")
        arguments = f"({', '.join(passed)})" if passed else ""
        return name + arguments + self._selection(get_named_type(definition.type), depth)

    def _selection(self, type: Any, depth: int) -> str:
        if is_leaf_type(type):
            return ""
        if depth == 0:
            return " { __typename }"
        if isinstance(type, graphql.GraphQLObjectType):
            return f" {{ {self._fields(type, depth)} }}"
        member = _CONTACTS.get(type.name) or SCHEMA.get_possible_types(type)[0].name
        of = SCHEMA.type_map[member]
        return f" {{ __typename ... on {member} {{ {self._fields(of, depth)} }} }}"

    def _fields(self, type: Any, depth: int) -> str:
        names = [
            name
            for name, its in type.fields.items()
            if depth > 1 or is_leaf_type(get_named_type(its.type))
        ]
        return " ".join(self.field(type, name, depth - 1) for name in names) or "__typename"

    def _argument(self, field: str, name: str, definition: Any) -> Any:
        if name == "first":
            return self.first
        if name in ("after", "search", "startingWith", "filter"):
            return None
        limit = _LIMIT.search(definition.description or "")
        return self._value(
            field, name, definition.type, int(limit[1].replace(",", "")) if limit else _ITEMS
        )

    def _value(self, field: str, name: str, type: Any, items: int) -> Any:
        inner, named_type = get_nullable_type(type), get_named_type(type)
        if is_list_type(inner):
            if named_type is graphql.GraphQLID:
                return list(self.known.of_argument(name)[:items])
            return [self._value(field, name, inner.of_type, items) for _ in range(min(items, 500))]
        if isinstance(inner, graphql.GraphQLInputObjectType):
            values = {key: self._argument(field, key, its) for key, its in inner.fields.items()}
            return {**values, **self.known.of_inputs.get(field, {})}
        if named_type is graphql.GraphQLID:
            return self.known.of_argument(name)[0]
        if isinstance(inner, graphql.GraphQLEnumType):
            return self.known.values.get(name, next(iter(inner.values)))
        return self._scalar(field, name, str(inner))

    def _scalar(self, field: str, name: str, type: str) -> Any:
        if name in self.known.values:
            return self.known.values[name]
        if type == "DateTime":
            days = _DAYS.get(field, 366) if name in ("from", "since") else 0
            return (self.known.now - timedelta(days=days)).isoformat()
        return {"Boolean": True, "Decimal": "1", "Int": 60, "Long": 0}.get(type, "x" * 100)
