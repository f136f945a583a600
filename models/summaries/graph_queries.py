"""Graphs: stored sums between edges by carrier, customer or country; and SIP codes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from domain import periods
from domain.summaries import day_edges, delays, ratios
from domain.summaries.graph_parts import Part
from domain.summaries.intervals import Interval
from models import db

Key: TypeAlias = tuple[int, Any]  # bucket, and the carrier, customer or country


@dataclass(frozen=True, slots=True)
class Request:
    """Bucket n is from edge n to n + 1. `customer_id` None: the whole account. `carrier_ids` None:
    all carriers, and calls without a carrier (0)."""

    account_id: int
    customer_id: int | None
    edges: Sequence[datetime]
    interval: Interval
    carrier_ids: Sequence[int] | None


_COUNTS = (
    "attempts", "answered", "talk_us", "dtmf_answered", "pdd_us", "pdd_count", "legs",
    "legs_answered", "legs_pdd_us", "legs_pdd_count", "billed_seconds", "effective", "redirected",
    "released_caller", "released_callee", "released_other",
)  # fmt: skip
# $2 the customer, $3 the carriers. Without a null to compare, the key is used in every plan.
_OF = """account_id = $1 AND {customer}
          AND ($3::bigint[] IS NULL OR carrier_id = ANY($3))"""
_ROWS_PER_TURN = 200  # some milliseconds of work


def _fine(table: str, time: str, columns: str) -> str:
    """$4 the starts of the buckets, $5 the first and $6 the last edge."""
    return f"""
    SELECT width_bucket({time}, $4::timestamptz[]) - 1 AS bucket, 1 AS sign, {columns}
    FROM {table} WHERE {_OF} AND {time} >= $5 AND {time} < $6
    """


def _coarse(table: str, slots: str, columns: str) -> str:
    """As `_fine` with midnights for edges, and $7 to $10 the differences of `day_edges.split`.

    OFFSET keeps each difference one range of an index, whatever plan PostgreSQL makes.
    """
    return f"""
    {_fine(table, "day", columns)}
    UNION ALL
    SELECT side.bucket, side.sign, {columns}
    FROM unnest($7::timestamptz[], $8::timestamptz[], $9::int[], $10::int[])
        AS d (first, past, edge, sign)
    CROSS JOIN LATERAL (
        SELECT {columns} FROM {slots} WHERE {_OF} AND slot >= d.first AND slot < d.past OFFSET 0
    ) AS r
    CROSS JOIN LATERAL (VALUES (d.edge - 1, d.sign), (d.edge, -d.sign)) AS side (bucket, sign)
    WHERE side.bucket >= 0 AND side.bucket < cardinality($4::timestamptz[])
    """


_DAYS = {Part.CARRIER: "carrier_days", Part.CUSTOMER: "carrier_days", Part.COUNTRY: "country_days"}
_SLOTS = {Part.CARRIER: "rollups", Part.CUSTOMER: "rollups", Part.COUNTRY: "country_slots"}


def _source(interval: Interval, part: Part, columns: str, *, of_delays: bool = False) -> str:
    if interval.is_of_minutes:
        return _fine("pdd_minutes" if of_delays else "minute_sums", "minute", columns)
    slots = "pdd_slots" if of_delays else _SLOTS[part]
    if interval.is_of_days:
        return _coarse("pdd_days" if of_delays else _DAYS[part], slots, columns)
    return _fine(slots, "slot", columns)


def _sums(interval: Interval, part: Part) -> str:
    keys = ("carrier_id", "customer_id", *(["country"] if part is Part.COUNTRY else []))
    source = _source(interval, part, ", ".join((*keys, *_COUNTS, "charge", "cost")))
    counts = ", ".join(f"sum(p.sign * p.{name})::bigint AS {name}" for name in _COUNTS)
    return f"""
    SELECT p.bucket, p.{part} AS key, c.currency AS charge_currency, k.currency AS cost_currency,
           {counts}, sum(p.sign * p.charge) AS charge, sum(p.sign * p.cost) AS cost
    FROM ({source}) AS p
    JOIN customers c ON c.account_id = $1 AND c.id = p.customer_id
    LEFT JOIN carriers k ON k.account_id = $1 AND k.id = p.carrier_id
    GROUP BY 1, 2, 3, 4 HAVING sum(p.sign * p.legs) <> 0
    """


def _delays(interval: Interval, part: Part) -> str:
    source = _source(interval, part, "carrier_id, customer_id, attempts", of_delays=True)
    return f"""
    SELECT bucket, key, array_agg(delay << 32 | number) AS packed
    FROM (
        SELECT p.bucket, p.{part} AS key, n >> 32 AS delay,
               sum(p.sign * (n & {2**32 - 1}))::bigint AS number
        FROM ({source}) AS p, unnest(p.attempts) AS n GROUP BY 1, 2, 3
    ) AS counts
    WHERE number > 0 GROUP BY 1, 2
    """


def _peaks(key: str) -> str:
    return f"""
    SELECT bucket, key, max(attempts) AS attempts
    FROM (
        SELECT width_bucket(minute, $4::timestamptz[]) - 1 AS bucket, {key} AS key,
               sum(attempts)::bigint AS attempts
        FROM minute_sums WHERE {_OF} AND minute >= $5 AND minute < $6 GROUP BY 1, 2, minute
    ) AS minutes
    GROUP BY 1, 2
    """


_CODES = """
SELECT sip_code, sum(attempts)::bigint AS attempts
FROM rollup_codes
WHERE account_id = $1 AND hour >= $2 AND hour < $3
  AND ($4::bigint[] IS NULL OR carrier_id = ANY($4)) {customer}
