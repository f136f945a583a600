"""The time that a slow peer is allowed, also while the server ends."""

import asyncio
import json
import signal
import socket
import time
from urllib.parse import urlsplit

import pytest
from graphql import get_introspection_query

from runtime import clock
from tests.support.api.callers import Carrier
from tests.support.api.peers import Frames, Peer, close_code, frame, held_by_kernel, message, post
from tests.support.api.sockets import LIVE, signed_in, until_pong
from tests.support.programs import Program

pytestmark = pytest.mark.once

NAME = json.dumps({"query": "{ __typename }"})


async def test_unfinished_requests_and_unread_responses_end_in_time(carrier: Carrier) -> None:
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
    return next(
        (timeout for timeout in expected if timeout - 0.5 < seconds < timeout + 4), round(seconds)
    )


async def _head(url: str) -> int:
    async with Peer.connect(url) as peer:
        peer.say("GET /graphql HTTP/1.1\r\n")
        seconds, content = await peer.until_ended(0.5, b"a: b\r\n")
    assert content == b""
    return _about(seconds, 10)


async def _empty_lines(url: str) -> int:
    """After a request that was answered."""
    async with Peer.connect(url) as peer:
        peer.say(post(NAME))
        seconds, content = await peer.until_ended(0.5, b"\r\n")
    assert b"Query" in content
    return _about(seconds, 10)


async def _body(url: str) -> int:
    async with Peer.connect(url) as peer:
        peer.say(post("", length=len(NAME) + 1_000))
        seconds, content = await peer.until_ended(0.5, b" ")
    assert content == b""
    return _about(seconds, 32)


async def _frame(url: str, token: str | None) -> int:
    """A part of one, and then a little more, never all."""
    async with Frames.open(url, token) as peer:
        peer.say(frame(0x81, b" " * 10_000)[:100])
        seconds, content = await peer.until_ended(0.5, b" ")
    assert close_code(content) == 1008
    return _about(seconds, 10)


async def _fragments(url: str, token: str | None) -> int:
    """One after the other, pings in between, never the last."""
    async with Frames.open(url, token) as peer:
        peer.say(frame(0x01, b" "))
        seconds, content = await peer.until_ended(0.5, frame(0x00, b" ") + frame(0x89))
    assert close_code(content) == 1008
    return _about(seconds, 10)


async def _unread_but_closed(url: str, token: str | None) -> int:
    """An answer that the kernel has accepted, and that its connected peer never reads."""
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
    async with Peer.connect(url) as peer:
        peer.say(post("", length=len(NAME)))
        for at in range(12):
            await asyncio.sleep(1)
            peer.say(NAME[len(NAME) * at // 12 : len(NAME) * (at + 1) // 12])
        assert b"Query" in await peer.reader.readuntil(b"}}")


async def _slow_messages(url: str, token: str | None) -> None:
    """Each is finished in time, and there is always one begun."""
    async with Frames.open(url, token) as peer:
        ping = message({"type": "ping"})
        peer.say(ping[:5])
        for _ in range(13):
            await asyncio.sleep(1)
            peer.say(ping[5:] + ping[:5])
            assert b"pong" in await peer.reader.readuntil(b"}")


async def test_an_incomplete_request_does_not_delay_the_end_of_the_server(
    server: Program, api_database: str
) -> None:
    carrier = await Carrier.create(server.url, clock.now())
    streaming = post(
        json.dumps({"query": LIVE}),
        Accept="text/event-stream",
        Authorization=f"Bearer {carrier.owner.token}",
    )
    async with Peer.connect(server.url) as half, Peer.connect(server.url) as late:
        half.say(post("", length=1_000))
        late.say(streaming[:-1])
        async with signed_in(server.url, carrier.owner.token) as socket:
            assert await until_pong(socket) == []  # the earlier bytes have been read
        assert server.process is not None
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        late.say(streaming[-1:])
        _, content = await late.end()
        assert await asyncio.to_thread(server.process.wait, 15) in (0, -signal.SIGTERM)
    assert time.monotonic() - began < 5
    assert b"text/event-stream" in content
    assert content.endswith(b"0\r\n\r\n"), "cut off"
