"""Every text argument of the schema, found by introspection, refuses texts that PostgreSQL cannot
store.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import graphql
import httpx2
import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, GraphQLScalarType

from schema import root
from tests.support.api.callers import Caller, Carrier
from tests.support.inputs.entrances import UNREADABLE, operate

SCHEMA: graphql.GraphQLSchema = root.api._schema
SSE = "text/event-stream"
UNSTORABLE = ("a\0b", "\ud800", "\udc00 after")
# Of each scalar a value that it accepts.
VALUES = {
    "String": "x",
    "ID": "x",
    "Int": 1,
    "Long": 1,
    "Boolean": True,
    "Float": 1.0,
    "DateTime": "2026-11-22T00:00:00Z",
    "Decimal": "1",
}
# And the code with which it refuses a text that cannot be stored
REFUSED = {
    "String": "BAD_TEXT",
    "ID": "BAD_TEXT",
    "DateTime": "BAD_TIME",
    "Decimal": "BAD_AMOUNT",
    "Long": UNREADABLE,
}


@dataclass(frozen=True)
class Argument:
    """`path`: the fields that lead to it, from a root field on."""

    operation: str
    path: tuple[tuple[str, GraphQLObjectType], ...]
    name: str

    @property
    def field(self) -> Any:
        name, parent = self.path[-1]
        return parent.fields[name]

    @property
    def type(self) -> Any:
        return self.field.args[self.name].type


def arguments() -> list[Argument]:
    """All that an operation can have, each once."""
    arguments_found: dict[tuple[str, str, str], Argument] = {}
    for operation, root_type in (
        ("query", SCHEMA.query_type),
        ("mutation", SCHEMA.mutation_type),
        ("subscription", SCHEMA.subscription_type),
    ):
        assert root_type is not None
        waiting: list[tuple[tuple[tuple[str, GraphQLObjectType], ...], GraphQLObjectType]]
        waiting, type_names = [((), root_type)], {root_type.name}
        while waiting:
            path, parent = waiting.pop(0)
            for name, field in parent.fields.items():
                below = (*path, (name, parent))
                for argument in field.args:
                    arguments_found.setdefault(
                        (parent.name, name, argument), Argument(operation, below, argument)
                    )
                for type_ in objects(graphql.get_named_type(field.type)):
                    if type_.name not in type_names:
                        type_names.add(type_.name)
                        waiting.append((below, type_))
    return list(arguments_found.values())


def objects(type_: Any) -> tuple[GraphQLObjectType, ...]:
    if isinstance(type_, GraphQLObjectType):
        return (type_,)
    return tuple(SCHEMA.get_possible_types(type_)) if graphql.is_abstract_type(type_) else ()


def good(type_: Any) -> Any:
    """A value that the type accepts, as short as it can be."""
    if graphql.is_non_null_type(type_):
        return good(type_.of_type)
    if graphql.is_list_type(type_):
        return [good(type_.of_type)]
    if isinstance(type_, GraphQLInputObjectType):
        return {
            n: good(f.type) for n, f in type_.fields.items() if graphql.is_required_input_field(f)
        }
    return VALUES[type_.name] if isinstance(type_, GraphQLScalarType) else next(iter(type_.values))


def bad(type_: Any, text: str, depth: int = 0) -> Iterator[tuple[Any, str]]:
    """Values of the type, each with the text in one text field; and its scalar."""
    if graphql.is_non_null_type(type_):
        yield from bad(type_.of_type, text, depth)
    elif graphql.is_list_type(type_):
        yield from (([value], scalar) for value, scalar in bad(type_.of_type, text, depth))
    elif isinstance(type_, GraphQLInputObjectType) and depth < 4:
        others = {} if type_.is_one_of else good(type_)
        for name, field in type_.fields.items():
            for value, scalar in bad(field.type, text, depth + 1):
                yield others | {name: value}, scalar
    elif isinstance(type_, GraphQLScalarType) and type_.name in REFUSED:
        yield text, type_.name


def document(argument: Argument, literal_text: str, declared: str) -> str:
    """With `written` as the argument, and the least that its other arguments and fields need."""
    text = leaf(graphql.get_named_type(argument.field.type))
    for name, parent in reversed(argument.path):
        is_its = (name, parent) == argument.path[-1]
        texts = [
            f"{other}: {literal(good(definition.type), definition.type)}"
            for other, definition in parent.fields[name].args.items()
            if graphql.is_required_argument(definition) and not (is_its and other == argument.name)
        ]
        texts += [f"{argument.name}: {literal_text}"] if is_its else []
        arguments = f"({', '.join(texts)})" if texts else ""
        text = f"{{ ... on {parent.name} {{ {name}{arguments} {text} }} }}"
    return f"{argument.operation} Q{declared} {text}"


def leaf(type_: Any) -> str:
    return "" if graphql.is_leaf_type(type_) else "{ __typename }"


def literal(value: Any, type_: Any) -> str:
    """As a document writes it."""
    type_ = graphql.get_nullable_type(type_)
    if graphql.is_list_type(type_):
        return f"[{', '.join(literal(item, type_.of_type) for item in value)}]"
    if isinstance(type_, GraphQLInputObjectType):
        parts = (
            f"{name}: {literal(item, type_.fields[name].type)}" for name, item in value.items()
        )
        return f"{{ {', '.join(parts)} }}"
    return str(value) if graphql.is_enum_type(type_) else json.dumps(value)


async def listen(caller: Caller, query: str, variables: dict[str, Any]) -> str | None:
    """The code with which a subscription ends, over server-sent events."""
    async with httpx2.AsyncClient(timeout=30) as client:
        response = await client.post(
            f"{caller.url}/graphql",
            content=json.dumps({"query": query, "variables": variables}),
            headers={**caller.headers, "Content-Type": "application/json", "Accept": SSE},
        )
    code = re.search(r'"code":\s*"(\w+)"', response.text)
    assert code is not None, response.text
    return UNREADABLE if code[1] == "GRAPHQL_VALIDATION_FAILED" else code[1]


ARGUMENTS = {
    f"{a.path[-1][1].name}.{a.path[-1][0]}({a.name})": a
    for a in arguments()
    if next(bad(a.type, ""), None) is not None
}


@pytest.mark.parametrize("way", ["variable", "literal"])
async def test_no_argument_accepts_text_that_postgresql_cannot_store(
    carrier: Carrier, way: str
) -> None:
    wrong, count = [], 0
    for name, argument in ARGUMENTS.items():
        for text in UNSTORABLE if way == "variable" else UNSTORABLE[:1]:
            for value, scalar in bad(argument.type, text):
                is_variable = way == "variable"
                literal_text = "$v" if is_variable else literal(value, argument.type)
                declared = f"($v: {argument.type})" if is_variable else ""
                query = document(argument, literal_text, declared)
                run = listen if argument.operation == "subscription" else operate
                code = await run(carrier.owner, query, {"v": value} if is_variable else {})
                count += 1
                if code != REFUSED[scalar]:
                    wrong.append((name, value, code))
    print(f"{way}: {count} values in {len(ARGUMENTS)} arguments")
    assert wrong == []
    assert len(ARGUMENTS) > 100


async def test_the_code_and_the_message_state_the_problem(carrier: Carrier) -> None:
    audit = "{ auditLog(filter: { action: $v }) { __typename } }"
    snooze = "{ unsnoozeChecklistItem(input: { code: $v }) { __typename } }"
    for query, variables in (
        (f"query Q($v: String) {audit}", {"v": "a\0"}),
        (audit.replace("$v", '"\\u0000"'), {}),
        (f"mutation Q($v: String!) {snooze}", {"v": "\ud800"}),
    ):
        answer = await carrier.owner.send(query, **variables)
        [error] = answer["errors"]
        assert error["extensions"]["code"] == "BAD_TEXT"
        assert "NUL" in error["message"]