GROUP BY sip_code HAVING sum(attempts) > 0
ORDER BY sip_code
"""


async def sums(request: Request, part: Part = Part.CARRIER) -> dict[Key, ratios.GraphSums]:
    """Sums by bucket and part, without those that have no calls."""
    sums: dict[Key, ratios.GraphSums] = {}
    rows = await _fetch(_sums(request.interval, part), _parameters(request))
    for number, row in enumerate(rows, 1):
        key = row["bucket"], row["key"]
        of_row = _graph_sums(row)
        sums[key] = ratios.merge((sums[key], of_row)) if key in sums else of_row
        if number % _ROWS_PER_TURN == 0:
            await asyncio.sleep(0)  # other tasks get a turn
    return sums


def _graph_sums(row: Any) -> ratios.GraphSums:
    charges: dict[str, Decimal] = {row["charge_currency"]: row["charge"]}
    costs: dict[str | None, Decimal] = {}
    if row["cost"]:
        costs[row["cost_currency"]] = row["cost"]
    return ratios.GraphSums(**{name: row[name] for name in _COUNTS}, charges=charges, costs=costs)


async def histograms(request: Request, part: Part) -> dict[Key, dict[int, int]]:
    """Delays of attempts by bucket and carrier or customer."""
    rows = await _fetch(_delays(request.interval, part), _parameters(request))
    histograms: dict[Key, dict[int, int]] = {}
    for number, row in enumerate(rows, 1):
        histograms[row["bucket"], row["key"]] = delays.unpack(row["packed"])
        if number % _ROWS_PER_TURN == 0:
            await asyncio.sleep(0)
    return histograms


async def peaks(request: Request, part: Part | None) -> dict[Key, int]:
    """The most attempts of a minute, by bucket and part (None: of all together, the key is
    None)."""
    key = "NULL" if part is None else part.value
    parameters = _parameters(request, as_minutes=True)
    rows = await _fetch(_peaks(key), parameters)
    return {(row["bucket"], row["key"]): row["attempts"] for row in rows}


async def codes(
    account_id: int,
    customer_id: int | None,
    period: periods.Period,
    carrier_ids: Sequence[int] | None,
) -> dict[int, int]:
    """Attempts by SIP code of the final leg (`ratios.NO_CODE`: none), in the order of the codes.

    Covers the UTC hours that begin in the period. `customer_id` and `carrier_ids` as for `sums`.
    """
    sql = _CODES.format(customer="" if customer_id is None else "AND customer_id = $5")
    values: list[Any] = [account_id, period.start, period.end]
    values.append(None if carrier_ids is None else list(carrier_ids))
    if customer_id is not None:
        values.append(customer_id)
    async with db.connection() as conn:
        rows = await conn.fetch(sql, *values)
    return {row["sip_code"]: row["attempts"] for row in rows}


def _parameters(request: Request, *, as_minutes: bool = False) -> list[Any]:
    chosen = None if request.carrier_ids is None else list(request.carrier_ids)
    scope = [request.account_id, request.customer_id, chosen]
    if as_minutes or not request.interval.is_of_days:
        return [*scope, list(request.edges[:-1]), request.edges[0], request.edges[-1]]
    midnights, differences = day_edges.split(request.edges)
    columns = zip(*differences, strict=True) if differences else ([], [], [], [])
    between = [list(column) for column in columns]
    return [*scope, midnights[:-1], midnights[0], midnights[-1], *between]


async def _fetch(sql: str, parameters: Sequence[Any]) -> Sequence[Any]:
    customer = "$2::bigint IS NULL" if parameters[1] is None else "customer_id = $2"
    async with db.connection() as conn:
        rows: Sequence[Any] = await conn.fetch(sql.format(customer=customer), *parameters)
    return rows
