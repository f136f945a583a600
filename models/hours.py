"""Hours: from marks and records to sums, versions and ledger.

An hour is rebuilt from its records, never incremented; so are its day and month, from their hours
(`models/period_sums.py`). One advisory lock for each customer keeps rebuilds that write these rows
apart; the snapshot that a rebuild reads holds marks and records of the same instant, because ingest
writes both in one transaction.
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
from models import day_bounds, db, hour_failures, ledger, period_sums, rebuild_lock, rollup_sql

_RETRIES = 20
# Seconds between two tries: random, so that rebuilds that met once do not meet again.
_FIRST_PAUSE, _MAX_PAUSE = 0.005, 0.5
# After which no further hour joins the transaction, so that no rebuild of the customer waits long.
_SECONDS_TOGETHER = 0.5
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


class NotRebuiltError(Exception):
    """The rebuild failed though the database answers; the hour waits until `failure.retry_at`.

    No `failure` if another worker has begun to rebuild the hour meanwhile.
    """

    def __init__(self, failure: hour_failures.Failure | None) -> None:
        super().__init__(failure)
        self.failure = failure


async def marked(limit: int) -> list[Hour]:
    """Hours of every account that wait for a rebuild, to see whether any is left.

    It reads all marks; `models.marks` says which are rebuilt next.
    """
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT account_id, customer_id, hour FROM hour_marks"
            " GROUP BY 1, 2, 3 ORDER BY min(marked_at) LIMIT $1",
            limit,
        )
    return [Hour(*row) for row in rows]


async def rebuild(account_id: int, customer_id: int, hour: datetime, now: datetime) -> Rebuilt:
    """Makes the hour's sums equal its records, after a rebuild of the customer that is under way.

    Not inside `db.transaction()`: it needs a transaction and a snapshot of its own.
    """
    return (await rebuild_each(account_id, customer_id, [hour], now))[0]


async def rebuild_each(
    account_id: int, customer_id: int, hours: Sequence[datetime], now: datetime
) -> list[Rebuilt]:
    """`rebuild` of one hour after another, with no other rebuild of the customer between them."""
    whose = Customer(account_id, customer_id)
    async with db.connection() as conn, rebuild_lock.held(conn, *whose, wait=True):
        return [(await _rebuild(conn, whose, [hour], now))[hour] for hour in hours]


async def try_rebuild(
    account_id: int, customer_id: int, hour: datetime, now: datetime
) -> Rebuilt | None:
    """`rebuild`, or None at once if another rebuild of the customer is under way.

    NotRebuiltError if it failed and the hour is set aside; any other error if the database does not
    answer, for which no hour is to wait.
    """
    whose = Customer(account_id, customer_id)
    async with db.connection() as conn, rebuild_lock.held(conn, *whose, wait=False) as got:
        if not got:
            return None
        try:
            return (await _rebuild(conn, whose, [hour], now))[hour]
        except Exception as error:
            cause = error
    raise NotRebuiltError(await _set_aside(Hour(*whose, hour), cause, now)) from cause


async def try_rebuild_all(
    account_id: int, customer_id: int, hours: Sequence[datetime], now: datetime
) -> dict[datetime, Rebuilt] | None:
    """The first of the hours, as many as there is time for, in one transaction, so all or none;
    None at once if another rebuild of the customer is under way.

    Saves the cost of a transaction for each, and sums a day once for all of its hours. If it fails,
    no hour is set aside.
    """
    whose = Customer(account_id, customer_id)
    async with db.connection() as conn, rebuild_lock.held(conn, *whose, wait=False) as got:
        return await _rebuild(conn, whose, hours, now) if got else None


async def _set_aside(which: Hour, cause: Exception, now: datetime) -> hour_failures.Failure | None:
    """On another connection, since the rebuild may have cost its own. Not if another rebuild of the
    customer is under way: that rebuild may be the hour's."""
    whose = Customer(which.account_id, which.customer_id)
    async with db.connection() as conn, rebuild_lock.held(conn, *whose, wait=False) as got:
        return await hour_failures.record(conn, *which, cause, now) if got else None


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


async def _rebuild(
    conn: db.Connection, whose: Customer, hours: Sequence[datetime], now: datetime
) -> dict[datetime, Rebuilt]:
    for attempt in range(_RETRIES):
        try:
            async with conn.transaction(isolation="repeatable_read"):
                return await _rebuild_once(conn, whose, hours, now)
        except asyncpg.SerializationError:  # another posting changed the head or the balance row
            if attempt == _RETRIES - 1:
                raise
            await asyncio.sleep(random.uniform(0, min(_MAX_PAUSE, _FIRST_PAUSE * 2**attempt)))
    raise AssertionError("unreachable")


async def _rebuild_once(
    conn: db.Connection, whose: Customer, hours: Sequence[datetime], now: datetime
) -> dict[datetime, Rebuilt]:
    """Locks the heads in the order of their hours, as invoicing does, and posts after that: another
    transaction that holds a head may hold what posting waits for."""
    time = asyncio.get_running_loop().time
    end = time() + _SECONDS_TOGETHER
    await conn.execute(rollup_sql.LIMITS)
    heads = {head.hour: head for head in await lock(conn, *whose, hours)}
    if any(periods.closed(hour, now) for hour in hours):
        await ledger.lock_balance(conn, *whose)
    rebuilt: dict[datetime, Rebuilt] = {}
    for hour in hours:
        if not rebuilt or time() < end:
            rebuilt[hour] = await _sum(conn, Hour(*whose, hour), heads.get(hour), now)
    await _unmark(conn, whose, [head for head in heads.values() if head.frozen], rebuilt, now)
    await period_sums.store(
        conn, *whose, list(rebuilt)
    )  # unchanged ones too: it corrects wrong sums
    await ledger.post_hours(conn, *whose, rebuilt, now)
    return rebuilt


async def _sum(conn: db.Connection, which: Hour, head: Head | None, now: datetime) -> Rebuilt:
    """Makes the sums and the version of the hour equal its records."""
    changed = None
    if head is None or not head.frozen:
        span = day_bounds.Span(which.hour, which.hour + periods.HOUR)
        statement = rollup_sql.REBUILD.format(days=span.condition())
        changed = await conn.fetchrow(statement, *which, span.end, now)
    if changed is None:
        return Rebuilt(head.version if head else 0, False)
    return Rebuilt(changed[0], True, unrated_changed=changed[1])


async def _unmark(
    conn: db.Connection,
    whose: Customer,
    frozen: Sequence[Head],
    hours: Collection[datetime],
    now: datetime,
) -> None:
    """Removes the marks of the hours that the transaction sees."""
    marks = {row["hour"]: row["marks"] for row in await conn.fetch(_UNMARK, *whose, list(hours))}
    for head in frozen:
        await _note_frozen(conn, Hour(*whose, head.hour), marks.get(head.hour, 0), now)


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
