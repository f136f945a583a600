"""Writes to the live state in Redis, after the commit.

If Redis is unavailable or hangs, ingest continues and requests snapshots from the switches.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

from redis.asyncio import Redis

from domain.directory import switch_activity
from domain.records import calls
from live import channels, circuit_breaker, recovery, sliding_window, wake
from models.directory import switch_reports

T = TypeVar("T")

TIMEOUT_SECONDS = 1.0  # for an answer of Redis to a batch
SNAPSHOT_TIMEOUT_SECONDS = 5.0  # Redis needs more than 1 s for a snapshot of 100,000 calls


class LiveState:
    """The live state in Redis. One per process."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._breaker = circuit_breaker.CircuitBreaker()
        self._with_missed_ends: set[int] = set()  # accounts; their sliding windows lack ends

    async def apply(
        self,
        account_id: int,
        events: Sequence[calls.LiveEvent | calls.Beat],
        now: datetime,
        missed: Sequence[switch_activity.MissedEvents] = (),
    ) -> channels.ApplyResult | None:
        """Applies events. Returns None if Redis is unavailable; some may have been applied.

        `missed`: switches with earlier events that have not reached Redis.
        """
        applied = await self._run(lambda: self._apply(account_id, events, now, missed), now)
        if applied is None:
            self._with_missed_ends.add(account_id)
        elif applied.is_lost:
            await self.recover(account_id, now)
        return applied

    async def _apply(
        self,
        account_id: int,
        events: Sequence[calls.LiveEvent | calls.Beat],
        now: datetime,
        missed: Sequence[switch_activity.MissedEvents],
    ) -> channels.ApplyResult:
        for account in tuple(self._with_missed_ends):
            await sliding_window.invalidate(self._redis, account)
            self._with_missed_ends.discard(account)
        return await channels.apply(self._redis, account_id, events, now, missed)

    async def recover(self, account_id: int, now: datetime) -> None:
        """If Redis has lost live state, requests snapshots from the switches that were active."""
        await self._run(lambda: self._recover(account_id, now), now)

    async def _recover(self, account_id: int, now: datetime) -> None:
        if await channels.is_lost(self._redis, account_id):
            await recovery.recover(self._redis, account_id, switch_reports, now)

    async def apply_snapshot(
        self, account_id: int, snapshot: calls.Snapshot, now: datetime
    ) -> channels.ApplyResult | None:
        """Applies a snapshot. Returns None if Redis is unavailable; it may have been applied."""
        applied = await self._run(
            lambda: channels.apply_snapshot(self._redis, account_id, snapshot, now),
            now,
            SNAPSHOT_TIMEOUT_SECONDS,
        )
        if applied is not None and applied.is_lost:
            await self.recover(account_id, now)
        return applied

    async def wake_worker(self, now: datetime) -> None:
        await self._run(lambda: wake.wake(self._redis), now)

    async def _run(
        self,
        command: Callable[[], Awaitable[T]],
        now: datetime,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> T | None:
        return await self._breaker.run(command, timeout_seconds, now.timestamp())
