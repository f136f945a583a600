"""Wakes a worker after a commit: there is work. A hint only; the truth is the table of it."""

import asyncio
from collections.abc import Awaitable
from enum import StrEnum
from typing import cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

_PATIENCE = 1.0  # seconds

_log = structlog.get_logger("live")


class For(StrEnum):
    """What there is to do."""

    MARKS = "marks"
    MESSAGES = "messages"


async def wake(redis: Redis, what: For = For.MARKS) -> None:
    """Leaves one token, however often it is called before a worker takes it."""
    pipe = redis.pipeline(transaction=True)
    pipe.lpush(_key(what), b"1")
    pipe.ltrim(_key(what), 0, 0)
    await pipe.execute()


async def hint(redis: Redis, what: For) -> None:
    """`wake`, where a Redis that is away or hangs keeps nobody: the worker looks by itself."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await wake(redis, what)
    except (RedisError, OSError, TimeoutError) as error:
        _log.warning("worker not woken", what=what, error=repr(error))


async def woken(redis: Redis, timeout_seconds: int, what: For = For.MARKS) -> bool:
    """Waits for a token and takes it; False where none came in time."""
    token = await cast("Awaitable[object]", redis.blpop([_key(what)], timeout=timeout_seconds))
    return token is not None


def _key(what: For) -> str:
    return f"cb:wake:{what}"
