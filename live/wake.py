"""Wakes a worker after a commit. A wake-up may be lost, because the work is in a table."""

import asyncio
from collections.abc import Awaitable
from enum import StrEnum
from typing import cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

_TIMEOUT_SECONDS = 1.0

_log = structlog.get_logger("live")


class Work(StrEnum):
    """The kinds of work a worker can be woken for."""

    MARKS = "marks"
    MESSAGES = "messages"


async def wake(redis: Redis, work: Work = Work.MARKS) -> None:
    """Leaves one token, even if it is called several times before a worker takes the token."""
    pipe = redis.pipeline(transaction=True)
    pipe.lpush(_key(work), b"1")
    pipe.ltrim(_key(work), 0, 0)
    await pipe.execute()


async def hint(redis: Redis, work: Work) -> None:
    """Wakes a worker. Ignores that Redis is unavailable or hangs, because the worker also polls."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await wake(redis, work)
    except (RedisError, OSError, TimeoutError) as error:
        _log.warning("worker not woken", work=work, error=repr(error))


async def wait_for(redis: Redis, timeout_seconds: int, work: Work = Work.MARKS) -> bool:
    """Waits for a token and takes it. Returns False if none arrives in time."""
    token = await cast("Awaitable[object]", redis.blpop([_key(work)], timeout=timeout_seconds))
    return token is not None


def _key(work: Work) -> str:
    return f"cb:wake:{work}"
