"""Calls that no rate matched: listed, rated by the current cards, waived or unwaived.

The rate is set in the record without a new revision, because it does not come from the switch. The
hour is marked in the same transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from domain import periods
from domain.billing import rating
from domain.records import calls
from domain.records.verdicts import hour_frozen_refusal
from models import db, faults, listing
from models.records import day_bounds, partitions, record_store
from models.records.stored_records import COLUMNS, TIE, Position, record_of

# The last two conditions select the index of calls without a rate. Without them, PostgreSQL reads
# every record of the account.
_STORE_RATES = """
UPDATE call_records r SET rated_by = n.rated_by, prefix = n.prefix, rate_card_id = n.card,
    rate_revision = n.revision, rate_per_minute = n.per_minute, billed_seconds = n.billed,
    charge = n.charge
FROM unnest($5::timestamptz[], $6::text[], $7::text[], $8::int[], $9::text[], $10::text[],
            $11::bigint[], $12::bigint[], $13::numeric[], $14::bigint[], $15::numeric[])
    AS n (setup_at, switch, call_id, leg, rated_by, prefix, card, revision, per_minute, billed,
          charge)
WHERE r.account_id = $1 AND r.customer_id = $2 AND r.setup_at = n.setup_at
  AND r.switch = n.switch AND r.call_id = n.call_id AND r.leg = n.leg
  AND r.final AND r.charge IS NULL AND r.setup_at BETWEEN $3 AND $4
  AND {days}
"""
# Days that may have calls without a rate, including marked hours, which are not summed yet. Steps
# from each marked day to the previous one by one index look-up, for any number of marks.
_DAYS = """
WITH RECURSIVE marked (day) AS (
    SELECT $4::timestamptz
    UNION ALL
    SELECT (
        SELECT date_trunc('day', hour, 'UTC') FROM hour_marks
        WHERE account_id = $1 AND {customer} AND hour >= $3 AND hour < marked.day
        ORDER BY hour DESC LIMIT 1
    ) FROM marked WHERE day IS NOT NULL
)
SELECT day FROM marked WHERE day < $4
UNION
SELECT date_trunc('day', hour, 'UTC') FROM hours
WHERE account_id = $1 AND {customer} AND hour >= $3 AND hour < $4 AND unrated > 0 AND NOT frozen
"""
_MIN_TIME, _MAX_TIME = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
# Waived calls, also in the earlier format: rated by a card but by none of its rates.
_WAIVED = """final AND (rated_by = 'WAIVED'
    OR (rated_by = 'CARD' AND rate_card_id IS NULL AND talk_us > 0))"""
_UNWAIVE = """
UPDATE call_records SET rated_by = NULL, prefix = NULL, charge = NULL
WHERE account_id = $1 AND customer_id = $2 AND setup_at = ANY($5::timestamptz[])
  AND (setup_at, switch, call_id, leg) IN (
      SELECT * FROM unnest($5::timestamptz[], $6::text[], $7::text[], $8::int[]))
  AND setup_at BETWEEN $3 AND $4
  AND {days}
"""


@dataclass(frozen=True, slots=True)
class Filter:
    """None matches everything. `start` is inclusive, `end` exclusive.

    `digits`: the first digits of the destination.
    """

    customer_id: int | None = None
    digits: str | None = None
    start: datetime | None = None
    end: datetime | None = None


# By the field of `Filter`.
_CONDITIONS = {
    "customer_id": "customer_id = {}",
    "digits": "starts_with(ltrim(destination, '+'), {})",
    "start": "setup_at >= {}",
    "end": "setup_at < {}",
}


async def page(
    account_id: int, filter: Filter, before: Position | None, limit: int
) -> list[tuple[calls.Record, Position]]:
    """Calls without a rate before a position, newest first."""
    where, values = _where(account_id, filter)
    end = filter.end
    if before is not None:
        values += before
        at = f"${len(values) - 1}"
        where += f" AND setup_at <= {at} AND (setup_at, {TIE}) < ({at}, ${len(values)})"
        end = before[0] + calls.MICROSECOND
    rows: list[Mapping[str, Any]] = []
    async with db.connection() as conn:
        for span in reversed(await _spans(conn, account_id, replace(filter, end=end))):
            rows += await conn.fetch(
                f"SELECT {COLUMNS}, {TIE} AS tie FROM call_records"
                f" WHERE {where} AND {span.condition()}"
                f" ORDER BY setup_at DESC, tie DESC LIMIT {limit - len(rows)}",
                *values,
            )
            if len(rows) == limit:
                break
    return [(record_of(row), (row["setup_at"], row["tie"])) for row in rows]


async def lock_earliest(account_id: int, filter: Filter, limit: int) -> list[calls.Record]:
    """A customer's earliest calls without a rate, locked until the transaction ends."""
    where, values = _where(account_id, filter)
    rows: list[Mapping[str, Any]] = []
    async with db.connection() as conn:
        for span in await _spans(conn, account_id, filter):
            rows += await conn.fetch(
                f"SELECT {COLUMNS} FROM call_records WHERE {where} AND {span.condition()}"
                f" ORDER BY setup_at LIMIT {limit - len(rows)} FOR UPDATE",
                *values,
            )
            if len(rows) == limit:
                break
    return [record_of(row) for row in rows]


