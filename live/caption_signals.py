"""Notifies all web processes, after the commit, that a carrier or a customer has changed."""

import asyncio

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from live import bus, topics

_TIMEOUT_SECONDS = 1.0  # the change is committed, so it does not wait longer for Redis

_log = structlog.get_logger("live")


async def publish(redis: Redis, account_id: int) -> None:
    """Notifies the processes. One that misses this reads the captions again after some seconds."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await bus.publish(redis, topics.captions(account_id), 1)
    except (RedisError, OSError, TimeoutError) as error:
        _log.warning("captions not published", account=account_id, error=repr(error))
