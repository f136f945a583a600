"""Hours: from marks and records to sums, versions and ledger.

An hour is rebuilt from its records, never incremented; so are its day and month, from their hours
(`models/summaries/period_sums.py`). One advisory lock for each customer keeps rebuilds that write
these rows apart; the snapshot that a rebuild reads holds marks and records of the same instant,
because ingest writes both in one transaction.
"""

import asyncio
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import asyncpg

from domain import periods
from domain.summaries import minutes
from models import db, faults
from models.billing import ledger
from models.records import day_bounds
from models.summaries import (
    hour_failures,
    period_sums,
    rebuild_lock,
    revisions,
    rollup_sql,
)

_ATTEMPTS = 20
# Seconds between two tries: random, so that rebuilds that met once do not meet again.
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.005, 0.5
# After this time no further hour joins the transaction, so that other rebuilds do not wait long.
_MAX_TRANSACTION_SECONDS = 0.5
_UNMARK = """
WITH succeeded AS (
    DELETE FROM hour_failures WHERE account_id = $1 AND customer_id = $2 AND hour = ANY($3)
), removed AS (
    DELETE FROM hour_marks WHERE account_id = $1 AND customer_id = $2 AND hour = ANY($3)
    RETURNING hour
)
SELECT hour, count(*) AS marks FROM removed GROUP BY hour ORDER BY hour
"""


class Hour(NamedTuple):
    account_id: int
    customer_id: int
    hour: datetime


class Customer(NamedTuple):
    account_id: int
    customer_id: int


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """The hour's version (0: it never had a call), and whether any sum, and the sum of calls
    without a rate, changed."""

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


class NotRebuiltError(Exception):
    """The rebuild failed while the database was available; the hour waits until `failure.retry_at`.

    `failure` is None if another worker has started to rebuild the hour.
    """

    def __init__(self, failure: hour_failures.Failure | None) -> None:
        super().__init__(failure)
        self.failure = failure


async def marked_hours(limit: int) -> list[Hour]:
    """Marked hours of all accounts, to check whether any is left.

    It reads all marks; `models.summaries.marks` selects the hours to rebuild next.
    """
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT account_id, customer_id, hour FROM hour_marks"
            " GROUP BY 1, 2, 3 ORDER BY min(marked_at) LIMIT $1",
            limit,
        )
    return [Hour(**row) for row in rows]


async def rebuild(
    account_id: int, customer_id: int, hour: datetime, now: datetime
) -> RebuildResult:
    """Makes the hour's sums equal its records. Waits for a running rebuild of the customer.

    Do not call it inside `db.transaction()`: it needs its own transaction and snapshot.
    """
    return (await rebuild_each(account_id, customer_id, [hour], now))[0]


async def rebuild_each(
    account_id: int, customer_id: int, hours: Sequence[datetime], now: datetime
) -> list[RebuildResult]:
    """Rebuilds the hours one after another, without another rebuild of the customer in between."""
    whose = Customer(account_id, customer_id)
    async with db.connection() as conn, rebuild_lock.hold(conn, *whose, wait=True):
        return [(await _rebuild(conn, whose, [hour], now))[hour] for hour in hours]


async def try_rebuild(
    account_id: int, customer_id: int, hour: datetime, now: datetime
) -> RebuildResult | None:
    """`rebuild`, or None at once if another rebuild of the customer is running.

    Raises NotRebuiltError if it failed and the hour is set aside. Other errors mean that the
    database is unavailable; no hour is set aside for them.
    """
    whose = Customer(account_id, customer_id)
    async with db.connection() as conn, rebuild_lock.hold(conn, *whose, wait=False) as got:
        if not got:
            return None
        try:
            return (await _rebuild(conn, whose, [hour], now))[hour]
        except Exception as error:
            if faults.cannot_store(error):
                raise
            cause = error
    raise NotRebuiltError(await _set_aside(Hour(*whose, hour), cause, now)) from cause


async def try_rebuild_all(
    account_id: int, customer_id: int, hours: Sequence[datetime], now: datetime
) -> dict[datetime, RebuildResult] | None:
    """Rebuilds as many of the first hours as time allows in one transaction; None at once if
    another rebuild of the customer is running.

    It saves a transaction per hour and sums a day once for all of its hours. If it fails, no hour
    is set aside.
    """
    whose = Customer(account_id, customer_id)
    async with db.connection() as conn, rebuild_lock.hold(conn, *whose, wait=False) as got:
        return await _rebuild(conn, whose, hours, now) if got else None


