"""Limits how long callers wait for Redis if it is unavailable or hangs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisError

PAUSE_SECONDS = 2.0

T = TypeVar("T")


class CircuitBreaker:
    """Skips Redis for `PAUSE_SECONDS` after an error or a timeout.

    If Redis hangs, callers wait for one timeout per pause, not for one per call.
    """

    def __init__(self) -> None:
        self._skip_until = float("-inf")

    async def run(
        self, command: Callable[[], Awaitable[T]], timeout_seconds: float, now: float
    ) -> T | None:
        """Returns the result; None if Redis is unavailable or skipped.

        `now`: seconds of any clock, which is the same in all calls.
        """
        if now < self._skip_until:
            return None
        try:
            async with asyncio.timeout(timeout_seconds):
                result = await command()
        except (RedisError, OSError, TimeoutError):
            self._skip_until = now + PAUSE_SECONDS
            return None
        self._skip_until = float("-inf")
        return result