async def _spans(conn: db.Connection, account_id: int, filter: Filter) -> list[day_bounds.Span]:
    """The days that may have calls without a rate, in order."""
    start = _MIN_TIME if filter.start is None else periods.hour_of(filter.start)
    customer_condition = "$2::bigint IS NULL" if filter.customer_id is None else "customer_id = $2"
    values = (account_id, filter.customer_id, start, filter.end or _MAX_TIME)
    rows = await conn.fetch(_DAYS.format(customer=customer_condition), *values)
    return [span for span, _ in day_bounds.grouped(rows, lambda row: row["day"])]


async def store_rates(
    account_id: int,
    customer_id: int,
    charges: Sequence[tuple[calls.Record, rating.LegCharge]],
    now: datetime,
) -> None:
    """Stores rates of calls from `lock_earliest`, in its transaction. Refuses HOUR_FROZEN."""
    if not charges:
        return
    hours = {(customer_id, periods.hour_of(record.setup_at)) for record, _ in charges}
    async with db.connection() as conn:
        for span, span_items in day_bounds.grouped(charges, lambda pair: pair[0].setup_at):
            await _store_rates(conn, account_id, customer_id, span, span_items)
        await _mark(conn, account_id, hours, now)


async def _store_rates(
    conn: db.Connection,
    account_id: int,
    customer_id: int,
    span: day_bounds.Span,
    charges: Sequence[tuple[calls.Record, rating.LegCharge]],
) -> None:
    rows = [
        (
            *(record.setup_at, record.switch, record.call_id, record.leg),
            *(charge.rated_by, charge.prefix, charge.rate_card_id, charge.rate_revision),
            *(charge.rate_per_minute, charge.billed_seconds, charge.charge),
        )
        for record, charge in charges
    ]
    columns = list(zip(*rows, strict=True))
    statement = _STORE_RATES.format(days=span.condition("r.setup_at"))
    first, last = columns[0][0], columns[0][-1]
    await conn.execute(statement, account_id, customer_id, first, last, *columns)


async def lock_waived(account_id: int, filter: Filter, limit: int) -> list[calls.Record]:
    """A customer's earliest waived calls in a period, locked until the transaction ends."""
    assert filter.start is not None
    assert filter.end is not None
    conditions, values = listing.filter_conditions(account_id, filter, _CONDITIONS)
    where = " AND ".join([*conditions, _WAIVED])
    rows: list[Mapping[str, Any]] = []
    days = await partitions.existing_days()  # first: the transaction has one connection
    async with db.connection() as conn:
        for span in day_bounds.slices(filter.start, filter.end, days):
            rows += await conn.fetch(
                f"SELECT {COLUMNS} FROM call_records WHERE {where} AND {span.condition()}"
                f" ORDER BY setup_at LIMIT {limit - len(rows)} FOR UPDATE",
                *values,
            )
            if len(rows) == limit:
                break
    return [record_of(row) for row in rows]


async def unwaive(
    account_id: int, customer_id: int, records: Sequence[calls.Record], now: datetime
) -> None:
    """Removes the charges of calls from `lock_waived`, in its transaction. Refuses HOUR_FROZEN."""
    hours = {(customer_id, periods.hour_of(record.setup_at)) for record in records}
    async with db.connection() as conn:
        for span, span_items in day_bounds.grouped(records, lambda record: record.setup_at):
            columns = zip(*map(_key, span_items), strict=True)
            first, last = span_items[0].setup_at, span_items[-1].setup_at
            statement = _UNWAIVE.format(days=span.condition())
            await conn.execute(statement, account_id, customer_id, first, last, *columns)
        await _mark(conn, account_id, hours, now)


def _key(record: calls.Record) -> tuple[datetime, str, str, int]:
    return record.setup_at, record.switch, record.call_id, record.leg


async def _mark(
    conn: db.Connection, account_id: int, hours: set[tuple[int, datetime]], now: datetime
) -> None:
    try:
        await record_store.mark(conn, account_id, hours, set(), now)
    except faults.FrozenHoursError:
        raise hour_frozen_refusal() from None


def _where(account_id: int, filter: Filter) -> tuple[str, list[Any]]:
    conditions, values = listing.filter_conditions(account_id, filter, _CONDITIONS)
    return " AND ".join([*conditions, "final", "charge IS NULL"]), values
