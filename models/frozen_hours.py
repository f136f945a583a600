"""Hours whose records are no longer kept, frozen account by account before their day is dropped.

A frozen hour never changes again. Freezing holds a lock on the day's partition that excludes all
writers of it: a transaction that has written a record of the day has also left its mark, and the
account is not frozen; one that writes later reads in `record_sql.MARK` that the hour is frozen, and
rolls back. Hours without a head had no calls: they are not frozen and may still get records.

Every look-up is bounded by an index on the day, whatever the number of other days.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import asyncpg

from models import db, quarantine

LOCK_TIMEOUT_MS = 1_000
_IN_USE: tuple[type[Exception], ...] = (
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.UndefinedTableError,
)


class Day(NamedTuple):
    """A UTC day, `start` <= setup < `end`, and the partition of its records."""

    partition: str
    start: datetime
    end: datetime


_CHANGEABLE = """
SELECT account_id FROM hours
WHERE account_id = ANY($1) AND hour >= $2 AND hour < $3 AND NOT frozen
"""
_MARKED = (
    "SELECT account_id FROM hour_marks WHERE account_id = ANY($1) AND hour >= $2 AND hour < $3"
)
_OPEN = f"{_CHANGEABLE} UNION {_MARKED}"
IS_OPEN = f"SELECT EXISTS ({_CHANGEABLE}) OR EXISTS ({_MARKED})"
# What still needs the records of an account's day: $4 null, or when an undecided item was received
# at the earliest to keep them. A call without a rate keeps them until it is rated or waived: its
# hour cannot be invoiced before.
NEEDED = """
SELECT EXISTS (
    SELECT 1 FROM hour_marks WHERE account_id = $1 AND hour >= $2 AND hour < $3
) OR EXISTS (
    SELECT 1 FROM hours
    WHERE account_id = $1 AND hour >= $2 AND hour < $3 AND NOT frozen AND unrated > 0
) OR EXISTS (
    SELECT 1 FROM record_revisions
    WHERE account_id = $1 AND state = 'HELD' AND ($4::timestamptz IS NULL OR received_at >= $4)
      AND ((setup_at >= $2 AND setup_at < $3)
           OR (counted_setup_at >= $2 AND counted_setup_at < $3))
) OR EXISTS (
    SELECT 1 FROM quarantine
    WHERE account_id = $1 AND state = 'OPEN' AND setup_at >= $2 AND setup_at < $3
      AND code <> 'TOO_OLD' AND ($4::timestamptz IS NULL OR received_at >= $4)
)
"""
FREEZE = """
UPDATE hours SET frozen = true
WHERE account_id = $1 AND hour >= $2 AND hour < $3 AND NOT frozen
"""
_CUSTOMERS = "SELECT DISTINCT customer_id FROM {partition} WHERE account_id = $1"
# A customer at a time: reconciliation sees all records of a frozen hour or none.
_REMOVE = """
DELETE FROM {partition} r USING hours h
WHERE h.account_id = $1 AND h.customer_id = $2 AND h.hour >= $3 AND h.hour < $4 AND h.frozen
  AND r.account_id = $1 AND r.customer_id = $2
  AND r.setup_at >= h.hour AND r.setup_at < h.hour + interval '1 hour'
"""


async def open_accounts(account_ids: Collection[int], day: Day) -> set[int]:
    """The accounts with hours of the day that can still change, or with marks."""
    async with db.connection() as conn:
        rows = await conn.fetch(_OPEN, list(account_ids), day.start, day.end)
    return {row["account_id"] for row in rows}


async def freeze(account_id: int, day: Day, received_since: datetime | None) -> bool:
    """Freezes the account's hours of the day; returns False if something needs their records.

    `received_since`: held records and records in quarantine that were received earlier no longer
    keep the day. None: they keep it for as long as they are undecided.
    """
    needed = (account_id, day.start, day.end, received_since)
    async with db.connection() as conn:
        if await conn.fetchval(NEEDED, *needed):
            return False
    try:
        async with db.transaction() as conn:
            await conn.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms'")
            await conn.execute(f"LOCK TABLE {day.partition} IN EXCLUSIVE MODE")
            if await conn.fetchval(NEEDED, *needed):
                return False
            await conn.execute(FREEZE, account_id, day.start, day.end)
            await quarantine.refuse_day(account_id, day.start, day.end)
    except _IN_USE:
        return False  # or dropped by another worker; the next run looks again
    return True


async def remove_records(account_id: int, day: Day) -> None:
    """Removes the records of the account's frozen hours, where others still need the partition."""
    partition = day.partition
    async with db.connection() as conn:
        # Only those that still have records: a day that is kept for long is looked at every night.
        for row in await conn.fetch(_CUSTOMERS.format(partition=partition), account_id):
            statement = _REMOVE.format(partition=partition)
            await conn.execute(statement, account_id, row["customer_id"], day.start, day.end)
