"""The costs of summary rows, and the parts of rows by carrier, country and matched prefix.

Hours are read from slots, days, weeks and months from sums of days. Each statement serves a whole
page of rows, and reads a range of an index for each row.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from domain import money, periods
from domain.periods import Granularity
from domain.summaries import breakdowns, row_costs
from domain.summaries.breakdowns import Dimension
from models import db


class _Source(NamedTuple):
    """A table of sums, the column of its time, and that of the parts."""

    table: str
    time: str
    part: str


_HOURLY = {
    Dimension.CARRIER: _Source("rollups", "slot", "carrier_id"),
    Dimension.COUNTRY: _Source("country_slots", "slot", "country"),
    Dimension.PREFIX: _Source("rollup_destinations", "hour", "destination"),
}
_DAILY = {
    Dimension.CARRIER: _Source("carrier_days", "day", "carrier_id"),
    Dimension.COUNTRY: _Source("country_days", "day", "country"),
    Dimension.PREFIX: _Source("destination_days", "day", "destination"),
}
_COUNTS = (
    *("attempts", "answered", "talk_us", "billed_seconds", "unrated", "dtmf_answered", "pdd_us"),
    *("pdd_count", "effective", "redirected"),
)
_SUMS_OF_CARRIER = {
    name: f"sum(s.{name})"
    for name in (*_COUNTS, "charge", "legs", "legs_answered", "cost", "uncosted")
} | {"unknown": "0"}
_SUMS_OF_PREFIX = {name: f"sum(s.{name})" for name in (*_COUNTS, "charge")} | {
    "unrated": "coalesce(sum(s.attempts) FILTER (WHERE s.destination = 'unrated'), 0)",
    "unknown": "sum(s.attempts - s.detailed)",
    "legs": "0",
}
_CARRIERS = "LEFT JOIN carriers k ON k.account_id = $1 AND k.id = s.carrier_id"

_COSTS = """
SELECT p.start, costs.*
FROM unnest($2::timestamptz[], $3::timestamptz[]) AS p (start, stop)
CROSS JOIN LATERAL (
    SELECT k.currency AS cost_currency, sum(s.cost) AS cost, sum(s.uncosted)::bigint AS uncosted,
           sum(s.legs_answered)::bigint AS legs_answered
    FROM {table} s
    LEFT JOIN carriers k ON k.account_id = $1 AND k.id = s.carrier_id
    WHERE s.account_id = $1 {customer} AND s.{time} >= p.start AND s.{time} < p.stop
    GROUP BY k.currency
) costs
"""
# `place`: by attempts; that of all parts after the first $4 is $4 + 1.
_PARTS = """
WITH parts AS MATERIALIZED (
    SELECT p.start, sums.*
    FROM unnest($2::timestamptz[], $3::timestamptz[]) AS p (start, stop)
    CROSS JOIN LATERAL (
        SELECT s.{part}::text AS part, c.currency, {cost_currency} AS cost_currency,
               {sums}
        FROM {table} s
        JOIN customers c ON c.account_id = $1 AND c.id = s.customer_id
        {carriers}
        WHERE s.account_id = $1 {customer} AND s.{time} >= p.start AND s.{time} < p.stop
        GROUP BY 1, 2, 3
    ) sums
), places AS (
    SELECT start, part,
           row_number() OVER (PARTITION BY start ORDER BY sum(attempts) DESC, part) AS place
    FROM parts GROUP BY start, part
    HAVING sum(attempts) > 0 OR ($5 AND sum(legs) > 0)
)
SELECT start, least(place, $4 + 1) AS place, min(part) AS part, currency, cost_currency,
       max(place) AS last_place, {totals}
