"""Records in Redis that it has missed events, as soon as it is available again.

Until then, the live state lacks these events but is marked as complete.
"""

import asyncio
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from live import channels
from models import faults
from models.directory import switches
from runtime import clock

TIMEOUT_SECONDS = 1.0
RETRY_SECONDS = 0.1
_UNAVAILABLE: tuple[type[Exception], ...] = (
    RedisError,
    OSError,
    TimeoutError,
    *faults.UNAVAILABLE_ERRORS,
)


class MissedEvents:
    """One per process. The caller first flags the switches in PostgreSQL."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._accounts: set[int] = set()
        self._task: asyncio.Task[None] | None = None

    def add(self, account_id: int) -> None:
        """Starts a background task. Returns immediately."""
        self._accounts.add(account_id)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="missed events")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while self._accounts:
            accounts, self._accounts = self._accounts, set()  # more may be added meanwhile
            for account_id in accounts:
                try:
                    async with asyncio.timeout(TIMEOUT_SECONDS):
                        await self._record(account_id)
                except _UNAVAILABLE:
                    self._accounts.add(account_id)
            await asyncio.sleep(RETRY_SECONDS)

    async def _record(self, account_id: int) -> None:
        now = clock.now()
        switch_states = await switches.find_or_register(account_id, (), now)
        await channels.apply(self._redis, account_id, (), now, switch_states.missed_events)
