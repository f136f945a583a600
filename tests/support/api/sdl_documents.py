"""Documents and inputs built from the SDL, with the right types and acceptable values."""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import graphql
from graphql import get_named_type, is_non_null_type, is_object_type, is_union_type

from tests.support.api import rights, sample_values, world
from tests.support.api.mutation_cases import Case
from tests.support.api.rights import type_of

_numbers = itertools.count(1)
_from, _to = world.some_days()


def kind(place: str, name: str) -> str:
    """What the ID at a place names; the test fails with a place that has no line."""
    kind_name = sample_values.KINDS.get(f"{place}.{name}") or sample_values.KINDS.get(name)
    assert kind_name, (
        f"tests/support/api/sample_values.py: KINDS has no line for the id {place}.{name}"
    )
    return kind_name


def value(name: str, type: Any) -> Any:
    """Acceptable for an argument or an input's field; no ids."""
    inner = graphql.get_nullable_type(type)
    if isinstance(inner, graphql.GraphQLInputObjectType):
        return {
            field: value(field, its.type) for field, its in inner.fields.items() if required(its)
        }
    if name in sample_values.VALUES:
        sample = sample_values.VALUES[name]
        return unique(name) if sample == "unique" else sample
    if isinstance(inner, graphql.GraphQLList):
        return [value(name, inner.of_type)]
    if isinstance(inner, graphql.GraphQLEnumType):
        return next(iter(inner.values))
    instants = {"from": _from, "since": _from, "to": _to}
    return {
        "DateTime": instants.get(name, _to).isoformat(),
        "Boolean": True,
        "Decimal": "1",
        "Int": 1,
        "Long": 1,
    }.get(str(inner), "x")


def unique(name: str) -> str:
    number = next(_numbers)
    return f"made-{number}@acme.example" if name == "email" else f"made-{number}"


def required(definition: Any) -> bool:
    return is_non_null_type(definition.type) and definition.default_value is graphql.Undefined


def is_id(type: Any) -> bool:
    return get_named_type(type) is graphql.GraphQLID


def ids_in(place: str, value: Any) -> Iterator[tuple[str, str]]:
    """(name, kind) of the ids that arguments, or the fields of an input, may hold."""
    for name, definition in value.items():
        if is_id(definition.type):
            yield name, kind(place, name)


# Reading -------------------------------------------------------------------------------------


@dataclass
class Reading:
    """A document of a field; `$id` replaces the value of `slot`. `seen`: the fields in it. With
    `parts` False, objects are selected by type only, so that every caller can afford the cost."""

    ids: Mapping[str, world.Ids]
    parts: bool = True
    seen: set[tuple[str, str]] = field(default_factory=set)

    def whole(self, type: graphql.GraphQLNamedType) -> str:
        """All fields of an object, with its parts; only the type of an object that has an id."""
        if is_union_type(type) or type.name in rights.OBJECTS or not is_object_type(type):
            return " { __typename }" if not graphql.is_leaf_type(type) else ""
        if not self.parts:
            return " { __typename }"
        assert isinstance(type, graphql.GraphQLObjectType)
        return " { " + " ".join(self.field(type, name) for name in type.fields) + " }"

    def field(self, type: graphql.GraphQLObjectType, name: str, slot: str | None = None) -> str:
        self.seen.add((type.name, name))
        definition = type.fields[name]
        arguments = dict(self._arguments(name, definition.args, slot))
        text = ", ".join(f"{argument}: {value}" for argument, value in arguments.items())
        return f"{name}{f'({text})' if text else ''}{self.whole(get_named_type(definition.type))}"

    def _arguments(self, place: str, args: Any, slot: str | None) -> Iterator[tuple[str, str]]:
        for name, definition in args.items():
            inner = graphql.get_nullable_type(definition.type)
            if is_id(definition.type):
                if name == slot or required(definition):
                    own = json.dumps(self.ids[kind(place, name)].own) if name != slot else "$id"
                    is_list = isinstance(inner, graphql.GraphQLList)
                    yield name, f"[{own}]" if is_list else own
            elif isinstance(inner, graphql.GraphQLInputObjectType):
                if slot in inner.fields:
                    type = graphql.get_nullable_type(inner.fields[slot].type)
                    id = "[$id]" if isinstance(type, graphql.GraphQLList) else "$id"
                    yield name, f"{{ {slot}: {id} }}"
            elif name == "after" and str(inner) == "Long":
                yield name, "0"  # for facts, which have numbers: from the beginning
            elif required(definition) or name in ("first", "since"):
                yield name, _literal(inner, value(name, inner))


def _literal(type: Any, value: Any) -> str:
    return str(value) if isinstance(type, graphql.GraphQLEnumType) else json.dumps(value)


def slots(place: str, definition: graphql.GraphQLField) -> list[tuple[str, str]]:
    """(argument or field of an input argument, kind) of the ids of a field."""
    ids = list(ids_in(place, definition.args))
    for argument in definition.args.values():
        inner = graphql.get_nullable_type(argument.type)
        if isinstance(inner, graphql.GraphQLInputObjectType):
            ids += ids_in(place, inner.fields)
    return ids


# Doing ---------------------------------------------------------------------------------------


def _acts_on(fields: Mapping[str, Any], name: str, slot: str | None) -> bool:
    """Whether the field names the object of the mutation, and `slot` is not its old name."""
    return name == "id" and (slot is None or fields[slot].deprecation_reason is None)


def input_of(
    mutation: str, case: Case, ids: Mapping[str, world.Ids], slot: str | None, id: str
) -> dict[str, Any] | None:
    """A mutation's input with all required fields; that id is the value of `slot`."""
    fields = given_to(mutation)
    if not fields:
        return None
    values: dict[str, Any] = {}
    for name, definition in fields.items():
        if is_id(definition.type):
            is_given = required(definition) or name in case.input or _acts_on(fields, name, slot)
            if name == slot or is_given:
                own = id if name == slot else ids[kind(mutation, name)].own
                inner = graphql.get_nullable_type(definition.type)
                values[name] = [own] if isinstance(inner, graphql.GraphQLList) else own
        elif name in case.input:
            sample = case.input[name]
            values[name] = unique(name) if sample == "unique" else sample
        elif required(definition):
            values[name] = value(name, definition.type)
    return values


def mutation_slots(mutation: str) -> list[tuple[str, str]]:
    return list(ids_in(mutation, given_to(mutation)))


def given_to(mutation: str) -> Any:
    """The fields of its input, or its plain arguments."""
    args: Any = type_of("Mutation").fields[mutation].args
    return get_named_type(args["input"].type).fields if "input" in args else args  # type: ignore[attr-defined]


def operation(
    mutation: str, arguments: dict[str, Any], selection: str
) -> tuple[str, dict[str, Any]]:
    """The document that does it, with its variables."""
    args: Any = type_of("Mutation").fields[mutation].args
    variables = {"input": arguments} if "input" in args else arguments
    declared = ", ".join(f"${name}: {args[name].type}" for name in variables)
    passed = ", ".join(f"{name}: ${name}" for name in variables)
    return f"mutation M({declared}) {{ it: {mutation}({passed}) {selection} }}", variables
