"""The limits of a peer, its effect on others, and internal errors."""

import asyncio
import json
import time
from contextlib import AsyncExitStack

import pytest

from models import db
from runtime import clock
from server import connection_monitor, websocket_protocol
from tests.support.api.callers import Carrier
from tests.support.api.failing_server import broken
from tests.support.api.peers import (
    HANDSHAKE,
    INIT_MESSAGE,
    Frames,
    Peer,
    close_code,
    frame,
    message,
    post,
)
from tests.support.api.sockets import (
    acknowledged,
    closed,
    hear,
    open_socket,
    say,
    signed_in,
    subscribe,
    until_pong,
    with_token,
)
from tests.support.programs import Program

pytestmark = pytest.mark.once

NAME = json.dumps({"query": "{ __typename }"})
PING = {"type": "ping"}


# Too much ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        "GET /graphql?query=" + "x" * 40_000,
        "GET /graphql HTTP/1.1\r\n" + "a: b\r\n" * 7_000,
        "GET /graphql HTTP/1.1\r\na: " + "x" * 400_000,
        post(NAME) + "GET /graphql HTTP/1.1\r\na: " + "x" * 400_000,
    ],
    ids=["its line", "its headers", "one header", "the second of two"],
)
async def test_request_headers_that_are_too_long_are_refused_immediately(
    api: Program, head: str
) -> None:
    async with Peer.connect(api.url) as peer:
        peer.say(head)
        seconds, content = await peer.end()
    assert seconds < 5
    *_, last = content.split(b"HTTP/1.1 ")
    status, _, message = last.partition(b"\r\n")
    assert status == b"431 Request Header Fields Too Large"
    assert b"A request's head has at most 32768 bytes." in message
    assert content.count(b"HTTP/1.1 200") == (1 if head.startswith("POST") else 0)


@pytest.mark.parametrize("more", ["a: " + "x" * 9_000 + "\r\n", "a: b\r\n" * 200])
async def test_a_handshake_with_too_many_headers_is_answered(api: Program, more: str) -> None:
    async with Peer.connect(api.url) as peer:
        peer.say(HANDSHAKE.replace("\r\n\r\n", f"\r\n{more}\r\n"))
        async with asyncio.timeout(15):
            _, content = await peer.end()
    assert content.startswith(b"HTTP/1.1 431 ")
    assert b"A handshake has at most 128 headers of 8192 bytes." in content


async def test_an_invalid_request_is_answered_with_400_and_the_common_headers(
    api: Program,
) -> None:
    async with Peer.connect(api.url) as peer:
        peer.say("nonsense\r\n\r\n")
        _, content = await peer.end()
    assert content.startswith(b"HTTP/1.1 400 ")
    head = content.lower()
    assert b"cache-control: no-store" in head
    assert b"x-content-type-options: nosniff" in head


async def test_headers_within_the_limit_are_read(api: Program) -> None:
    async with Peer.connect(api.url) as peer:
        for _ in range(3):  # each for itself
            peer.say(post(NAME, x="x" * 32_000))
            assert b" 200 " in await peer.reader.readuntil(b"\r\n\r\n")
            assert b"Query" in await peer.reader.readuntil(b"}}")


async def test_pipelined_requests_are_answered_in_order(api: Program) -> None:
    async with Peer.connect(api.url) as peer:
        names = [json.dumps({"query": f"{{ a{n}: __typename }}"}) for n in range(300)]
        peer.say("".join(map(post, names)))
        for n in range(300):
            content = await peer.reader.readuntil(b"}}")
            assert f'"a{n}"'.encode() in content


async def test_a_body_of_the_maximum_size_is_read(carrier: Carrier) -> None:
    body = json.dumps({"query": "{ __typename }", "variables": {"a": "x" * 900_000}})
    async with Peer.connect(carrier.url) as peer:
        for _ in range(2):
            peer.say(post(body, Authorization=f"Bearer {carrier.owner.token}"))
            assert b" 200 " in await peer.reader.readuntil(b"\r\n\r\n")
            assert b"Query" in await peer.reader.readuntil(b"}}")
    async with signed_in(carrier.url, carrier.owner.token) as socket:
        await say(socket, subscribe("1", "{ __typename }", variables={"a": "x" * 900_000}))
        assert (await hear(socket))["payload"]["data"] == {"__typename": "Query"}


