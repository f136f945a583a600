"""Tells, after the commit, that there is a fact. Who follows reads it from the database."""

import asyncio
from collections.abc import Mapping

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain import facts
from live import bus, topics

_PATIENCE = 1.0  # seconds; whoever made the fact waits no longer for a Redis that hangs

_log = structlog.get_logger("live")


async def tell(
    redis: Redis, account_id: int, customer_id: int | None, kind: facts.Kind, number: int
) -> None:
    """To who follows the customer and who follows the account. What is not heard is not lost:
    followers look for themselves every few seconds.
    """
    await tell_many(redis, account_id, kind, {customer_id: number})


async def tell_many(
    redis: Redis, account_id: int, kind: facts.Kind, numbers: Mapping[int | None, int]
) -> None:
    """`tell`, of several facts at once: each customer's followers, and the account's once."""
    if not numbers:
        return
    said = {**numbers, None: max(numbers.values())}
    try:
        async with asyncio.timeout(_PATIENCE), redis.pipeline(transaction=False) as pipe:
            for scope, number in said.items():
                await bus.publish(pipe, topics.facts(account_id, scope, kind), number)
            await pipe.execute()
    except (RedisError, OSError, TimeoutError) as error:
        _log.warning("fact not told", account=account_id, kind=kind, error=repr(error))
