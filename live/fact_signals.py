"""Notifies subscribers of a fact, after the commit. They read it from the database."""

import asyncio
from collections.abc import Mapping

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain import facts
from live import bus, topics

_TIMEOUT_SECONDS = 1.0  # the fact is committed, so it does not wait longer for Redis

_log = structlog.get_logger("live")


async def publish(
    redis: Redis, account_id: int, customer_id: int | None, kind: facts.Kind, number: int
) -> None:
    """Notifies the subscribers of the customer and those of the account.

    If a notification is lost, subscriptions read the fact from the database within some seconds.
    """
    await publish_many(redis, account_id, kind, {customer_id: number})


async def publish_many(
    redis: Redis, account_id: int, kind: facts.Kind, numbers: Mapping[int | None, int]
) -> None:
    """Publishes several facts: one notification per customer, and one for the account."""
    if not numbers:
        return
    last_numbers = {**numbers, None: max(numbers.values())}
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS), redis.pipeline(transaction=False) as pipe:
            for scope, number in last_numbers.items():
                await bus.publish(pipe, topics.facts(account_id, scope, kind), number)
            await pipe.execute()
    except (RedisError, OSError, TimeoutError) as error:
        _log.warning("fact not published", account=account_id, kind=kind, error=repr(error))