async def _set_aside(which: Hour, cause: Exception, now: datetime) -> hour_failures.Failure | None:
    """Sets the hour aside on a new connection, because the rebuild may have lost its own. Returns
    None if another rebuild of the customer is running: it may rebuild this hour."""
    whose = Customer(which.account_id, which.customer_id)
    async with db.connection() as conn, rebuild_lock.hold(conn, *whose, wait=False) as got:
        return await hour_failures.record(conn, *which, cause, now) if got else None


async def lock(
    conn: db.Connection, account_id: int, customer_id: int, hours: Sequence[datetime]
) -> list[Head]:
    """Locks the existing heads of the hours, oldest first, until the commit."""
    rows = await conn.fetch(
        f"SELECT {_HEAD} FROM hours WHERE account_id = $1 AND customer_id = $2"
        " AND hour = ANY($3) ORDER BY hour FOR UPDATE",
        account_id,
        customer_id,
        list(hours),
    )
    return [Head(**row) for row in rows]


async def _rebuild(
    conn: db.Connection, whose: Customer, hours: Sequence[datetime], now: datetime
) -> dict[datetime, RebuildResult]:
    for attempt in range(_ATTEMPTS):
        try:
            async with conn.transaction(isolation="repeatable_read"):
                return await _rebuild_once(conn, whose, hours, now)
        except asyncpg.SerializationError:  # another posting changed the head or the balance row
            if attempt == _ATTEMPTS - 1:
                raise
            await asyncio.sleep(
                random.uniform(0, min(_MAX_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt))
            )
    raise AssertionError("unreachable")


async def _rebuild_once(
    conn: db.Connection, whose: Customer, hours: Sequence[datetime], now: datetime
) -> dict[datetime, RebuildResult]:
    """Locks the heads in the order of their hours, as invoicing does, and posts after that: another
    transaction that holds a head may hold what posting waits for."""
    time = asyncio.get_running_loop().time
    end = time() + _MAX_TRANSACTION_SECONDS
    await conn.execute(rollup_sql.LIMITS)
    heads = {head.hour: head for head in await lock(conn, *whose, hours)}
    if any(periods.is_closed(hour, now) for hour in hours):
        await ledger.lock_balance(conn, *whose)
    rebuilt: dict[datetime, RebuildResult] = {}
    for hour in hours:
        if not rebuilt or time() < end:
            rebuilt[hour] = await _sum(conn, Hour(*whose, hour), heads.get(hour), now)
    await _unmark(conn, whose, [head for head in heads.values() if head.frozen], rebuilt, now)
    await period_sums.store(
        conn, *whose, list(rebuilt)
    )  # unchanged ones too: it corrects wrong sums
    await ledger.post_hours(conn, *whose, rebuilt, now)
    await revisions.increase(conn, *whose, revisions.Source.SUMS)
    return rebuilt


async def _sum(conn: db.Connection, which: Hour, head: Head | None, now: datetime) -> RebuildResult:
    """Makes the sums and the version of the hour equal its records."""
    changed = None
    if head is None or not head.frozen:
        span = day_bounds.Span(which.hour, which.hour + periods.HOUR)
        has_minutes = minutes.are_stored(span.end, now)
        rebuild_sql = rollup_sql.REBUILD_WITH_MINUTES if has_minutes else rollup_sql.REBUILD
        statement = rebuild_sql.format(days=span.condition())
        changed = await conn.fetchrow(statement, *which, span.end, now)
    if changed is None:
        return RebuildResult(head.version if head else 0, False)
    return RebuildResult(changed["version"], True, unrated_changed=changed["unrated_changed"])


async def _unmark(
    conn: db.Connection,
    whose: Customer,
    frozen: Sequence[Head],
    hours: Collection[datetime],
    now: datetime,
) -> None:
    """Removes the hours' marks that the transaction sees."""
    marks = {row["hour"]: row["marks"] for row in await conn.fetch(_UNMARK, *whose, list(hours))}
    for head in frozen:
        await _log_late_records(conn, Hour(*whose, head.hour), marks.get(head.hour, 0), now)


async def _log_late_records(conn: db.Connection, which: Hour, marks: int, now: datetime) -> None:
    """Logs that records arrived for a frozen hour, so that staff see that they do not count."""
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
