"""The lock that serializes rebuilds of one customer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from models import db


@asynccontextmanager
async def hold(
    conn: db.Connection, account_id: int, customer_id: int, *, wait: bool
) -> AsyncIterator[bool]:
    """Takes a lock of the session, because a transaction's first query already takes its snapshot.
    Yields whether it was taken; without `wait`, false if another session holds it."""
    take = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
    key = f"hours:{account_id}:{customer_id}"
    got = await _fetch_or_close(conn, f"SELECT {take}(hashtextextended($1, 0))", key)
    try:
        yield wait or got
    finally:
        if (wait or got) and _is_open(conn):
            await _fetch_or_close(conn, "SELECT pg_advisory_unlock(hashtextextended($1, 0))", key)


def _is_open(conn: db.Connection) -> bool:
    try:
        return not conn.is_closed()
    except asyncpg.InterfaceError:  # it was lost during a statement, and the pool has it back
        return False


async def _fetch_or_close(conn: db.Connection, statement: str, key: str) -> Any:
    """Runs the statement; on an error closes the connection, which may still hold the lock."""
    try:
        return await conn.fetchval(statement, key)
    except BaseException:
        if _is_open(conn):
            conn.terminate()
        raise
