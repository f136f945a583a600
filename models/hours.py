"""Hours: from marks and records to sums, versions and ledger.

An hour is rebuilt from its records, never incremented. One advisory lock an hour keeps rebuilds of
it apart; the snapshot that a rebuild reads holds marks and records of the same instant, because
ingest writes both in one transaction.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import asyncpg

from domain import periods
from models import day_bounds, db, ledger, rollup_sql

_RETRIES = 20


class Hour(NamedTuple):
    account_id: int
    customer_id: int
    hour: datetime


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The hour's version now (0: it never had a call), whether a sum differed, and that of the
    calls without a rate."""

    version: int
    changed: bool
    unrated_changed: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """An hour's version and sums; `charge` and `posted_charge` in the customer's currency."""

    hour: datetime
    version: int
    attempts: int
    answered: int
    talk_us: int
    billed_seconds: int
    charge: Decimal
    unrated: int
    posted_charge: Decimal
    posted_version: int
    frozen: bool


_HEAD = ", ".join(Head.__dataclass_fields__)


async def marked(limit: int) -> list[Hour]:
    """Hours of every account that wait for a rebuild, the longest waiting first."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT account_id, customer_id, hour FROM hour_marks"
            " GROUP BY 1, 2, 3 ORDER BY min(marked_at) LIMIT $1",
            limit,
        )
    return [Hour(*row) for row in rows]


async def rebuild(account_id: int, customer_id: int, hour: datetime, now: datetime) -> Rebuilt:
    """Makes the hour's sums equal its records, waiting for whoever is at it.

    Not inside `db.transaction()`: it needs a transaction and a snapshot of its own.
    """
    which = Hour(account_id, customer_id, hour)
    async with db.connection() as conn, _locked(conn, which, wait=True):
        return await _rebuild(conn, which, now)


async def try_rebuild(
    account_id: int, customer_id: int, hour: datetime, now: datetime
) -> Rebuilt | None:
    """`rebuild`, or None at once if somebody else is rebuilding the hour."""
    which = Hour(account_id, customer_id, hour)
    async with db.connection() as conn, _locked(conn, which, wait=False) as got:
        return await _rebuild(conn, which, now) if got else None


async def lock(
    conn: db.Connection, account_id: int, customer_id: int, hours: Sequence[datetime]
) -> list[Head]:
    """The heads of those of the hours that have one, oldest first, held until the commit."""
    rows = await conn.fetch(
        f"SELECT {_HEAD} FROM hours WHERE account_id = $1 AND customer_id = $2"
        " AND hour = ANY($3) ORDER BY hour FOR UPDATE",
        account_id,
        customer_id,
        list(hours),
    )
    return [Head(*row) for row in rows]


@asynccontextmanager
async def _locked(conn: db.Connection, which: Hour, *, wait: bool) -> AsyncIterator[bool]:
    """A lock of the session, since a transaction's first query already takes its snapshot."""
    take = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
    key = f"hour:{which.account_id}:{which.customer_id}:{which.hour.timestamp():.0f}"
    got = await _or_closed(conn, f"SELECT {take}(hashtextextended($1, 0))", key)
    try:
        yield wait or got
    finally:
        if (wait or got) and not conn.is_closed():
            await _or_closed(conn, "SELECT pg_advisory_unlock(hashtextextended($1, 0))", key)


async def _or_closed(conn: db.Connection, statement: str, key: str) -> Any:
    """Closes a connection of which it is no longer sure whether it holds the lock."""
    try:
        return await conn.fetchval(statement, key)
    except BaseException:
        conn.terminate()
        raise


async def _rebuild(conn: db.Connection, which: Hour, now: datetime) -> Rebuilt:
    for attempt in range(_RETRIES):
        try:
            async with conn.transaction(isolation="repeatable_read"):
                return await _rebuild_once(conn, which, now)
        except asyncpg.SerializationError:  # posting of closed hours touched the head meanwhile
            if attempt == _RETRIES - 1:
                raise
    raise AssertionError("unreachable")


async def _rebuild_once(conn: db.Connection, which: Hour, now: datetime) -> Rebuilt:
    await conn.execute(rollup_sql.MEMORY)
    version, frozen = await conn.fetchrow(rollup_sql.HEAD, *which) or (0, False)
    changed = None
    if not frozen:
        span = day_bounds.Span(which.hour, which.hour + periods.HOUR)
        statement = rollup_sql.REBUILD.format(days=span.condition())
        changed = await conn.fetchrow(statement, *which, span.end, now)
    removed: str = await conn.execute(
        "DELETE FROM hour_marks WHERE account_id = $1 AND customer_id = $2 AND hour = $3", *which
    )
    if frozen:
        await _note_frozen(conn, which, int(removed.split()[-1]), now)
    await ledger.post_hour(conn, *which, now)
    if changed is None:
        return Rebuilt(version, False)
    return Rebuilt(changed[0], True, unrated_changed=changed[1])


async def _note_frozen(conn: db.Connection, which: Hour, marks: int, now: datetime) -> None:
    """Records came for an hour whose other records are gone: staff must see that they count
    nowhere."""
    if marks:
        await conn.execute(
            "INSERT INTO audit_log (account_id, at, actor, action, subject, detail)"
            " VALUES ($1, $2, 'system', 'hour.frozen', $3,"
            " jsonb_build_object('marks', $4::bigint))",
            which.account_id,
            now,
            f"hour:{which.customer_id}:{which.hour:%Y-%m-%dT%H:%M:%SZ}",
            marks,
        )
