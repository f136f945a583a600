"""A connection outside the pool that blocks concurrent work and observes it waiting."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from models import db

_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@asynccontextmanager
async def connection(database: str) -> AsyncIterator[Any]:
    options = db.config(database)["connections"]["default"]["credentials"]
    names = ("host", "port", "user", "password", "database")
    conn = await asyncpg.connect(**{name: options[name] for name in names})
    try:
        yield conn
    finally:
        await conn.close()


async def held_up(outside: Any, lock: str, *works: Coroutine[Any, Any, Any]) -> list[Any]:
    """The results. Each work starts when the previous one waits for a lock, or has ended. The
    first waits for this function's transaction, which then ends."""
    tasks: list[asyncio.Task[Any]] = []
    async with outside.transaction():
        await outside.execute(lock)
        for work in works:
            tasks.append(asyncio.create_task(work))
            await until_waiting(outside, tasks)
    return await asyncio.gather(*tasks)


async def until_waiting(outside: Any, tasks: list[asyncio.Task[Any]]) -> None:
    """Returns when each of the tasks waits for a lock or has ended."""
    async with asyncio.timeout(20):
        while True:
            await outside.execute("SELECT pg_stat_clear_snapshot()")
            waiting = await outside.fetchval(_WAITING)
            if waiting + sum(task.done() for task in tasks) >= len(tasks):
                return
            await asyncio.sleep(0.002)
