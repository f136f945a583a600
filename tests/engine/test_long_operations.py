"""Long variables and responses do not block the event loop, and the results are the same."""

import asyncio
import gc
import json
import time
import weakref
from typing import Any, cast

import pytest
from graphql.execution import get_variable_values

from domain.identity import callers
from runtime import clock
from schema import root
from schema.engine import base, encoding, services
from schema.engine.documents import limits, parsing

STAFF = callers.Caller(1, callers.Kind.STAFF, 1, role=callers.Role.OWNER)
NOTHING = cast("Any", None)
ADD_RATES = "mutation($i: AddRatesInput!) { addRates(input: $i) { __typename } }"
CHANGE_PASSWORD = """mutation { changePassword(input: {current: "a", new: "b"}) {
  ... on Refusal { code } } }"""


def _input(rates: int, **last: Any) -> dict[str, Any]:
    added: list[dict[str, Any]] = [
        {"prefix": f"49{n:05d}", "perMinute": "0.012"} for n in range(rates)
    ]
    return {"i": {"id": "card", "rates": [*added, {"prefix": "1", "perMinute": "1"} | last]}}


async def _executed(
    variables: dict[str, Any], query: str = ADD_RATES, caller: callers.Caller | None = STAFF
) -> Any:
    context = base.Context(caller, clock.now, services.Services(NOTHING, NOTHING, NOTHING))
    return await root.api.execute(query, context_value=context, variable_values=variables)


async def _longest_stretch(stretches: list[float]) -> None:
    """Seconds of processor time of this thread, each from one turn to the next."""
    began = time.thread_time()
    while True:
        await asyncio.sleep(0)
        now = time.thread_time()
        stretches.append(now - began)
        began = now


async def test_the_event_loop_serves_others_while_many_variables_are_read() -> None:
    variables = _input(9_999, prefix=None)
    definition = parsing.operation(ADD_RATES, None, STAFF).definition
    began = time.thread_time()
    get_variable_values(root.api._schema, definition.variable_definitions or (), variables)
    reading = time.thread_time() - began
    stretches: list[float] = []
    others = asyncio.create_task(_longest_stretch(stretches))
    result = await _executed(variables)
    others.cancel()
    [error] = result.errors
    assert "prefix" in error.message
    assert max(stretches) < reading / 2


async def test_many_variables_are_refused_like_few() -> None:
    for last in ({"prefix": None}, {"perMinute": "much"}, {"unknown": 1}):
        few, many = await _executed(_input(1, **last)), await _executed(_input(900, **last))
        [of_few], [of_many] = few.errors, many.errors
        assert of_many.message == of_few.message.replace("[1]", "[900]")
        assert of_many.extensions == of_few.extensions


async def test_the_event_loop_serves_others_while_a_long_response_is_encoded() -> None:
    points = [{"at": "2026-01-01T00:00:00Z", "attempts": n, "asr": n / 7} for n in range(100_000)]
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(count_turns())
    encoded = await encoding.encode({"data": {"points": points}})
    others.cancel()
    assert json.loads(encoded)["data"]["points"] == points
    assert turns > 2


_ITEM = {"a": 'Größe "5"', "b": [1, 0.5, None, {}], "": {"c": []}}


@pytest.mark.parametrize("size", [0, 1, 49, 50, 51, 100, 101])
async def test_encoding_in_slices_produces_the_same_json(size: int) -> None:
    for items in ([_ITEM] * size, [None] * size, [[_ITEM] * size, _ITEM, []], [[7] * size] * size):
        value = {"before": _ITEM, "items": items, "after": {"items": items}}
        assert json.loads(await encoding.encode(value)) == value


def test_an_evicted_document_is_freed_without_garbage_collection() -> None:
    gc.collect()
    gc.disable()
    try:
        read = parsing.read("{ viewer { __typename } }", limits.of(STAFF))
        document = weakref.ref(read.document)
        del read
        assert document() is None
    finally:
        gc.enable()


async def test_an_unauthenticated_caller_gets_unauthenticated_and_not_the_cost_of_a_password() -> (
    None
):
    result = await _executed({}, CHANGE_PASSWORD, None)
    assert result.data == {"changePassword": {"code": "UNAUTHENTICATED"}}
