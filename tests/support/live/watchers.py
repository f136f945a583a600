"""Watches the live state as a web process does: on its one bus, through its feeds."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Generic, TypeVar

from redis.asyncio import Redis

from live import bus as live_bus
from resolvers.live import feeds
from tests.support.own_redis import OwnRedis

S = TypeVar("S", bound=feeds.State)


@asynccontextmanager
async def process(url: str) -> AsyncIterator[feeds.Feeds]:
    """The feeds of a process on this Redis."""
    async with Redis.from_url(url) as redis:
        bus = live_bus.Bus(redis)
        await bus.start()
        try:
            yield feeds.Feeds(redis, bus)
        finally:
            await bus.close()


class StateStream(Generic[S]):
    """The received states, in order; the sequence must always increase."""

    def __init__(self, states: AsyncGenerator[S, None]) -> None:
        self._states = states
        self.seen: list[S] = []

    async def until(self, condition: Callable[[S], bool], seconds: float = 10.0) -> float:
        """Seconds until a state that meets the condition arrives, the next or a later one."""
        began = time.monotonic()
        async with asyncio.timeout(seconds):
            while True:
                state = await anext(self._states)
                assert not self.seen or state.sequence > self.seen[-1].sequence
                self.seen.append(state)
                if condition(state):
                    return time.monotonic() - began


@asynccontextmanager
async def watching(of: feeds.Feeds, source: feeds.Source[S]) -> AsyncIterator[StateStream[S]]:
    async with aclosing(of.watch(source)) as states:
        yield StateStream(states)


async def restarted(redis: OwnRedis, away: float) -> None:
    """Kills the server, and starts it again `away` seconds later."""
    redis.kill()
    await asyncio.sleep(away)
    await redis.start()
