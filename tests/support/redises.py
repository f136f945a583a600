"""The Redis databases of the run, which tests use one after another."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis
from redis.asyncio import Redis

from live import keys


@asynccontextmanager
async def emptied(url: str) -> AsyncIterator[Redis]:
    """A client of it; empty at first and again in the end: every database numbers its accounts
    from 1, and what was counted of one would hold for another."""
    async with Redis.from_url(url) as client:
        await client.flushdb()
        try:
            yield client
        finally:
            await client.flushdb()


def forget_tries(url: str) -> None:
    """What was tried to sign in, from any address and with any e-mail, counts no longer."""
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(keys.tries("*"), count=10_000):
            client.delete(key)
