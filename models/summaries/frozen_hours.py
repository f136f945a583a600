"""Freezes the hours of a day, account by account, before the records of the day are removed.

A frozen hour never changes again. Freezing locks the partition of the day against all writers. A
transaction that wrote a record of the day before has also marked its hour, so the account is not
frozen. A transaction that writes one later reads in `record_sql.MARK` that the hour is frozen, and
rolls back. Hours without a head had no calls: they are not frozen and may still receive records.

Every query uses an index on the day, so that its cost does not depend on the number of other days.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import asyncpg

from models import db
from models.records import quarantine_store

LOCK_TIMEOUT_MS = 1_000
_IN_USE_ERRORS: tuple[type[Exception], ...] = (
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
# Whether the records of an account's day are still needed. Undecided items need them if received at
# or after $4 (null: always). A call without a rate needs them until it is rated or waived, because
# its hour cannot be invoiced before.
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
# For one customer, so that reconciliation reads all records of a frozen hour or none.
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
    """Freezes the account's hours of the day. Returns False if their records are still needed.

    Undecided records that are held or in quarantine need the day if they were received at or after
    `received_since` (None: always).
    """
    parameters = (account_id, day.start, day.end, received_since)
    async with db.connection() as conn:
        if await conn.fetchval(NEEDED, *parameters):
            return False
    try:
        async with db.transaction() as conn:
            await conn.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms'")
            await conn.execute(f"LOCK TABLE {day.partition} IN EXCLUSIVE MODE")
            if await conn.fetchval(NEEDED, *parameters):
                return False
            await conn.execute(FREEZE, account_id, day.start, day.end)
            await quarantine_store.mark_day_frozen(account_id, day.start, day.end)
    except _IN_USE_ERRORS:
        return False  # in use, or dropped by another worker: the next run tries again
    return True


async def remove_records(account_id: int, day: Day) -> None:
    """Removes the records of the account's frozen hours while other accounts need the partition."""
    partition = day.partition
    async with db.connection() as conn:
        # Only customers that still have records, because each night visits all retained days.
        for row in await conn.fetch(_CUSTOMERS.format(partition=partition), account_id):
            statement = _REMOVE.format(partition=partition)
            await conn.execute(statement, account_id, row["customer_id"], day.start, day.end)
