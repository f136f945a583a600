"""The summary: rows of periods of a customer or of the whole account.

An hour's row is read from its head, a day's and a week's from the sums of days, a month's from the
sum of the month, so that a page reads only its own rows, regardless of the size of the history.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from domain import periods
from domain.billing import row_invoicing
from domain.periods import Granularity, Period
from domain.summaries import cells
from models import db
from models.summaries import period_sums

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

# At least as long as any period of the unit, and shorter than two.
_STEP = {"hour": 1, "day": 24, "week": 7 * 24, "month": 31 * 24}  # hours

# Jumps from the row of one period to the next row outside of it: an index look-up each.
_STARTS = """
WITH RECURSIVE found (start, number) AS (
    SELECT (SELECT @edge({time}) FROM {table}
            WHERE account_id = $1 {customer} AND {time} >= $2 AND {time} < $3), 1
    UNION ALL
    SELECT (SELECT @edge({time}) FROM {table}
            WHERE account_id = $1 {customer} AND {time} >= @from AND {time} < @to), number + 1
    FROM found WHERE start IS NOT NULL AND number < $4
)
SELECT start FROM found WHERE start IS NOT NULL ORDER BY number
"""
_PERIOD = "date_trunc('{unit}', found.start, 'UTC')"
_NEXT_PERIOD = f"date_trunc('{{unit}}', {_PERIOD} + interval '{{step}} hours', 'UTC')"
_NEWEST_FIRST = _STARTS.replace("@edge", "max").replace("@from", "$2").replace("@to", _PERIOD)
_OLDEST_FIRST = _STARTS.replace("@edge", "min").replace("@from", _NEXT_PERIOD).replace("@to", "$3")
_COUNTS = tuple(name for name in period_sums.SUMS if name != "charge")
# Each period is a range of an index.
_SUMS = """
SELECT p.start, sums.*
FROM unnest($2::timestamptz[], $3::timestamptz[]) AS p (start, stop)
CROSS JOIN LATERAL (
    SELECT c.currency, sum(s.charge) AS charge, {counts}
    FROM {table} s
    JOIN customers c ON c.account_id = $1 AND c.id = s.customer_id
    WHERE s.account_id = $1 {customer} AND s.{time} >= p.start AND s.{time} < p.stop
    GROUP BY c.currency
) sums
"""
_SUMS_BETWEEN = """
SELECT date_trunc('{unit}', s.{time}, 'UTC') AS start, c.currency, sum(s.charge) AS charge, {counts}
FROM {table} s
JOIN customers c ON c.account_id = $1 AND c.id = s.customer_id
WHERE s.account_id = $1 {customer} AND s.{time} >= $2 AND s.{time} < $3
GROUP BY 1, c.currency
"""
_HOLDERS = """
SELECT p.start, held.invoice_id, held.hours
FROM unnest($3::timestamptz[], $4::timestamptz[]) AS p (start, stop)
CROSS JOIN LATERAL (
    SELECT h.invoice_id, count(*) AS hours FROM invoice_hours h
    WHERE h.account_id = $1 AND h.customer_id = $2 AND h.hour >= p.start AND h.hour < p.stop
      AND h.freed_at IS NULL
    GROUP BY h.invoice_id
) held
"""
_CHANGED = """
SELECT hour, version, rebuilt_at FROM hours
WHERE account_id = $1 AND customer_id = $2 AND rebuilt_at >= $3 ORDER BY hour
"""


_ATTEMPTS = """
SELECT coalesce(sum(attempts), 0)::bigint FROM hours
WHERE account_id = $1 AND customer_id = $2 AND hour >= $3 AND hour < $4
"""


class Change(NamedTuple):
    hour: datetime
    version: int
    rebuilt_at: datetime


async def starts(
    account_id: int,
    customer_id: int | None,
    granularity: Granularity,
    between: Period,
    limit: int,
    *,
    ascending: bool = False,
) -> list[datetime]:
    """Starts of the periods that have hours, newest first or `ascending`: those in `between`,
    which begins and ends with a period."""
    scope = granularity, customer_id
    sql, extra = _scoped(_OLDEST_FIRST if ascending else _NEWEST_FIRST, *scope, place=5)
    async with db.connection() as conn:
        rows = await conn.fetch(sql, account_id, between.start, between.end, limit, *extra)
    return [periods.period_containing(granularity, row["start"]).start for row in rows]


async def rows_between(
    account_id: int, customer_id: int | None, granularity: Granularity, between: Period
) -> list[cells.Row]:
    """The rows of the periods that have hours and start in `between`, in no order."""
    sql, extra = _scoped(_SUMS_BETWEEN, granularity, customer_id, place=4)
    async with db.connection() as conn:
        parts = await conn.fetch(sql, account_id, between.start, between.end, *extra)
    return [
        _row(periods.RowKey(account_id, customer_id, granularity, start), of_period)
        for start, of_period in _by_start(parts).items()
    ]


async def rows(
    account_id: int,
    customer_id: int | None,
    granularity: Granularity,
    wanted: Sequence[datetime],
) -> list[cells.Row]:
    """Rows of the periods with these starts, in their order; one without hours has version 0."""
    spans = [periods.period_containing(granularity, start) for start in wanted]
    sql, extra = _scoped(_SUMS, granularity, customer_id, place=4)
    async with db.connection() as conn:
        rows = await conn.fetch(sql, account_id, *_edges(spans), *extra)
    parts = _by_start(rows)
    keys = [periods.RowKey(account_id, customer_id, granularity, start) for start in wanted]
    return [_row(key, parts[key.start]) for key in keys]


def _by_start(parts: Sequence[Mapping[str, Any]]) -> dict[datetime, list[Mapping[str, Any]]]:
    by_start = defaultdict(list)
    for part in parts:
        by_start[part["start"]].append(part)
    return by_start


def _row(key: periods.RowKey, parts: Sequence[Mapping[str, Any]]) -> cells.Row:
    """The row of a period from its sums by currency."""
    return cells.Row(
        key,
        charges={part["currency"]: part["charge"] for part in parts},
        **{name: sum(part[name] for part in parts) for name in _COUNTS},
    )


async def invoicing(
    account_id: int, customer_id: int, granularity: Granularity, wanted: Sequence[datetime]
) -> list[row_invoicing.RowInvoicing]:
    """For each period with these starts, in order: the number of hours on each invoice that is not
    void, including drafts."""
    spans = [periods.period_containing(granularity, start) for start in wanted]
    async with db.connection() as conn:
        holders = await conn.fetch(_HOLDERS, account_id, customer_id, *_edges(spans))
    held: dict[datetime, dict[int, int]] = defaultdict(dict)
    for row in holders:
        held[row["start"]][row["invoice_id"]] = row["hours"]
    return [
        row_invoicing.RowInvoicing((span.end - span.start) // periods.HOUR, held[span.start])
        for span in spans
    ]


async def attempts(account_id: int, customer_id: int, start: datetime, end: datetime) -> int:
    """The attempts in the hours that begin in [start, end)."""
    async with db.connection() as conn:
        count: int = await conn.fetchval(_ATTEMPTS, account_id, customer_id, start, end)
    return count


async def changed_since(account_id: int, customer_id: int, instant: datetime) -> list[Change]:
    """Hours whose sums changed at or after the instant, oldest hour first."""
    async with db.connection() as conn:
        return [
            Change(**row) for row in await conn.fetch(_CHANGED, account_id, customer_id, instant)
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
    counts = ", ".join(f"sum(s.{name})::bigint AS {name}" for name in _COUNTS)
    unit = _UNIT[granularity]
    names = {"table": table.name, "time": table.time, "unit": unit, "step": _STEP[unit]}
    return sql.format(customer=customer, counts=counts, **names), extra
