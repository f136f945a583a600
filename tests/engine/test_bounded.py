"""Operations are measured separately, before Strawberry prepares them."""

from typing import Any, cast

import pytest
from strawberry.schema.exceptions import InvalidOperationTypeError

from domain.identity import callers
from runtime import clock
from schema import root
from schema.engine import base, services
from schema.engine.documents import limits

STAFF = callers.Caller(1, callers.Kind.STAFF, 1, role=callers.Role.OWNER)
NOTHING = cast("Any", None)
NAME = "query Name { __typename }"
TOO_MANY_ALIASES = " ".join(f"a{n}: __typename" for n in range(61))


def _context(caller: callers.Caller | None = STAFF, language: str = "en") -> base.Context:
    return base.Context(
        caller, clock.now, services.Services(NOTHING, NOTHING, NOTHING), language=language
    )


async def _executed(query: str, context: base.Context, **said: Any) -> Any:
    return await root.api.execute(query, context_value=context, **said)


async def _streamed(query: str, context: base.Context) -> list[Any]:
    results = await root.api.stream(query, context_value=context)
    return [result async for result in cast("Any", results)]


def _code(result: Any) -> str:
    assert result.data is None
    [error] = result.errors
    return str(error.extensions["code"])


async def test_a_stream_after_an_operation_of_the_same_context_is_measured_separately() -> None:
    context = _context()
    assert (await _executed(NAME, context)).data == {"__typename": "Query"}
    [result] = await _streamed(f"{{ {TOO_MANY_ALIASES} }}", context)
    assert _code(result) == "TOO_MANY_ALIASES"


async def test_an_operation_after_a_refusal_of_the_same_context_is_measured_separately() -> None:
    context = _context()
    assert _code(await _executed(f"{{ {TOO_MANY_ALIASES} }}", context)) == "TOO_MANY_ALIASES"
    assert (await _executed(NAME, context)).data == {"__typename": "Query"}
    assert _code(await _executed(NAME, context, operation_name="Other")) == "BAD_REQUEST"


@pytest.mark.parametrize("way", [_executed, _streamed])
async def test_an_operation_above_a_limit_is_refused_in_the_language_of_the_caller(
    way: Any,
) -> None:
    told = await way(f"{{ {TOO_MANY_ALIASES} }}", _context(language="de"))
    result = told[0] if isinstance(told, list) else told
    [error] = result.errors
    most = limits.of(STAFF).aliases
    assert error.extensions == {"code": "TOO_MANY_ALIASES", "limit": most, "requested": 61}
    assert "höchstens" in error.message


async def test_a_subscription_is_not_executed_without_a_list_of_allowed_operations() -> None:
    asked = _executed(
        "subscription { liveChannels { inUse } }", _context(), allowed_operation_types=None
    )
    with pytest.raises(InvalidOperationTypeError):
        await asked
