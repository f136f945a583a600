"""Calls that no rate matched: listed, rated by what the cards say by now, waived, or unwaived.

A rate is ours and not the switch's: it is set in the record itself, which keeps its revision, and
its hour is marked in the same transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

from domain import calls, periods, rating, revisions
from models import day_bounds, db, faults, lists, partitions, record_store

# Of calls set up in the same microsecond: a 63-bit number.
_TIE = f"(hashtextextended(concat_ws(' ', switch, call_id, leg), 0) & {2**63 - 1})"
_FIELDS = [name for name in record_store.COLUMNS if name != "account_id"]
_COLUMNS = ", ".join(_FIELDS)
# The last two lines keep it at the calls without a rate, by their index: without them every record
# that the account keeps is read.
_UPDATE = """
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
# Days that may have calls without a rate: a marked hour has not been summed yet. It steps from one
# marked day to the day before by one descent of an index, however many marks a day has.
_DAYS = """
WITH RECURSIVE marked (day) AS (
    SELECT $4::timestamptz
    UNION ALL
    SELECT (
        SELECT date_trunc('day', hour, 'UTC') FROM hour_marks
        WHERE account_id = $1 AND {whose} AND hour >= $3 AND hour < marked.day
        ORDER BY hour DESC LIMIT 1
    ) FROM marked WHERE day IS NOT NULL
)
SELECT day FROM marked WHERE day < $4
UNION
SELECT date_trunc('day', hour, 'UTC') FROM hours
WHERE account_id = $1 AND {whose} AND hour >= $3 AND hour < $4 AND unrated > 0 AND NOT frozen
"""
_EVER, _NEVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
# Waived, and as waived calls were stored before: rated by a card, but by none of its rates.
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
    """None matches everything. Of a customer; to numbers that begin with these digits; set up at
    `start` or later and before `end`."""

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

Place: TypeAlias = tuple[datetime, int]  # a call's setup, and what tells it from others then


async def page(
    account_id: int, wanted: Filter, before: Place | None, limit: int
) -> list[tuple[calls.Record, Place]]:
    """Newest first, those before that place."""
    where, values = _where(account_id, wanted)
    end = wanted.end
    if before is not None:
        values += before
        at = f"${len(values) - 1}"
        where += f" AND setup_at <= {at} AND (setup_at, {_TIE}) < ({at}, ${len(values)})"
        end = before[0] + calls.MICROSECOND
    found: list[Mapping[str, Any]] = []
    async with db.connection() as conn:
        for span in reversed(await _spans(conn, account_id, replace(wanted, end=end))):
            found += await conn.fetch(
                f"SELECT {_COLUMNS}, {_TIE} AS tie FROM call_records"
                f" WHERE {where} AND {span.condition()}"
                f" ORDER BY setup_at DESC, tie DESC LIMIT {limit - len(found)}",
                *values,
            )
            if len(found) == limit:
                break
    return [(_record(row), (row["setup_at"], row["tie"])) for row in found]


async def first(account_id: int, wanted: Filter, limit: int) -> list[calls.Record]:
    """The earliest, locked until the open transaction ends; of a customer alone."""
    where, values = _where(account_id, wanted)
    found: list[Mapping[str, Any]] = []
    async with db.connection() as conn:
        for span in await _spans(conn, account_id, wanted):
            found += await conn.fetch(
                f"SELECT {_COLUMNS} FROM call_records WHERE {where} AND {span.condition()}"
                f" ORDER BY setup_at LIMIT {limit - len(found)} FOR UPDATE",
                *values,
            )
            if len(found) == limit:
                break
    return [_record(row) for row in found]


async def _spans(conn: db.Connection, account_id: int, wanted: Filter) -> list[day_bounds.Span]:
    """The days that may have such calls, in order."""
    start = _EVER if wanted.start is None else periods.hour_of(wanted.start)
    whose = "$2::bigint IS NULL" if wanted.customer_id is None else "customer_id = $2"
    values = (account_id, wanted.customer_id, start, wanted.end or _NEVER)
    rows = await conn.fetch(_DAYS.format(whose=whose), *values)
    return [span for span, _ in day_bounds.grouped(rows, lambda row: row["day"])]


async def rate(
    account_id: int,
    customer_id: int,
    rated: Sequence[tuple[calls.Record, rating.Rated]],
    now: datetime,
) -> None:
    """Of what `first` has locked, in the same transaction. Raises Refusal HOUR_FROZEN."""
    if not rated:
        return
    hours = {(customer_id, periods.hour_of(record.setup_at)) for record, _ in rated}
    async with db.connection() as conn:
        for span, of_span in day_bounds.grouped(rated, lambda one: one[0].setup_at):
            await _update(conn, account_id, customer_id, span, of_span)
        await _mark(conn, account_id, hours, now)


async def _update(
    conn: db.Connection,
    account_id: int,
    customer_id: int,
    span: day_bounds.Span,
    rated: Sequence[tuple[calls.Record, rating.Rated]],
) -> None:
    rows = [
        (
            *(record.setup_at, record.switch, record.call_id, record.leg),
            *(by.by, by.prefix, by.rate_card_id, by.rate_revision, by.rate_per_minute),
            *(by.billed_seconds, by.charge),
        )
        for record, by in rated
    ]
    columns = list(zip(*rows, strict=True))
    statement = _UPDATE.format(days=span.condition("r.setup_at"))
    first, last = columns[0][0], columns[0][-1]
    await conn.execute(statement, account_id, customer_id, first, last, *columns)


async def waived(account_id: int, wanted: Filter, limit: int) -> list[calls.Record]:
    """The earliest of a customer's in a period, locked until the open transaction ends."""
    assert wanted.start is not None
    assert wanted.end is not None
    conditions, values = lists.matching(account_id, wanted, _CONDITIONS)
    where = " AND ".join([*conditions, _WAIVED])
    found: list[Mapping[str, Any]] = []
    days = await partitions.existing()  # first: the transaction has one connection
    async with db.connection() as conn:
        for span in day_bounds.slices(wanted.start, wanted.end, days):
            found += await conn.fetch(
                f"SELECT {_COLUMNS} FROM call_records WHERE {where} AND {span.condition()}"
                f" ORDER BY setup_at LIMIT {limit - len(found)} FOR UPDATE",
                *values,
            )
            if len(found) == limit:
                break
    return [_record(row) for row in found]


async def unwaive(
    account_id: int, customer_id: int, records: Sequence[calls.Record], now: datetime
) -> None:
    """They have no charge again. Of what `waived` has locked, in the same transaction.

    Raises Refusal HOUR_FROZEN.
    """
    hours = {(customer_id, periods.hour_of(record.setup_at)) for record in records}
    async with db.connection() as conn:
        for span, of_span in day_bounds.grouped(records, lambda record: record.setup_at):
            columns = zip(*map(_key, of_span), strict=True)
            first, last = of_span[0].setup_at, of_span[-1].setup_at
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
        raise revisions.hour_frozen() from None


def _where(account_id: int, wanted: Filter) -> tuple[str, list[Any]]:
    conditions, values = lists.matching(account_id, wanted, _CONDITIONS)
    return " AND ".join([*conditions, "final", "charge IS NULL"]), values


def _record(row: Mapping[str, Any]) -> calls.Record:
    values = {name: row[name] for name in _FIELDS}
    address = row["source_ip"]
    return calls.Record(
        **values | {"digest": b"", "source_ip": None if address is None else str(address)}
    )
