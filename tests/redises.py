"""Redis of the run, which tests have one after another."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis


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
