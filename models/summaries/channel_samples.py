"""Samples of the active calls: stored by minute, then folded into 5 minutes and hours."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from domain import epoch
from domain.summaries import channel_history
from domain.summaries.channel_history import LENGTH, Level, Scope
from models import db
from models.summaries import revisions

TABLES = {
    Level.MINUTES: "channel_minutes",
    Level.FIVE_MINUTES: "channel_five_minutes",
    Level.HOURS: "channel_hours",
}
_FOLDED_LEVELS = (Level.FIVE_MINUTES, Level.HOURS)
_FOLD_DELAY = timedelta(minutes=1)  # clocks of workers may differ
_FOLD_SPAN = timedelta(hours=1)  # per statement

_ACCOUNT_ROW = "account_id = $1 AND customer_id = 0 AND carrier_id = -1"
_KEY = "account_id, customer_id, start, carrier_id"

_MERGE = """
ON CONFLICT (account_id, customer_id, start, carrier_id) DO UPDATE
SET slots = m.slots | EXCLUDED.slots, maximum = greatest(m.maximum, EXCLUDED.maximum),
    total = m.total + EXCLUDED.total,
    last = CASE WHEN EXCLUDED.slots > m.slots THEN EXCLUDED.last ELSE m.last END
"""
# The row is locked until the commit: of two workers, only the first stores its sample of a slot.
_CLAIM = f"""
INSERT INTO channel_minutes AS m
    (account_id, customer_id, carrier_id, start, slots, maximum, total, last)
VALUES ($1, 0, -1, $2, $3, $4, $4, $4) {_MERGE}
WHERE m.slots & EXCLUDED.slots = 0 RETURNING 1
"""
_STORE = f"""
INSERT INTO channel_minutes AS m
    (account_id, customer_id, carrier_id, start, slots, maximum, total, last)
SELECT $1, customer_id, carrier_id, $2, $3, calls, calls, calls
FROM unnest($4::bigint[], $5::bigint[], $6::bigint[]) AS sample (customer_id, carrier_id, calls)
{_MERGE}
"""
# The account's row of a minute is the first: without it, the minute has no data. The limit is a
# literal: with a parameter, PostgreSQL may read the whole table.
_REMOVE = """
DELETE FROM channel_minutes WHERE account_id = $1 AND (customer_id, start, carrier_id) IN (
    SELECT customer_id, start, carrier_id FROM channel_minutes
    WHERE account_id = $1 AND start < $2 ORDER BY start, customer_id, carrier_id LIMIT {limit}
) RETURNING 1
"""
_FOLDED_UNTIL = f"""
SELECT (SELECT max(start) FROM channel_five_minutes WHERE {_ACCOUNT_ROW} AND start < $2)
           AS five_minutes,
       (SELECT max(start) FROM channel_hours WHERE {_ACCOUNT_ROW} AND start < $2) AS hours
"""


# The first sampled minute at $2 or later ($2 null: the first of all).
_OLDEST = f"""
SELECT min(start) FROM channel_minutes
WHERE {_ACCOUNT_ROW} AND start >= coalesce($2::timestamptz, '-infinity')
"""


async def store(account_id: int, taken_at: datetime, calls: Mapping[Scope, int]) -> bool:
    """Stores the calls of each scope that has any. False: the slot has a sample already."""
    start = epoch.floor(taken_at, channel_history.MINUTE)
    slot = 1 << channel_history.slot_of(taken_at)
    scopes = sorted(scope for scope in calls if scope != Scope())
    columns = (
        [scope.customer_id for scope in scopes],
        [scope.carrier_id for scope in scopes],
        [calls[scope] for scope in scopes],
    )
    async with db.transaction() as conn:
        in_use = calls.get(Scope(), 0)
        if await conn.fetchval(_CLAIM, account_id, start, slot, in_use) is None:
            return False
        if scopes:
            await conn.execute(_STORE, account_id, start, slot, *columns)
        await _increase_revision(conn, account_id)
    return True


async def folded_until(account_id: int, now: datetime) -> dict[Level, datetime]:
    """The end of the computed 5 minutes and hours; missing if there are none.

    Ignores later ones than `now`, which a worker stored whose clock was ahead.
    """
    async with db.connection() as conn:
        row = await conn.fetchrow(_FOLDED_UNTIL, account_id, now)
    newest = {Level.FIVE_MINUTES: row["five_minutes"], Level.HOURS: row["hours"]}
    return {level: start + LENGTH[level] for level, start in newest.items() if start is not None}


async def fold(account_id: int, now: datetime) -> None:
    """Computes the 5 minutes, then the hours, that have ended since the last time.

    Computes the newest one again: a sample may have been stored late.
    """
    for level in _FOLDED_LEVELS:
        await _fold(account_id, level, epoch.floor(now - _FOLD_DELAY, LENGTH[level]))


async def _fold(account_id: int, level: Level, until: datetime) -> None:
    length, newest = LENGTH[level], (await folded_until(account_id, until)).get(level)
    if newest is not None and newest >= until:
        return
    after = None if newest is None else newest - length
    while True:
        async with db.transaction() as conn:
            oldest = await conn.fetchval(_OLDEST, account_id, after)
            if oldest is None or oldest >= until:
                return
            start = epoch.floor(oldest, length)
            after = min(start + _FOLD_SPAN, until)
            await conn.execute(_fold_statement(level), account_id, start, after, length)
            await _increase_revision(conn, account_id)


def samples(level: Level) -> str:
    """The number of samples of a row."""
    return "bit_count(slots::bit(6))" if level is Level.MINUTES else "samples"


def _fold_statement(level: Level) -> str:
    """$1 account, $2 start, $3 end, $4 length of the periods.

    From minutes, because only they have an index by time. So an hour costs the same after years.
    """
    columns = ("samples", "maximum", "total")
    stored = ", ".join(f"t.{name}" for name in columns)
    computed = ", ".join(f"EXCLUDED.{name}" for name in columns)
    return f"""
    INSERT INTO {TABLES[level]} AS t
        (account_id, customer_id, carrier_id, start, {", ".join(columns)})
    SELECT account_id, customer_id, carrier_id,
           date_bin($4::interval, start, 'epoch'::timestamptz) AS period,
           sum({samples(Level.MINUTES)}), max(maximum), sum(total)
    FROM channel_minutes WHERE account_id = $1 AND start >= $2 AND start < $3
    GROUP BY account_id, customer_id, carrier_id, period
    ORDER BY customer_id, carrier_id, period
    ON CONFLICT ({_KEY}) DO UPDATE
    SET ({", ".join(columns)}) = ROW ({computed}) WHERE ({stored}) IS DISTINCT FROM ({computed})
    """


async def remove_minutes(account_id: int, before: datetime, limit: int) -> int:
    """Removes up to `limit` rows of earlier minutes, except minutes that are not folded yet."""
    folded = await folded_until(account_id, before + 2 * LENGTH[Level.HOURS])
    if not all(level in folded for level in _FOLDED_LEVELS):
        return 0
    # The newest 5 minutes and the newest hour may be computed again.
    end = min(before, *(folded[level] - LENGTH[level] for level in _FOLDED_LEVELS))
    async with db.transaction() as conn:
        removed = await conn.fetch(_REMOVE.format(limit=limit), account_id, end)
        if removed:
            await _increase_revision(conn, account_id)
    return len(removed)


async def _increase_revision(conn: db.Connection, account_id: int) -> None:
    """Of the account, because every customer's graph shows when samples were taken."""
    await revisions.increase(conn, account_id, revisions.ACCOUNT, revisions.Source.CHANNELS)
