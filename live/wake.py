"""Wakes a worker after a commit: there are marks. A hint only; the truth is the table of marks."""

from collections.abc import Awaitable
from typing import cast

from redis.asyncio import Redis

_KEY = "cb:wake:marks"


async def wake(redis: Redis) -> None:
    """Leaves one token, however often it is called before a worker takes it."""
    pipe = redis.pipeline(transaction=True)
    pipe.lpush(_KEY, b"1")
    pipe.ltrim(_KEY, 0, 0)
    await pipe.execute()


async def woken(redis: Redis, timeout_seconds: int) -> bool:
    """Waits for a token and takes it; False where none came in time."""
    token = await cast("Awaitable[object]", redis.blpop([_KEY], timeout=timeout_seconds))
    return token is not None
