"""The live picture as ingest sees it: told after the commit, never waited for.

Redis may be away, or hang: then the switches concerned are flagged for a snapshot, and Redis is
left alone for a while, so that a hanging one costs one time-out and not one a batch.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain import calls
from live import channels, stats, wake

T = TypeVar("T")

PATIENCE = 1.0  # seconds a batch waits for Redis
SNAPSHOT_PATIENCE = 5.0  # seconds: one of 100,000 calls takes Redis more than one
PAUSE = timedelta(seconds=2)  # how long Redis is left alone after it failed


class LiveSide:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._left_alone_until: datetime | None = None
        self._uncounted: set[int] = set()  # accounts with ends that Redis was not told of

    async def apply(
        self, account_id: int, events: Sequence[calls.LiveEvent | calls.Beat], now: datetime
    ) -> channels.Applied | None:
        """None: Redis is away and nothing is known to have been applied."""
        applied = await self._within_patience(lambda: self._apply(account_id, events, now), now)
        if applied is None:
            self._uncounted.add(account_id)
        return applied

    async def _apply(
        self, account_id: int, events: Sequence[calls.LiveEvent | calls.Beat], now: datetime
    ) -> channels.Applied:
        for missed in tuple(self._uncounted):
            await stats.distrust(self._redis, missed)
            self._uncounted.discard(missed)
        return await channels.apply(self._redis, account_id, events, now)

    async def apply_snapshot(
        self, account_id: int, snapshot: calls.Snapshot, now: datetime
    ) -> channels.Applied | None:
        """None: Redis is away and nothing is known to have been applied."""
        return await self._within_patience(
            lambda: channels.apply_snapshot(self._redis, account_id, snapshot, now),
            now,
            SNAPSHOT_PATIENCE,
        )

    async def wake_worker(self, now: datetime) -> None:
        await self._within_patience(lambda: wake.wake(self._redis), now)

    async def _within_patience(
        self, work: Callable[[], Awaitable[T]], now: datetime, patience: float = PATIENCE
    ) -> T | None:
        if self._left_alone_until is not None and now < self._left_alone_until:
            return None
        try:
            async with asyncio.timeout(patience):
                done = await work()
        except (RedisError, OSError, TimeoutError):
            self._left_alone_until = now + PAUSE
            return None
        self._left_alone_until = None
        return done
