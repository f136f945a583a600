"""Pings of sockets: combined with pushes or sent together, but never all at the same time."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any, ClassVar

import pytest

from server.websocket_protocol import WebSocketProtocol
from tests.support.api.failing_server import broken
from tests.support.api.peers import Frames
from tests.support.api.sockets import acknowledged

pytestmark = pytest.mark.once

INTERVAL = 0.5  # seconds between two pings of a socket, here


class Pinging(WebSocketProtocol):
    """Records when the pings were due that were sent separately."""

    due: ClassVar[list[float]] = []
    open: ClassVar[list[WebSocketProtocol]] = []

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.open.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.open.remove(self)

    def send_keepalive_ping(self) -> None:
        assert self.ping_timer is not None
        self.due.append(self.ping_timer.when())
        super().send_keepalive_ping()


async def test_pings_are_sent_together_except_after_a_delay() -> None:
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


async def test_a_ping_is_combined_with_a_push_shortly_before_it_is_due() -> None:
    async with broken(Pinging, ws_ping_interval=4.0) as url, Frames.open(url) as peer:
        Pinging.due.clear()
        [pushing] = Pinging.open
        content = b""
        while content[:4] == content:
            await asyncio.sleep(0.05)
            pushing.write(b"{}")
            content = await peer.reader.read(100)
        assert content[:6] == b"\x81\x02{}" + b"\x89\x04"
        assert Pinging.due == []


async def test_a_peer_that_receives_pushes_but_does_not_answer_pings_is_disconnected() -> None:
    within = {"ws_ping_interval": INTERVAL, "ws_ping_timeout": INTERVAL}
    async with broken(Pinging, **within) as url, Frames.open(url) as peer:
        [pushing] = Pinging.open
        ended = asyncio.create_task(peer.end())
        while pushing.is_open:
            pushing.write(b"{}")
            await asyncio.sleep(INTERVAL / 10)
        seconds, content = await ended
    assert content.count(b"\x89\x04") == 1
    assert seconds < 10 * INTERVAL