async def test_an_unauthenticated_caller_sends_at_most_64_kib(carrier: Carrier) -> None:
    for content in (message(PING) * 3_000, INIT_MESSAGE + message({"a": "x" * 70_000})):
        async with Frames.open(carrier.url) as peer:
            peer.say(content)
            _, reply = await peer.end()
            assert close_code(reply) in (1009, None)  # None: it was reset while it still sent
    async with signed_in(carrier.url, carrier.owner.token) as socket:
        for _ in range(10):
            await say(socket, PING | {"payload": {"a": "x" * 20_000}})
            assert (await hear(socket))["type"] == "pong"


async def test_a_message_cannot_exceed_its_frame_limit(carrier: Carrier) -> None:
    async with Frames.open(carrier.url, carrier.owner.token) as peer:
        peer.say(frame(0x01) + frame(0x00) * 2_000)
        assert await peer.code() == 1009


async def test_the_oldest_of_too_many_unauthenticated_connections_is_closed(
    server: Program, api_database: str
) -> None:
    carrier = await Carrier.create(server.url, clock.now())
    async with AsyncExitStack() as stack:
        socket = await stack.enter_async_context(signed_in(server.url, carrier.owner.token))
        first = await stack.enter_async_context(acknowledged(server.url))
        for _ in range(connection_monitor.MAX_UNAUTHENTICATED_SOCKETS - 1):
            await stack.enter_async_context(Frames.open(server.url))
        assert await until_pong(first) == []
        for _ in range(3):  # an immediately authenticated socket is not unauthenticated for long
            async with signed_in(server.url, carrier.owner.token):
                pass
        going = asyncio.create_task(closed(first))
        async with asyncio.timeout(10):
            while not going.done():
                await stack.enter_async_context(Frames.open(server.url))
                await asyncio.sleep(0.1)
        assert await going == 1013
        assert await until_pong(socket) == []


FLOODS = {
    "pings": frame(0x89) * 500_000,
    "pongs": frame(0x8A) * 500_000,
    "empty fragments": frame(0x01) + frame(0x00) * 500_000,
    "messages": message(PING) * 15_000,
    "faulty operations": message(subscribe("1", "{")) * 5_000,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_a_flood_on_one_socket_delays_no_other(carrier: Carrier, flood: bytes) -> None:
    async with (
        signed_in(carrier.url, carrier.owner.token) as other,
        Frames.open(carrier.url, carrier.owner.token) as peer,
    ):
        reading = asyncio.create_task(peer.end())
        peer.say(flood)
        slowest = 0.0
        for _ in range(100):
            start = time.monotonic()
            assert await until_pong(other) == []
            slowest = max(slowest, time.monotonic() - start)
        reading.cancel()
    assert slowest < 0.25


# What goes wrong in ourselves ----------------------------------------------------------------


async def test_an_internal_error_in_a_socket_closes_it_with_1011_and_an_id(
    carrier: Carrier,
) -> None:
    async with db.connection() as connection:
        await connection.execute("ALTER TABLE sessions RENAME TO sessions_away")
    try:
        async with open_socket(carrier.url) as socket:
            await say(socket, with_token(carrier.owner.token or ""))
            assert await closed(socket) == 1011
            assert (socket.close_reason or "").startswith("Internal error ")
    finally:
        async with db.connection() as connection:
            await connection.execute("ALTER TABLE sessions_away RENAME TO sessions")


async def test_an_operation_with_an_internal_error_ends_and_its_id_can_be_used_again() -> None:
    async with broken() as url, acknowledged(url) as socket:
        for _ in range(2):  # of the single concurrent operation that it may run
            await say(socket, subscribe("1", "{ __typename }"))
            message = await hear(socket)
            assert (message["id"], message["type"]) == ("1", "error")
            [error] = message["payload"]
            assert error["message"] == f"Internal error {error['extensions']['id']}"
            assert error["extensions"]["code"] == "INTERNAL"


async def test_an_error_is_not_longer_than_a_message_can_be(carrier: Carrier) -> None:
    """Input objects with fields of long names, each of which an error repeats."""
    query = "mutation M($i: CreateCustomerInput!) { createCustomer(input: $i) { __typename } }"
    odd = {"\U0001f3c3" * 1_000 + str(n): 1 for n in range(60)}
    async with signed_in(carrier.url, carrier.owner.token, max_size=None) as socket:
        await say(socket, subscribe("1", query, variables={"i": odd}))
        stream = await socket.recv()
    assert len(stream) <= websocket_protocol.MAX_MESSAGE_BYTES
    message = json.loads(stream)
    assert (message["id"], message["type"]) == ("1", "error")
    assert message["payload"][0]["extensions"]["code"] == "TOO_LARGE"
