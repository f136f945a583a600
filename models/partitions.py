"""The call records' partitions: one a UTC day, made ahead or when a record needs one."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

import asyncpg

from models import db

_LOCK = 0x43507274  # any number that nobody else uses: "CPrt"
_DAY = timedelta(days=1)
_PATIENCE_MS = 1_000
_NEEDED = """
SELECT EXISTS (SELECT FROM hour_marks WHERE hour >= $1 AND hour < $2)
    OR EXISTS (SELECT FROM hours WHERE hour >= $1 AND hour < $2 AND unrated > 0 AND NOT frozen)
"""


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


async def drop_before(day: date) -> list[date]:
    """Drops the partitions of earlier days, having frozen their hours; returns the days dropped.

    A day that still has a mark stays: its hours are to be rebuilt from the records first. So does
    one with calls that no rate matched, which without their records nobody could rate or waive, and
    one while somebody reads or writes records for long: the next try may find it free.
    """
    return [old for old in await existing() if old < day and await _dropped(old)]


async def _dropped(day: date) -> bool:
    try:
        return await _drop(day)
    except asyncpg.LockNotAvailableError:
        return False


async def _drop(day: date) -> bool:
    span = (_start(day), _start(day + _DAY))
    async with db.transaction() as conn:
        await conn.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        # Waits for inserts under way and keeps new ones, with their marks, out: not for long, since
        # everybody else waits behind it. The parent first, as everybody locks them.
        await conn.execute(f"SET LOCAL lock_timeout = '{_PATIENCE_MS}ms'")
        await conn.execute("LOCK TABLE ONLY call_records IN ACCESS EXCLUSIVE MODE")
        await conn.execute(f"LOCK TABLE {name(day)} IN ACCESS EXCLUSIVE MODE")
        if await conn.fetchval(_NEEDED, *span):
            return False
        await conn.execute(
            "UPDATE hours SET frozen = true WHERE hour >= $1 AND hour < $2 AND NOT frozen", *span
        )
        await conn.execute(f"DROP TABLE {name(day)}")
    return True


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _day(relation: str) -> date:
    return datetime.strptime(relation[-8:], "%Y%m%d").replace(tzinfo=UTC).date()