FROM parts JOIN places USING (start, part)
GROUP BY start, least(place, $4 + 1), currency, cost_currency
"""


async def costs(keys: Sequence[periods.RowKey]) -> dict[periods.RowKey, row_costs.Costs]:
    """The costs of rows of one customer (or of the account) and one granularity, one statement."""
    if not keys:
        return {}
    source = _source(keys[0].granularity, Dimension.CARRIER)
    sql = _COSTS.format(table=source.table, time=source.time, customer=_customer(keys[0], 4))
    async with db.connection() as conn:
        rows = await conn.fetch(sql, *_periods(keys), *_customer_value(keys[0]))
    by_start = defaultdict(list)
    for row in rows:
        by_start[row["start"]].append(row)
    return {key: _costs_of(by_start[key.start]) for key in keys}


async def parts(
    keys: Sequence[periods.RowKey], dimension: Dimension, limit: int, *, with_legs: bool
) -> dict[periods.RowKey, breakdowns.Breakdown]:
    """The first parts of rows of one customer (or of the account) and one granularity, in one
    statement. `with_legs`: also parts without attempts, to which legs were offered."""
    if not keys:
        return {}
    sql = _statement(keys[0], dimension)
    async with db.connection() as conn:
        values = [*_periods(keys), limit, with_legs, *_customer_value(keys[0])]
        rows = await conn.fetch(sql, *values)
    places: dict[datetime, dict[int, list[Mapping[str, Any]]]] = defaultdict(dict)
    for row in rows:
        places[row["start"]].setdefault(row["place"], []).append(row)
    return {key: _breakdown(places[key.start], dimension, limit) for key in keys}


def _statement(key: periods.RowKey, dimension: Dimension) -> str:
    source = _source(key.granularity, dimension)
    sums = _SUMS_OF_PREFIX if dimension is Dimension.PREFIX else _SUMS_OF_CARRIER
    return _PARTS.format(
        table=source.table,
        time=source.time,
        part=source.part,
        customer=_customer(key, 6),
        cost_currency="NULL" if dimension is Dimension.PREFIX else "k.currency",
        carriers="" if dimension is Dimension.PREFIX else _CARRIERS,
        sums=", ".join(f"{sum} AS {name}" for name, sum in sums.items()),
        totals=", ".join(f"sum({name}) AS {name}" for name in sums),
    )


def _source(granularity: Granularity, dimension: Dimension) -> _Source:
    return (_HOURLY if granularity is Granularity.LIVE else _DAILY)[dimension]


def _periods(keys: Sequence[periods.RowKey]) -> tuple[int, list[datetime], list[datetime]]:
    spans = [key.period for key in keys]
    return keys[0].account_id, [span.start for span in spans], [span.end for span in spans]


def _customer(key: periods.RowKey, place: int) -> str:
    return "" if key.customer_id is None else f"AND s.customer_id = ${place}"


def _customer_value(key: periods.RowKey) -> tuple[int, ...]:
    return () if key.customer_id is None else (key.customer_id,)


def _breakdown(
    places: Mapping[int, Sequence[Mapping[str, Any]]], dimension: Dimension, limit: int
) -> breakdowns.Breakdown:
    parts = [_part(places[place], dimension) for place in sorted(places) if place <= limit]
    rest = places.get(limit + 1)
    if rest is None:
        return breakdowns.Breakdown(parts)
    remaining = max(row["last_place"] for row in rest) - limit
    return breakdowns.Breakdown(parts, _part(rest, dimension, key=""), remaining)


def _part(
    rows: Sequence[Mapping[str, Any]], dimension: Dimension, key: str | None = None
) -> breakdowns.Part:
    """From its rows by currency of the charge and of the cost."""
    return breakdowns.Part(
        key=rows[0]["part"] if key is None else key,
        charges=_added((row["currency"], row["charge"]) for row in rows),
        costs=None if dimension is Dimension.PREFIX else _costs_of(rows),
        has_details=not any(row["unknown"] for row in rows),
        **{name: int(sum(row[name] for row in rows)) for name in _COUNTS},
    )


def _costs_of(rows: Sequence[Mapping[str, Any]]) -> row_costs.Costs:
    """Without a carrier, a cost has no currency and is not known."""
    with_currency = [row for row in rows if row["cost_currency"] is not None]
    legs_without_currency = [row["legs_answered"] for row in rows if row["cost_currency"] is None]
    amounts = _added((row["cost_currency"], row["cost"]) for row in with_currency)
    return row_costs.Costs(
        amounts, int(sum(row["uncosted"] for row in with_currency) + sum(legs_without_currency))
    )


def _added(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """The sum for each currency."""
    sums: dict[str, Decimal] = {}
    for currency, amount in amounts:
        sums[currency] = money.add((sums.get(currency, Decimal(0)), amount))
    return sums
