"""Opens and closes what a process needs: the database and Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis

from models import db


@dataclass(frozen=True, slots=True)
class Services:
    """What a process talks to. The database is process-wide behind `models.db`."""

    redis: Redis


@asynccontextmanager
async def open_services(
    database_url: str, redis_url: str, *, pool: int = 10
) -> AsyncIterator[Services]:
    await db.open_database(database_url, pool=pool)
    redis: Redis = Redis.from_url(redis_url)
    try:
        yield Services(redis)
    finally:
        await redis.aclose()
        await db.close_database()
