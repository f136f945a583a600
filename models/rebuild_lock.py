"""The lock that keeps rebuilds of one customer apart."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from models import db


@asynccontextmanager
async def held(
    conn: db.Connection, account_id: int, customer_id: int, *, wait: bool
) -> AsyncIterator[bool]:
    """A lock of the session, since a transaction's first query already takes its snapshot. Yields
    whether it is held: without `wait`, not if another session holds it."""
    take = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
    key = f"hours:{account_id}:{customer_id}"
    got = await _or_closed(conn, f"SELECT {take}(hashtextextended($1, 0))", key)
    try:
        yield wait or got
    finally:
        if (wait or got) and _is_open(conn):
            await _or_closed(conn, "SELECT pg_advisory_unlock(hashtextextended($1, 0))", key)


def _is_open(conn: db.Connection) -> bool:
    try:
        return not conn.is_closed()
    except asyncpg.InterfaceError:  # it was lost during a statement, and the pool has it back
        return False


async def _or_closed(conn: db.Connection, statement: str, key: str) -> Any:
    """Closes a connection of which it is no longer sure whether it holds the lock."""
    try:
        return await conn.fetchval(statement, key)
    except BaseException:
        conn.terminate()
        raise
