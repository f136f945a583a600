"""Partitions of call records: one per UTC day, created ahead or when a record needs it."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

import asyncpg

from models import db
from models.identity import accounts
from models.summaries import frozen_hours

_LOCK = 0x43507274  # an arbitrary key of an advisory lock: "CPrt"
_DAY = timedelta(days=1)


def name(day: date) -> str:
    return f"call_records_{day:%Y%m%d}"


def days_of(instants: Iterable[datetime]) -> set[date]:
    """The UTC days of aware instants."""
    return {at.astimezone(UTC).date() for at in instants}


async def ensure_period(first: date, last: date) -> list[date]:
    """Creates missing partitions from `first` through `last`. Returns their days."""
    return await create_missing(first + _DAY * n for n in range((last - first).days + 1))


async def create_missing(days: Iterable[date]) -> list[date]:
    """Creates missing partitions. Returns their days. Several processes may call it at once."""
    required = sorted(set(days))
    if not set(required) - set(await existing_days()):
        return []
    async with db.transaction() as conn:
        return await ensure_until_commit(conn, required)


async def ensure_until_commit(conn: db.Connection, days: Iterable[date]) -> list[date]:
    """Creates missing partitions. Returns their days.

    Locks all partitions against being dropped until the transaction ends, because the next run of
    the job drops a partition without records.
    """
    await conn.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    missing = sorted(set(days) - set(await existing_days()))
    for day in missing:
        # Attached, because CREATE … PARTITION OF waits for all readers and writers of records.
        await conn.execute(f"CREATE TABLE {name(day)} (LIKE call_records INCLUDING ALL)")
        await conn.execute(
            f"ALTER TABLE call_records ATTACH PARTITION {name(day)}"
            f" FOR VALUES FROM ('{_start(day)}') TO ('{_start(day + _DAY)}')"
        )
    return missing


async def existing_days() -> list[date]:
    """The days that have a partition, in order."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'call_records'::regclass ORDER BY c.relname"
        )
    return [_day(row["relname"]) for row in rows]


async def oldest_day(conn: db.Connection) -> datetime | None:
    """The start of the first day that has a partition."""
    relation = await conn.fetchval(
        "SELECT min(c.relname) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = 'call_records'::regclass"
    )
    return None if relation is None else _start(_day(relation))


async def drop_before(day: date, received_since: datetime | None = None) -> list[date]:
    """Freezes the hours of earlier days and drops their partitions. Returns the dropped days.

    The records of an account stay while the day has marks, calls without a rate, held records, or
    records in quarantine (`frozen_hours.freeze`). The records of other accounts are removed. The
    partition is dropped when no account needs it. A partition that is locked for long stays until
    the next run.
    """
    return [
        old for old in await existing_days() if old < day and await _retire(old, received_since)
    ]


async def _retire(day: date, received_since: datetime | None) -> bool:
    """Freezes a day and removes unneeded records. Returns whether the partition was dropped."""
    span = frozen_hours.Day(name(day), _start(day), _start(day + _DAY))
    account_ids = await accounts.ids()
    keeping = {
        account_id
        for account_id in await frozen_hours.open_accounts(account_ids, span)
        if not await frozen_hours.freeze(account_id, span, received_since)
    }
    if not keeping:
        return await _drop(span)
    for account_id in account_ids:
        if account_id not in keeping:
            await frozen_hours.remove_records(account_id, span)
    return False


async def _drop(day: frozen_hours.Day) -> bool:
    """Drops the partition, unless one of its hours was opened again."""
    try:
        async with db.transaction() as conn:
            await conn.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            # Waits for current inserts and blocks new ones with their marks. The timeout is short,
            # because all others queue behind it. Locks the parent first, as all statements do.
            await conn.execute(f"SET LOCAL lock_timeout = '{frozen_hours.LOCK_TIMEOUT_MS}ms'")
            await conn.execute("LOCK TABLE ONLY call_records IN ACCESS EXCLUSIVE MODE")
            await conn.execute(f"LOCK TABLE {day.partition} IN ACCESS EXCLUSIVE MODE")
            account_ids = await accounts.ids()  # under the lock: a new account has no records here
            if await conn.fetchval(frozen_hours.IS_OPEN, account_ids, day.start, day.end):
                return False
            await conn.execute(f"DROP TABLE {day.partition}")
    except (asyncpg.LockNotAvailableError, asyncpg.UndefinedTableError):
        return False
    return True


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _day(relation: str) -> date:
    return datetime.strptime(relation[-8:], "%Y%m%d").replace(tzinfo=UTC).date()
