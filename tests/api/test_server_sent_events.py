"""GraphQL over server-sent events, each operation a stream of its own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from callers import Caller, Carrier
from redis.asyncio import Redis
from switches import Calls

LIVE = "subscription { liveChannels { inUse } }"


@asynccontextmanager
async def _stream(caller: Caller, method: str = "POST", **request: Any) -> AsyncIterator[Any]:
    """What the events of one operation hold, until the server ends it."""
    headers = caller.headers | {"Accept": "text/event-stream"}
    url = f"{caller.url}/graphql"
    async with (
        httpx2.AsyncClient(verify=False) as client,
        client.stream(method, url, headers=headers, **request) as answer,
    ):

        async def told() -> AsyncIterator[Any]:
            async for line in answer.aiter_lines():
                if line.startswith("data: {"):
                    yield json.loads(line.removeprefix("data:"))

        yield told()


async def test_server_sent_events_push_what_the_socket_does(carrier: Carrier) -> None:
    async with _stream(carrier.owner, json={"query": LIVE}) as told:
        assert await anext(told) == {"data": {"liveChannels": {"inUse": 0}}}


async def test_a_stream_whose_key_is_revoked_ends_with_its_next_push(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    made = await carrier.owner.do(
        "createApiKey", "CreatedApiKey", "id secret", name="a program", scopes=["LIVE_READ"]
    )
    switch = Calls(api_redis, carrier, customer)
    async with _stream(Caller(carrier.url, made["secret"]), json={"query": LIVE}) as told:
        await anext(told)
        await carrier.owner.do("revokeApiKey", "ApiKey", "id", id=made["id"])
        for number in range(100):
            await switch.start(number)
            last = await anext(told)
            if "errors" in last:
                break
        assert last["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert [more async for more in told] == []


@pytest.mark.parametrize(
    ("method", "request_", "said"),
    [
        ("GET", {"params": {"query": "mutation { logout { __typename } }"}}, "mutations are not"),
        ("GET", {}, "query"),
        ("POST", {"json": {"query": "fragment F on Query { __typename }"}}, "operation"),
        ("POST", {"json": {"query": "query A { __typename }", "operationName": "B"}}, "B"),
    ],
)
async def test_a_request_at_fault_is_told_so(
    carrier: Carrier, method: str, request_: dict[str, Any], said: str
) -> None:
    async with _stream(carrier.owner, method, **request_) as told:
        [error] = (await anext(told))["errors"]
    assert error["extensions"] == {"code": "BAD_REQUEST"}
    assert said in error["message"]
