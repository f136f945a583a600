"""Any selection of any value gives the same result as graphql-core."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeAlias

import graphql
import pytest
from graphql import GraphQLField, GraphQLList, GraphQLObjectType
from hypothesis import given
from hypothesis import strategies as st
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from schema import root
from schema.engine import executing
from schema.engine.plans import fields as plan_fields

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

SCHEMA = root.api._schema
BACK = "strawberry-definition"
PLAIN = plan_fields.plain_fields(SCHEMA)
TYPES = [
    type
    for _, type in sorted(SCHEMA.type_map.items())
    if isinstance(type, GraphQLObjectType) and any(of == type.name for of, _ in PLAIN)
]
NOT_RIGHT = ["many", 2**53, -1, 1.5, float("nan"), True, [], {}, object(), ValueError("no value")]
RIGHT: dict[str, list[Any]] = {
    "Int": [0, 7],
    "Long": [0, 2**53 - 1],
    "Float": [0.5, 3],
    "Boolean": [False, True],
    "DateTime": [datetime(2026, 11, 22, 3, tzinfo=UTC)],
    "Decimal": [Decimal("1.50"), Decimal(0)],
}


@st.composite
def _selections(draw: Draw, type: Any, depth: int = 3) -> str:
    """What may be asked of a type, of plain fields; named twice now and then, and in fragments."""
    said = [draw(_field(type, depth)) for _ in range(draw(st.integers(1, 4)))]
    return f"{{ {' '.join(said)} }}"


@st.composite
def _field(draw: Draw, type: Any, depth: int) -> str:
    if depth and draw(st.integers(0, 4)) == 0:
        of = type
        if graphql.is_abstract_type(type):
            of = draw(st.sampled_from(SCHEMA.get_possible_types(type)))
        return f"... on {of.name}{draw(_directive())} {draw(_selections(of, depth - 1))}"
    names = [name for name in getattr(type, "fields", ()) if (type.name, name) in PLAIN]
    names = [name for name in names if depth or graphql.is_leaf_type(_bare(type.fields[name].type))]
    name = draw(st.sampled_from(["__typename", *names, *names]))
    below = None if name == "__typename" else _bare(type.fields[name].type)
    selected = ""
    if below is not None and not graphql.is_leaf_type(below):
        selected = draw(_selections(below, depth - 1))
    alias = draw(st.sampled_from(["", "", f"other_{name}: "]))
    return f"{alias}{name}{draw(_directive())} {selected}"


def _directive() -> st.SearchStrategy[str]:
    said = (f" @{name}(if: ${value})" for name in ("skip", "include") for value in ("yes", "no"))
    return st.sampled_from(["", "", "", "", *said])


def _bare(type: Any) -> Any:
    return graphql.get_named_type(type)


@st.composite
def _values(draw: Draw, type: Any, depth: int = 4) -> Any:
    """Of a type; now and then none, or what is none of it."""
    luck = draw(st.integers(0, 39))
    if luck == 0 or (luck < 6 and graphql.is_list_type(graphql.get_nullable_type(type))):
        return draw(st.sampled_from(NOT_RIGHT))
    if graphql.is_non_null_type(type):
        return None if luck == 6 else draw(_values(type.of_type, depth))
    if luck < 8 or not depth:
        return None
    if graphql.is_list_type(type):
        found = draw(st.lists(_values(type.of_type, depth - 1), max_size=2))
        return draw(st.sampled_from([found, tuple(found)]))
    if graphql.is_enum_type(type):
        return draw(st.sampled_from(list(type.extensions[BACK].wrapped_cls)))
    if graphql.is_leaf_type(type):
        return draw(st.sampled_from(RIGHT.get(type.name, ["a", "b"])))
    if graphql.is_abstract_type(type):
        type = draw(st.sampled_from(SCHEMA.get_possible_types(type)))
    return draw(_objects(type, depth))


@st.composite
def _objects(draw: Draw, type: GraphQLObjectType, depth: int) -> Any:
    made = object.__new__(type.extensions[BACK].origin)
    for name, field in type.fields.items():
        plain = PLAIN.get((type.name, name))
        if plain is not None and draw(st.integers(0, 39)):
            object.__setattr__(made, plain.attribute, draw(_values(field.type, depth - 1)))
    return made


def _itself(yielded: Any, _: Any) -> Any:
    return yielded


def _fields(name: str, resolve: Any) -> GraphQLObjectType:
    """Of each type, one and many of it."""
    fields = {type.name: GraphQLField(type, resolve=resolve) for type in TYPES}
    many = {f"{type.name}s": GraphQLField(GraphQLList(type), resolve=resolve) for type in TYPES}
    return GraphQLObjectType(name, fields | many)


ASKED = graphql.GraphQLSchema(
    _fields("Ask", _itself),
    subscription=_fields("Follow", _itself),
    types=list(SCHEMA.type_map.values()),
    extensions=SCHEMA.extensions,
)


async def _awaited(told: Awaitable[graphql.ExecutionResult]) -> graphql.ExecutionResult:
    return await told


def _told(
    executor: Any, document: graphql.DocumentNode, values: list[Any], yes: bool
) -> Iterator[Any]:
    """Of each value in turn, as a subscription does."""
    built = executor.build(
        ASKED, document, raw_variable_values={"yes": yes, "no": not yes}, root_value=values[0]
    )
    assert not isinstance(built, list), built
    for value in values:
        told = built.build_per_event_executor(value).execute_operation(False)
        if inspect.isawaitable(told):  # a long list is completed in slices
            told = asyncio.run(_awaited(told))
        # Lists completed in slices report their errors in the order of completion.
        yield told.data, sorted(str(error.formatted) for error in told.errors or ())


@given(data=st.data())
def test_random_objects_are_resolved_as_in_graphql_core(data: st.DataObject) -> None:
    type = data.draw(st.sampled_from(TYPES))
    is_many = data.draw(st.booleans())
    kind = data.draw(st.sampled_from(["query", "subscription"]))
    name = f"{type.name}s" if is_many else type.name
    one, other = data.draw(_selections(type)), data.draw(_selections(type))
    said = f"{kind} ($yes: Boolean! $no: Boolean!) {{ {name} {one} other: {name} {other} }}"
    of = GraphQLList(type) if is_many else type
    values = data.draw(st.lists(_values(of), min_size=1, max_size=3))
    yes, document = data.draw(st.booleans()), graphql.parse(said)
    told, expected = (
        list(_told(executor, document, values, yes))
        for executor in (executing.Execution, StrawberryGraphQLCoreExecutionContext)
    )
    assert repr(told) == repr(expected)  # the order of names too


@pytest.mark.parametrize(
    "asked",
    [
        "{ __schema { __typename } }",
        '{ __type(name: "Query") { kind @skip(if: true) } }',
        "{ __schema { queryType { __typename name } } }",
    ],
)
def test_introspection_is_resolved_as_in_graphql_core(asked: str) -> None:
    told, expected = (
        executor.build(SCHEMA, graphql.parse(asked)).execute_operation(False)
        for executor in (executing.Execution, StrawberryGraphQLCoreExecutionContext)
    )
    assert told == expected
    assert told.errors is None
