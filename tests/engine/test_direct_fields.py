"""Synchronous resolvers and preloaded fields give the same result as in graphql-core."""

import asyncio
import inspect
from typing import Any

import graphql
import pytest
import strawberry
from hypothesis import given
from hypothesis import strategies as st
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from domain.identity import callers
from resolvers.access import Capability
from schema.engine import executing, permissions
from schema.engine.plans import fields

NAMES = ("label", "shout", "secret", "hidden", "ready", "name", "__typename")
ANY = st.sampled_from([None, "a", "", 7, object(), ValueError("no value")])


@strawberry.type
class Item:
    name: str | None
    text: strawberry.Private[Any]
    stored: strawberry.Private[Any] = fields.NOT_LOADED

    @strawberry.field
    def label(self) -> str | None:
        if isinstance(self.text, Exception):
            raise self.text
        return self.text  # type: ignore[no-any-return]

    @strawberry.field
    def shout(self) -> str:
        return self.text  # type: ignore[no-any-return]

    @permissions.field(requires=Capability.SEE_COST, description="Refused to contacts.")
    def secret(self) -> str | None:
        return self.text  # type: ignore[no-any-return]

    @permissions.field(requires=Capability.SEE_COST, hidden=True, description="Null to contacts.")
    def hidden(self) -> str | None:
        return self.text  # type: ignore[no-any-return]

    @strawberry.field(metadata=fields.preloaded("stored"))
    async def ready(self) -> str | None:
        return "loaded" if self.stored is fields.NOT_LOADED else self.stored


@strawberry.type
class Query:
    @strawberry.field
    def items(self) -> list[Item | None]:
        return []


SCHEMA = strawberry.Schema(Query)._schema


class Context:
    """That of a caller, as `permissions` use it."""

    def __init__(self, role: callers.Role | None) -> None:
        kind = callers.Kind.CONTACT if role is None else callers.Kind.STAFF
        customer_id = 1 if role is None else None
        self.caller = callers.Caller(1, kind, 1, role, customer_id=customer_id)

    def signed_in(self) -> callers.Caller:
        return self.caller


@st.composite
def items(draw: Any) -> Item:
    stored = draw(st.just(fields.NOT_LOADED) | st.sampled_from([None, "stored", 7]))
    name = draw(st.sampled_from([None, "n"]))
    return Item(name=name, text=draw(ANY), stored=stored)


async def execute(
    executor: Any, document: str, role: callers.Role | None, rows: list[Item | None]
) -> Any:
    SCHEMA.type_map["Query"].fields["items"].resolve = lambda *_: rows  # type: ignore[attr-defined]
    built = executor.build(
        SCHEMA,
        graphql.parse(document),
        context_value=Context(role),
    )
    assert not isinstance(built, list), built
    result = built.execute_operation(False)
    result = await result if inspect.isawaitable(result) else result
    return result.data, sorted(str(error.formatted) for error in result.errors or ())


@given(
    selected=st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(["", "a: ", "b: "])),
        min_size=1,
        max_size=5,
        unique_by=lambda pair: pair[1] or pair[0],
    ),
    rows=st.lists(st.none() | items(), max_size=4),
    role=st.sampled_from([None, callers.Role.OWNER]),
)
def test_any_selection_gives_what_graphql_core_gives(
    selected: list[tuple[str, str]], rows: list[Item | None], role: callers.Role | None
) -> None:
    document = f"{{ items {{ {' '.join(alias + name for name, alias in selected)} }} }}"
    ours, expected = (
        asyncio.run(execute(executor, document, role, rows))
        for executor in (executing.Execution, StrawberryGraphQLCoreExecutionContext)
    )
    assert repr(ours) == repr(expected)


@pytest.mark.parametrize("name", ["label", "shout", "secret", "hidden", "ready"])
def test_the_fields_are_direct(name: str) -> None:
    assert ("Item", name) in fields.direct_fields(SCHEMA)


def test_a_refusal_is_reported_for_each_object() -> None:
    rows: list[Item | None] = [Item(name=None, text="a"), Item(name=None, text="b")]
    data, errors = asyncio.run(execute(executing.Execution, "{ items { secret } }", None, rows))
    assert data == {"items": [{"secret": None}, {"secret": None}]}
    assert len(errors) == 2
