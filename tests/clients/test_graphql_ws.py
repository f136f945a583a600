"""graphql-transport-ws, by the graphql-ws client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from itertools import pairwise

import pytest
from redis.asyncio import Redis

from live import topics
from tests.support.api.callers import Caller, Carrier
from tests.support.api.switches import Calls, number
from tests.support.clients.node import Talk, talking, unheard
from tests.support.programs import Program

pytestmark = [pytest.mark.clients, pytest.mark.usefixtures("packages")]

LIVE = """subscription Channels($customer: ID) { liveChannels(customerId: $customer) {
    sequence inUse byCarrier { carrier { id } inUse } } }"""


def _client(caller: Caller) -> AbstractAsyncContextManager[Talk]:
    url = caller.url.replace("http", "ws") + "/graphql"
    return talking("socket.mjs", url, *([caller.token] if caller.token else []))


@pytest.fixture
async def another(api: Program) -> AsyncIterator[Program]:
    """A second web process on the same database, to be killed and started again."""
    with Program.web(api.environment) as program:
        yield program


async def test_a_query_is_answered_and_completed(carrier: Carrier) -> None:
    async with _client(carrier.owner) as client:
        client.subscribe("a", "{ viewer { __typename } }")
        message = await client.hear("next", "a")
        assert message["result"]["data"] == {"viewer": {"__typename": "Staff"}}
        await client.hear("complete", "a")


async def test_a_wallboard_sees_every_call_start_and_end(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    switch = Calls(api_redis, carrier, customer)
    async with _client(await carrier.key("LIVE_READ")) as client:
        client.subscribe("a", LIVE, variables={"customer": customer})
        states = await client.state("a", 0)
        await switch.start(1, 2)
        states += await client.state("a", 2)
        await switch.end(1)
        states += await client.state("a", 1)
    assert all(new["sequence"] > old["sequence"] for old, new in pairwise(states))


async def test_many_operations_share_a_socket(carrier: Carrier, api_redis: Redis) -> None:
    customers = [await carrier.customer() for _ in range(5)]
    async with _client(carrier.owner) as client:
        for id, customer in enumerate(customers):
            client.subscribe(f"board {id}", LIVE, variables={"customer": customer})
            client.subscribe(f"query {id}", "{ __typename }")
        for id, customer in enumerate(customers):
            await client.state(f"board {id}", 0)
            await Calls(api_redis, carrier, customer).start(*range(10 * id, 11 * id + 1))
        for id in range(5):
            await client.state(f"board {id}", id + 1)
        client.subscribe("last", "{ __typename }")
        await client.hear("complete", "last")


async def test_an_invalid_document_ends_only_its_own_operation(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    async with _client(carrier.owner) as client:
        client.subscribe("board", LIVE, variables={"customer": customer})
        await client.state("board", 0)
        for id, query in [("syntax", "{"), ("unknown", "{ x }"), ("empty", "")]:
            client.subscribe(id, query)
            [error] = (await client.hear("error", id))["error"]
            assert error["message"]
        await Calls(api_redis, carrier, customer).start(1)
        await client.state("board", 1)


async def test_a_refused_subscription_states_the_reason_and_the_socket_stays_usable(
    carrier: Carrier,
) -> None:
    async with _client(await carrier.key("BILLING_READ")) as client:
        client.subscribe("a", LIVE)
        message = await client.hear("next", "a")
        assert message["result"]["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        client.subscribe("b", "{ __typename }")
        await client.hear("complete", "b")


async def test_a_pong_returns_the_payload_of_its_ping(carrier: Carrier) -> None:
    async with _client(carrier.owner) as client:
        client.subscribe("a", "{ __typename }")
        await client.hear("complete", "a")
        client.say("send", message={"type": "ping", "payload": {"at": [1, {"b": None}]}})
        assert (await client.hear("pong"))["payload"] == {"at": [1, {"b": None}]}


async def test_stopping_a_wallboard_ends_its_subscription(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    topic = topics.channels(carrier.account_id, number(customer))
    async with _client(carrier.owner) as client:
        client.subscribe("a", LIVE, variables={"customer": customer})
        await client.state("a", 0)
        assert (await api_redis.pubsub_numsub(topic))[0][1] == 1
        client.say("stop", id="a")
        await client.hear("complete", "a")
        assert await unheard(api_redis, topic)


async def test_clients_reconnect_after_the_server_is_killed_and_show_the_right_state(
    carrier: Carrier, api_redis: Redis, another: Program
) -> None:
    customer = await carrier.customer()
    switch = Calls(api_redis, carrier, customer)
    async with _client(Caller(another.url, carrier.owner.token)) as client:
        for id in ("a", "b"):
            client.subscribe(id, LIVE, variables={"customer": customer})
        await switch.start(1, 2, 3)
        states = await client.state("a", 3)
        await client.hear("connected")
        await asyncio.to_thread(another.kill)
        assert (await client.hear("closed"))["code"] == 1006
        await switch.end(1)
        await asyncio.to_thread(another.start)
        assert (await client.hear("connected"))["again"]
        states += await client.state("a", 2)
        await switch.start(4, 5)
        states += await client.state("a", 4)
        assert all(new["sequence"] > old["sequence"] for old, new in pairwise(states))


async def test_clients_reconnect_after_the_server_is_stopped(
    carrier: Carrier, another: Program
) -> None:
    """The client does not reconnect after some close codes; 1012 is none of them."""
    async with _client(Caller(another.url, carrier.owner.token)) as client:
        client.subscribe("a", LIVE)
        await client.state("a", 0)
        await asyncio.to_thread(another.stop)
        assert (await client.hear("closed"))["code"] in (1001, 1012, 1013)
        await asyncio.to_thread(another.start)
        await client.state("a", 0)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "connection_init"}, 4429),
        ({"type": "unheard-of"}, 4400),
        ({"type": "subscribe", "id": "x", "payload": {}}, 4400),
        ({"type": "subscribe", "id": "twice", "payload": {"query": LIVE}}, 4409),
    ],
)
async def test_a_protocol_error_is_final_and_the_client_reports_it(
    carrier: Carrier, message: dict[str, object], code: int
) -> None:
    """It does not reconnect, and its operation ends with the close."""
    async with _client(carrier.owner) as client:
        client.subscribe("a", LIVE)
        await client.state("a", 0)
        if code == 4409:
            client.say("send", message=message)
        client.say("send", message=message)
        assert (await client.hear("closed"))["code"] == code
        assert (await client.hear("error", "a"))["error"] == code


async def test_an_invalid_token_is_forbidden(api: Program) -> None:
    async with _client(Caller(api.url, "cb_1_1_made-up")) as client:
        client.subscribe("a", LIVE)
        assert (await client.hear("closed"))["code"] == 4403
