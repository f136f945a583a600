"""The call records' partitions: one a UTC day, made ahead or when a record needs one."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

import asyncpg

from models import accounts, db, frozen_hours

_LOCK = 0x43507274  # any number that nobody else uses: "CPrt"
_DAY = timedelta(days=1)


def name(day: date) -> str:
    return f"call_records_{day:%Y%m%d}"


def days_of(instants: Iterable[datetime]) -> set[date]:
    """The UTC days of some aware instants."""
    return {at.astimezone(UTC).date() for at in instants}


async def ensure(first: date, last: date) -> list[date]:
    """Makes the missing partitions from `first` to `last`, both included; returns their days."""
    return await make(first + _DAY * n for n in range((last - first).days + 1))


async def make(days: Iterable[date]) -> list[date]:
    """Makes those that are missing; any number of processes may call it at once."""
    wanted = sorted(set(days))
    if not set(wanted) - set(await existing()):
        return []
    async with db.transaction() as conn:
        await conn.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        missing = sorted(set(wanted) - set(await existing()))
        for day in missing:
            # Attached, since CREATE … PARTITION OF waits for whoever reads or writes records.
            await conn.execute(f"CREATE TABLE {name(day)} (LIKE call_records INCLUDING ALL)")
            await conn.execute(
                f"ALTER TABLE call_records ATTACH PARTITION {name(day)}"
                f" FOR VALUES FROM ('{_start(day)}') TO ('{_start(day + _DAY)}')"
            )
    return missing


async def existing() -> list[date]:
    """The days that have a partition, in order."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'call_records'::regclass ORDER BY c.relname"
        )
    return [_day(row["relname"]) for row in rows]


async def drop_before(day: date, received_since: datetime | None = None) -> list[date]:
    """Drops the partitions of earlier days, having frozen their hours; returns the days dropped.

    An account keeps its records of a day while it has marks, calls without a rate, or held records
    and records in quarantine of that day (see `frozen_hours.freeze`). The records of the other
    accounts are removed, and the partition is dropped when no account needs it. A partition that is
    in use for long stays until the next run.
    """
    return [old for old in await existing() if old < day and await _retire(old, received_since)]


async def _retire(day: date, received_since: datetime | None) -> bool:
    """Freezes and removes what it can of a day; returns whether its partition was dropped."""
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
    """Drops the partition, unless an hour of it was opened again."""
    try:
        async with db.transaction() as conn:
            await conn.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            # Waits for inserts under way and keeps new ones, with their marks, out: not for long,
            # since everybody else waits behind it. The parent first, as everybody locks them.
            await conn.execute(f"SET LOCAL lock_timeout = '{frozen_hours.LOCK_TIMEOUT_MS}ms'")
            await conn.execute("LOCK TABLE ONLY call_records IN ACCESS EXCLUSIVE MODE")
            await conn.execute(f"LOCK TABLE {day.partition} IN ACCESS EXCLUSIVE MODE")
            account_ids = await accounts.ids()  # under the lock: a new one has no records here
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
