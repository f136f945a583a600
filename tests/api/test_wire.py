"""What a peer may send, how long it may take, and that nobody else waits for it."""

import asyncio
import json
import signal
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
import uvicorn
from callers import Carrier
from graphql import get_introspection_query
from peers import INIT_MESSAGE, Frames, Peer, close_code, frame, held_by_kernel, message, post
from programs import Program
from sockets import (
    LIVE,
    acknowledged,
    closed,
    hear,
    opened,
    say,
    signed_in,
    subscribe,
    until_pong,
    with_token,
)
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from models import db
from runtime import clock
from server import watch, wire
from server.cli import serve
from server.graphql import handler

pytestmark = pytest.mark.once

NAME = json.dumps({"query": "{ __typename }"})
PING = {"type": "ping"}


@pytest.fixture
def server(services: Any, api_database: str) -> Iterator[Program]:
    """A web process of its own."""
    environment = {
        "CALLBOARD_DATABASE_URL": api_database,
        "CALLBOARD_REDIS_URL": services.redis_url,
        "CALLBOARD_SECRET_KEY": "a key for tests alone, long enough to sign with",
    }
    with Program.web(environment) as program:
        yield program


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
async def test_a_head_that_is_too_long_is_not_waited_for(api: Program, head: str) -> None:
    async with Peer.connected(api.url) as peer:
        peer.say(head)
        seconds, _ = await peer.end()
    assert seconds < 5


async def test_a_head_within_the_limit_is_read(api: Program) -> None:
    async with Peer.connected(api.url) as peer:
        for _ in range(3):  # each for itself
            peer.say(post(NAME, x="x" * 32_000))
            assert b" 200 " in await peer.reader.readuntil(b"\r\n\r\n")
            assert b"Query" in await peer.reader.readuntil(b"}}")


async def test_requests_in_a_row_are_all_answered_in_turn(api: Program) -> None:
    async with Peer.connected(api.url) as peer:
        names = [json.dumps({"query": f"{{ a{n}: __typename }}"}) for n in range(300)]
        peer.say("".join(map(post, names)))
        for n in range(300):
            answered = await peer.reader.readuntil(b"}}")
            assert f'"a{n}"'.encode() in answered


async def test_a_body_of_the_largest_size_is_read(carrier: Carrier) -> None:
    body = json.dumps({"query": "{ __typename }", "variables": {"a": "x" * 900_000}})
    async with Peer.connected(carrier.url) as peer:
        for _ in range(2):
            peer.say(post(body, Authorization=f"Bearer {carrier.owner.token}"))
            assert b" 200 " in await peer.reader.readuntil(b"\r\n\r\n")
            assert b"Query" in await peer.reader.readuntil(b"}}")
    async with signed_in(carrier.url, carrier.owner.token) as socket:
        await say(socket, subscribe("1", "{ __typename }", variables={"a": "x" * 900_000}))
        assert (await hear(socket))["payload"]["data"] == {"__typename": "Query"}


async def test_who_has_not_signed_in_sends_64_kib_at_most(carrier: Carrier) -> None:
    for said in (message(PING) * 3_000, INIT_MESSAGE + message({"a": "x" * 70_000})):
        async with Frames.opened(carrier.url) as peer:
            peer.say(said)
            _, answered = await peer.end()
            assert close_code(answered) in (1009, None)  # None: it was reset while it still sent
    async with signed_in(carrier.url, carrier.owner.token) as socket:
        for _ in range(10):
            await say(socket, PING | {"payload": {"a": "x" * 20_000}})
            assert (await hear(socket))["type"] == "pong"


async def test_a_message_has_so_many_frames_and_no_more(carrier: Carrier) -> None:
    async with Frames.opened(carrier.url, carrier.owner.token) as peer:
        peer.say(frame(0x01) + frame(0x00) * 2_000)
        assert await peer.code() == 1009


async def test_the_oldest_of_too_many_strangers_has_to_go(
    server: Program, api_database: str
) -> None:
    carrier = await Carrier.create(server.url, clock.now())
    async with AsyncExitStack() as stack:
        known = await stack.enter_async_context(signed_in(server.url, carrier.owner.token))
        first = await stack.enter_async_context(acknowledged(server.url))
        for _ in range(watch.MOST_STRANGERS - 1):
            await stack.enter_async_context(Frames.opened(server.url))
        assert await until_pong(first) == []
        for _ in range(3):  # who says who it is at once is none for long
            async with signed_in(server.url, carrier.owner.token):
                pass
        going = asyncio.create_task(closed(first))
        async with asyncio.timeout(10):
            while not going.done():
                await stack.enter_async_context(Frames.opened(server.url))
                await asyncio.sleep(0.1)
        assert await going == 1013
        assert await until_pong(known) == []


