"""The summary: rows of periods, of a customer or of the whole account.

An hour's row is read from its head, a day's and a week's from the sums of days, a month's from the
sum of the month, so that a page reads what it shows, however much history there is.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from domain import cells, periods
from domain.periods import Granularity, Period
from models import db, period_sums

_TABLES = {
    Granularity.LIVE: period_sums.HOURS,
    Granularity.DAILY: period_sums.DAYS,
    Granularity.WEEKLY: period_sums.DAYS,
    Granularity.MONTHLY: period_sums.MONTHS,
}
_UNIT = {
    Granularity.LIVE: "hour",
    Granularity.DAILY: "day",
    Granularity.WEEKLY: "week",
    Granularity.MONTHLY: "month",
}

# Jumps from the newest row of one period to the newest before that period: an index look-up each.
_STARTS = """
WITH RECURSIVE found (start, number) AS (
    SELECT (SELECT max({time}) FROM {table} WHERE account_id = $1 {customer} AND {time} < $2), 1
    UNION ALL
    SELECT (SELECT max({time}) FROM {table} WHERE account_id = $1 {customer}
            AND {time} < date_trunc($3, found.start, 'UTC')), number + 1
    FROM found WHERE start IS NOT NULL AND number < $4
)
SELECT start FROM found WHERE start IS NOT NULL ORDER BY number
"""
# Each period is a range of an index.
_SUMS = """
SELECT p.start, sums.*
FROM unnest($2::timestamptz[], $3::timestamptz[]) AS p (start, stop)
CROSS JOIN LATERAL (
    SELECT c.currency, sum(s.version)::bigint AS version, sum(s.attempts)::bigint AS attempts,
           sum(s.answered)::bigint AS answered, sum(s.talk_us)::bigint AS talk_us,
           sum(s.billed_seconds)::bigint AS billed_seconds, sum(s.charge) AS charge
    FROM {table} s
    JOIN customers c ON c.account_id = $1 AND c.id = s.customer_id
    WHERE s.account_id = $1 {customer} AND s.{time} >= p.start AND s.{time} < p.stop
    GROUP BY c.currency
) sums
"""
# Without GROUP BY the planner searches the index of invoice ids for the greatest one, and reads all
# of it for a period that no invoice holds.
_HOLDERS = """
SELECT p.start, held.invoice_id
FROM unnest($3::timestamptz[], $4::timestamptz[]) AS p (start, stop)
CROSS JOIN LATERAL (
    SELECT max(h.invoice_id) AS invoice_id FROM invoice_hours h
    WHERE h.account_id = $1 AND h.customer_id = $2 AND h.hour >= p.start AND h.hour < p.stop
      AND h.freed_at IS NULL
    GROUP BY h.customer_id
) held
"""
_CHANGED = """
SELECT hour, version, rebuilt_at FROM hours
WHERE account_id = $1 AND customer_id = $2 AND rebuilt_at >= $3 ORDER BY hour
"""


class Change(NamedTuple):
    hour: datetime
    version: int
    rebuilt_at: datetime


async def starts(
    account_id: int,
    customer_id: int | None,
    granularity: Granularity,
    before: datetime | None,
    limit: int,
) -> list[datetime]:
    """Starts of the periods that have hours, newest first, earlier than `before`."""
    end = before or datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
    sql, extra = _scoped(_STARTS, granularity, customer_id, place=5)
    async with db.connection() as conn:
        rows = await conn.fetch(sql, account_id, end, _UNIT[granularity], limit, *extra)
    return [periods.containing(granularity, row["start"]).start for row in rows]


async def rows(
    account_id: int,
    customer_id: int | None,
    granularity: Granularity,
    wanted: Sequence[datetime],
) -> list[cells.Row]:
    """Rows of the periods with these starts, in their order; one without hours has version 0."""
    spans = [periods.containing(granularity, start) for start in wanted]
    sql, extra = _scoped(_SUMS, granularity, customer_id, place=4)
    async with db.connection() as conn:
        found = await conn.fetch(sql, account_id, *_edges(spans), *extra)
    parts = defaultdict(list)
    for part in found:
        parts[part["start"]].append(part)
    return [_row(periods.RowKey(account_id, customer_id, granularity, s), parts[s]) for s in wanted]


def _row(key: periods.RowKey, parts: Sequence[Mapping[str, Any]]) -> cells.Row:
    """Of the sums by currency."""
    return cells.Row(
        key,
        version=sum(part["version"] for part in parts),
        attempts=sum(part["attempts"] for part in parts),
        answered=sum(part["answered"] for part in parts),
        talk_us=sum(part["talk_us"] for part in parts),
        billed_seconds=sum(part["billed_seconds"] for part in parts),
        charges={part["currency"]: part["charge"] for part in parts},
    )


async def holders(
    account_id: int, customer_id: int, granularity: Granularity, wanted: Sequence[datetime]
) -> dict[datetime, int]:
    """By start of a period, the live invoice that holds hours of it; the newest of several."""
    spans = [periods.containing(granularity, start) for start in wanted]
    async with db.connection() as conn:
        found = await conn.fetch(_HOLDERS, account_id, customer_id, *_edges(spans))
    return {row["start"]: row["invoice_id"] for row in found}


async def changed_since(account_id: int, customer_id: int, instant: datetime) -> list[Change]:
    """Hours whose sums changed at or after the instant, oldest hour first."""
    async with db.connection() as conn:
        return [
            Change(*row) for row in await conn.fetch(_CHANGED, account_id, customer_id, instant)
        ]


def _edges(spans: Sequence[Period]) -> tuple[list[datetime], list[datetime]]:
    return [span.start for span in spans], [span.end for span in spans]


def _scoped(
    sql: str, granularity: Granularity, customer_id: int | None, place: int
) -> tuple[str, tuple[int, ...]]:
    """The statement for the granularity's table, of a customer or of the account, and its last
    parameter."""
    table = _TABLES[granularity]
    customer = "" if customer_id is None else f"AND customer_id = ${place}"
    extra = () if customer_id is None else (customer_id,)
    return sql.format(table=table.name, time=table.time, customer=customer), extra
