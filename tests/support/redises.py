"""The Redis databases of the run, which tests use one after another."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis
from redis.asyncio import Redis

from live import keys


@asynccontextmanager
async def empty_redis(url: str) -> AsyncIterator[Redis]:
    """A client of it, empty at the start and at the end. Every database numbers its accounts
    from 1, so that the counts of a test would apply to the next."""
    async with Redis.from_url(url) as client:
        await client.flushdb()
        try:
            yield client
        finally:
            await client.flushdb()


def forget_tries(url: str) -> None:
    """Removes the counts of failed sign-ins, from all addresses and with all e-mails."""
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(keys.tries("*"), count=10_000):
            client.delete(key)