FLOODS = {
    "pings": frame(0x89) * 500_000,
    "pongs": frame(0x8A) * 500_000,
    "empty fragments": frame(0x01) + frame(0x00) * 500_000,
    "messages": message(PING) * 15_000,
    "faulty operations": message(subscribe("1", "{")) * 5_000,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_a_flood_on_one_socket_holds_up_no_other(carrier: Carrier, flood: bytes) -> None:
    async with (
        signed_in(carrier.url, carrier.owner.token) as other,
        Frames.opened(carrier.url, carrier.owner.token) as peer,
    ):
        reading = asyncio.create_task(peer.end())
        peer.say(flood)
        slowest = 0.0
        for _ in range(100):
            asked = time.monotonic()
            assert await until_pong(other) == []
            slowest = max(slowest, time.monotonic() - asked)
        reading.cancel()
    assert slowest < 0.25


# Too slow ------------------------------------------------------------------------------------


async def test_what_is_never_finished_or_never_read_is_ended_in_time(carrier: Carrier) -> None:
    url, token = carrier.url, carrier.owner.token
    endings = await asyncio.gather(
        _head(url),
        _empty_lines(url),
        _body(url),
        _frame(url, token),
        _fragments(url, token),
        _unread_but_closed(url, token),
        _slow_body(url),
        _slow_messages(url, token),
    )
    assert endings == [10, 10, 32, 10, 10, 25, None, None]


def _about(seconds: float, *expected: int) -> int:
    """Which of these it was, as a busy machine has it."""
    return next((one for one in expected if one - 0.5 < seconds < one + 4), round(seconds))


async def _head(url: str) -> int:
    async with Peer.connected(url) as peer:
        peer.say("GET /graphql HTTP/1.1\r\n")
        seconds, said = await peer.until_ended(0.5, b"a: b\r\n")
    assert said == b""
    return _about(seconds, 10)


async def _empty_lines(url: str) -> int:
    """After a request that was answered."""
    async with Peer.connected(url) as peer:
        peer.say(post(NAME))
        seconds, said = await peer.until_ended(0.5, b"\r\n")
    assert b"Query" in said
    return _about(seconds, 10)


async def _body(url: str) -> int:
    async with Peer.connected(url) as peer:
        peer.say(post("", length=len(NAME) + 1_000))
        seconds, said = await peer.until_ended(0.5, b" ")
    assert said == b""
    return _about(seconds, 32)


async def _frame(url: str, token: str | None) -> int:
    """A part of one, and then a little more, never all."""
    async with Frames.opened(url, token) as peer:
        peer.say(frame(0x81, b" " * 10_000)[:100])
        seconds, said = await peer.until_ended(0.5, b" ")
    assert close_code(said) == 1008
    return _about(seconds, 10)


async def _fragments(url: str, token: str | None) -> int:
    """One after the other, pings in between, never the last."""
    async with Frames.opened(url, token) as peer:
        peer.say(frame(0x01, b" "))
        seconds, said = await peer.until_ended(0.5, frame(0x00, b" ") + frame(0x89))
    assert close_code(said) == 1008
    return _about(seconds, 10)


async def _unread_but_closed(url: str, token: str | None) -> int:
    """An answer that the kernel has taken, and its peer never reads, though it is there."""
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        peer.connect(("127.0.0.1", urlsplit(url).port))
        began = time.monotonic()
        body = json.dumps({"query": get_introspection_query()})
        peer.sendall(post(body, Connection="close", Authorization=f"Bearer {token}").encode())
        while held_by_kernel(urlsplit(url).port or 0, peer.getsockname()[1]):
            assert time.monotonic() - began < 40, "not let go"
            await asyncio.sleep(0.2)
        return _about(time.monotonic() - began, 25)


async def _slow_body(url: str) -> None:
    """Twelve parts in twelve seconds are a request like any other."""
    async with Peer.connected(url) as peer:
        peer.say(post("", length=len(NAME)))
        for at in range(12):
            await asyncio.sleep(1)
            peer.say(NAME[len(NAME) * at // 12 : len(NAME) * (at + 1) // 12])
        assert b"Query" in await peer.reader.readuntil(b"}}")


async def _slow_messages(url: str, token: str | None) -> None:
    """Each is finished in time, and there is always one begun."""
    async with Frames.opened(url, token) as peer:
        said = message(PING)
        peer.say(said[:5])
        for _ in range(13):
            await asyncio.sleep(1)
            peer.say(said[5:] + said[:5])
            assert b"pong" in await peer.reader.readuntil(b"}")


# The end of the server -----------------------------------------------------------------------


async def test_half_a_request_does_not_hold_up_the_end_of_the_server(
    server: Program, api_database: str
) -> None:
    carrier = await Carrier.create(server.url, clock.now())
    streaming = post(
        json.dumps({"query": LIVE}),
        Accept="text/event-stream",
        Authorization=f"Bearer {carrier.owner.token}",
    )
    async with Peer.connected(server.url) as half, Peer.connected(server.url) as late:
        half.say(post("", length=1_000))
        late.say(streaming[:-1])
        async with signed_in(server.url, carrier.owner.token) as socket:
            assert await until_pong(socket) == []  # what was said before has been read
        assert server.process is not None
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        late.say(streaming[-1:])
        _, said = await late.end()
        assert await asyncio.to_thread(server.process.wait, 15) in (0, -signal.SIGTERM)
    assert time.monotonic() - began < 5
    assert b"text/event-stream" in said
    assert said.endswith(b"0\r\n\r\n"), "cut off"


# What goes wrong in ourselves ----------------------------------------------------------------


async def test_what_goes_wrong_in_a_socket_closes_it_with_1011_and_an_id(carrier: Carrier) -> None:
    async with db.connection() as connection:
        await connection.execute("ALTER TABLE sessions RENAME TO sessions_away")
    try:
        async with opened(carrier.url) as socket:
            await say(socket, with_token(carrier.owner.token or ""))
            assert await closed(socket) == 1011
            assert (socket.close_reason or "").startswith("Internal error ")
    finally:
        async with db.connection() as connection:
            await connection.execute("ALTER TABLE sessions_away RENAME TO sessions")


class Broken:
    """A runner whose operations fail as none of ours should."""

    def read(self, request: Any, caller: Any, language: str) -> Any:
        return self

    is_subscription = False
    language = "en"

    async def execute(self, operation: Any, caller: Any, exchange: Any) -> Any:
        raise RuntimeError("what no client may see")


@asynccontextmanager
async def broken(protocol: type[wire.Wire] = wire.Wire, **more: Any) -> AsyncIterator[str]:
    """The address of a server in this process."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        watched = watch.Watch(clock.now, 1)
        socket = WebSocket(scope, receive, send)
        await handler.Handler(socket, Broken(), watched, clock.now, 1).serve()  # type: ignore[arg-type]

    config = uvicorn.Config(
        app, port=0, http=wire.Http, ws=protocol, lifespan="off", log_config=None, **more
    )
    server = serve.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        for one in server.servers:
            one.close()


async def test_an_operation_that_goes_wrong_is_told_so_and_its_id_is_free() -> None:
    async with broken() as url, acknowledged(url) as socket:
        for _ in range(2):  # of the one operation it may run at once
            await say(socket, subscribe("1", "{ __typename }"))
            told = await hear(socket)
            assert (told["id"], told["type"]) == ("1", "error")
            [error] = told["payload"]
            assert error["message"] == f"Internal error {error['extensions']['id']}"
            assert error["extensions"]["code"] == "INTERNAL"


# Pings ---------------------------------------------------------------------------------------

INTERVAL = 0.5  # seconds between two pings of a socket, here


class Pinging(wire.Wire):
    """Notes when its pings were due."""

    due: ClassVar[list[float]] = []

    def send_keepalive_ping(self) -> None:
        assert self.ping_timer is not None
        self.due.append(self.ping_timer.when())
        super().send_keepalive_ping()


async def test_pings_go_out_together_but_not_all_that_once_had_to_wait() -> None:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(broken(Pinging, ws_ping_interval=INTERVAL))
        for _ in range(40):
            await stack.enter_async_context(acknowledged(url))
            await asyncio.sleep(INTERVAL / 40)
        Pinging.due.clear()
        await asyncio.sleep(2 * INTERVAL)
        assert Pinging.due == pytest.approx([round(at, 1) for at in Pinging.due], abs=1e-4)
        time.sleep(INTERVAL)  # noqa: ASYNC251 - nothing of this process goes on meanwhile
        await asyncio.sleep(INTERVAL / 2)
        Pinging.due.clear()
        await asyncio.sleep(2 * INTERVAL)
    [(_, most)] = Counter(round(at, 1) for at in Pinging.due).most_common(1)
    assert 40 <= len(Pinging.due) <= 3 * 40
    assert most <= 20


async def test_an_error_is_no_longer_than_a_message_may_be(carrier: Carrier) -> None:
    """Input objects with fields of long names, each of which an error repeats."""
    query = "mutation M($i: CreateCustomerInput!) { createCustomer(input: $i) { __typename } }"
    odd = {"\U0001f3c3" * 1_000 + str(n): 1 for n in range(60)}
    async with signed_in(carrier.url, carrier.owner.token, max_size=None) as socket:
        await say(socket, subscribe("1", query, variables={"i": odd}))
        told = await socket.recv()
    assert len(told) <= wire.MAX_SENT
    message = json.loads(told)
    assert (message["id"], message["type"]) == ("1", "error")
    assert message["payload"][0]["extensions"]["code"] == "TOO_LARGE"
