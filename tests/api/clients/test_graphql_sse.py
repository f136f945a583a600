"""GraphQL over server-sent events, by the graphql-sse client (distinct connections)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
from callers import Caller, Carrier
from node import Talk, talking, unheard
from programs import Program
from redis.asyncio import Redis
from switches import Calls, number

from live import topics

pytestmark = [pytest.mark.clients, pytest.mark.usefixtures("packages")]

LIVE = """subscription Channels($customer: ID) { liveChannels(customerId: $customer) {
    sequence inUse } }"""


def _client(caller: Caller, retries: int = 100) -> AbstractAsyncContextManager[Talk]:
    return talking("stream.mjs", f"{caller.url}/graphql", caller.token or "", str(retries))


@pytest.fixture
async def another(api: Program) -> AsyncIterator[Program]:
    with Program.web(api.environment) as program:
        yield program


async def test_a_query_is_answered_by_a_next_and_a_complete(carrier: Carrier) -> None:
    async with _client(carrier.owner) as client:
        client.subscribe("a", "{ viewer { __typename } }")
        assert (await client.hear("message", "a"))["of"] == "next"
        told = await client.hear("next", "a")
        assert told["result"]["data"] == {"viewer": {"__typename": "Staff"}}
        assert (await client.hear("message", "a"))["of"] == "complete"
        await client.hear("complete", "a")


async def test_a_board_sees_every_call_come_and_go(carrier: Carrier, api_redis: Redis) -> None:
    customer = await carrier.customer()
    switch = Calls(api_redis, carrier, customer)
    async with _client(await carrier.key("LIVE_READ")) as client:
        client.subscribe("a", LIVE, variables={"customer": customer})
        await client.state("a", 0)
        await switch.start(1, 2)
        await client.state("a", 2)
        await switch.end(1, 2)
        await client.state("a", 0)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("subscription { x }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { liveChannels { inUse } }", "UNAUTHENTICATED"),
    ],
)
async def test_a_refusal_comes_as_a_next_with_its_errors_and_completes(
    api: Program, query: str, code: str
) -> None:
    async with _client(Caller(api.url)) as client:
        client.subscribe("a", query)
        [error] = (await client.hear("next", "a"))["result"]["errors"]
        assert error["extensions"]["code"] == code
        await client.hear("complete", "a")


async def test_a_bad_token_is_401(api: Program) -> None:
    async with _client(Caller(api.url, "cb_1_1_made-up"), retries=0) as client:
        client.subscribe("a", LIVE)
        assert (await client.hear("error", "a"))["status"] == 401


async def test_a_stream_that_is_left_is_no_longer_listened_for(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    topic = topics.channels(carrier.account_id, number(customer))
    async with _client(carrier.owner) as client:
        client.subscribe("a", LIVE, variables={"customer": customer})
        await client.state("a", 0)
        assert (await api_redis.pubsub_numsub(topic))[0][1] == 1
        client.say("stop", id="a")
        assert await unheard(api_redis, topic)


async def test_a_killed_server_is_come_back_to(
    carrier: Carrier, api_redis: Redis, another: Program
) -> None:
    customer = await carrier.customer()
    switch = Calls(api_redis, carrier, customer)
    async with _client(Caller(another.url, carrier.owner.token)) as client:
        client.subscribe("a", LIVE, variables={"customer": customer})
        before = await client.state("a", 0)
        await asyncio.to_thread(another.kill)
        await switch.start(1)
        await asyncio.to_thread(another.start)
        after = await client.state("a", 1)
        assert after[0]["sequence"] > before[-1]["sequence"]
