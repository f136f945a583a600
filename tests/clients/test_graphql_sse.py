"""GraphQL over server-sent events, by the graphql-sse client (distinct connections)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
from redis.asyncio import Redis

from live import topics
from tests.support.api.callers import Caller, Carrier
from tests.support.api.switches import Calls, number
from tests.support.clients.node import Talk, talking, unheard
from tests.support.programs import Program

pytestmark = [pytest.mark.clients, pytest.mark.usefixtures("packages")]

LIVE = """subscription Channels($customer: ID) { liveChannels(customerId: $customer) {
    sequence inUse } }"""


def _client(caller: Caller, retries: int = 6_000) -> AbstractAsyncContextManager[Talk]:
    return talking("stream.mjs", f"{caller.url}/graphql", caller.token or "", str(retries))


@pytest.fixture
async def another(api: Program) -> AsyncIterator[Program]:
    with Program.web(api.environment) as program:
        yield program


async def test_a_query_is_answered_by_next_and_complete(carrier: Carrier) -> None:
    async with _client(carrier.owner) as client:
        client.subscribe("a", "{ viewer { __typename } }")
        assert (await client.hear("message", "a"))["of"] == "next"
        message = await client.hear("next", "a")
        assert message["result"]["data"] == {"viewer": {"__typename": "Staff"}}
        assert (await client.hear("message", "a"))["of"] == "complete"
        await client.hear("complete", "a")


async def test_a_wallboard_sees_every_call_start_and_end(
    carrier: Carrier, api_redis: Redis
) -> None:
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
async def test_a_refusal_arrives_as_next_with_errors_and_completes(
    api: Program, query: str, code: str
) -> None:
    async with _client(Caller(api.url)) as client:
        client.subscribe("a", query)
        [error] = (await client.hear("next", "a"))["result"]["errors"]
        assert error["extensions"]["code"] == code
        await client.hear("complete", "a")


async def test_an_invalid_token_is_answered_with_401(api: Program) -> None:
    async with _client(Caller(api.url, "cb_1_1_made-up"), retries=0) as client:
        client.subscribe("a", LIVE)
        assert (await client.hear("error", "a"))["status"] == 401


async def test_closing_a_stream_ends_its_subscription(carrier: Carrier, api_redis: Redis) -> None:
    customer = await carrier.customer()
    topic = topics.channels(carrier.account_id, number(customer))
    async with _client(carrier.owner) as client:
        client.subscribe("a", LIVE, variables={"customer": customer})
        await client.state("a", 0)
        assert (await api_redis.pubsub_numsub(topic))[0][1] == 1
        client.say("stop", id="a")
        assert await unheard(api_redis, topic)


async def test_clients_reconnect_after_the_server_is_killed(
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
