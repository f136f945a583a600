"""Stored records of single calls, found by their keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from domain.records import calls, other_calls
from models import db
from models.records import call_keys, day_bounds, reused_call_ids, stored_records

_SWITCHES = "SELECT reference FROM switches WHERE account_id = $1"
_SETUPS = """
SELECT DISTINCT setup_at FROM record_keys WHERE account_id = $1 AND call_key = ANY($2::uuid[])
"""
_KEY = """
SELECT customer_id, setup_at FROM record_keys WHERE account_id = $1 AND call_key = $2 AND leg = $3
"""
_RECORD = f"""
SELECT {stored_records.COLUMNS} FROM call_records
WHERE account_id = $1 AND customer_id = $2 AND setup_at = $3 AND leg = $4
  AND {call_keys.SQL} = $5 AND {{days}}
"""
# The LIMIT makes it a look-up of one row per leg, whatever the planner estimates.
_LEGS = f"""
SELECT c.number, r.* FROM unnest($2::bigint[], $3::uuid[], $4::text[], $5::text[])
    AS c (number, call_key, switch, call_id)
JOIN record_keys k ON k.account_id = $1 AND k.call_key = c.call_key
CROSS JOIN LATERAL (
    SELECT {stored_records.COLUMNS} FROM call_records
    WHERE account_id = $1 AND customer_id = k.customer_id AND setup_at = k.setup_at
      AND switch = c.switch AND call_id = c.call_id AND leg = k.leg AND {{days}}
    LIMIT 1
) r
ORDER BY k.leg
"""
_MAX_SETUP_DIFFERENCE = timedelta(hours=1)  # of the legs of a call; usually they have the same


async def setups(conn: db.Connection, account_id: int, call_id: str) -> list[datetime]:
    """The setups of calls with this id, or with this received id."""
    switches = [row["reference"] for row in await conn.fetch(_SWITCHES, account_id)]
    reused = await reused_call_ids.setups(conn, account_id, switches, call_id)
    keys = [call_keys.compute(switch, call_id) for switch in switches]
    keys += [
        call_keys.compute(switch, other_calls.own_call_id(call_id, setup_at))
        for switch, setup_at in reused
    ]
    return [row["setup_at"] for row in await conn.fetch(_SETUPS, account_id, keys)]


async def record(account_id: int, call_key: bytes, leg: int) -> calls.Record | None:
    """The record of a leg; None if there is none, or no longer."""
    key = call_keys.digest(call_key)
    async with db.connection() as conn:
        place = await conn.fetchrow(_KEY, account_id, key, leg)
        if place is None:
            return None
        setup_at = place["setup_at"]
        day = day_bounds.Span(setup_at, setup_at + calls.MICROSECOND)
        statement = _RECORD.format(days=day.condition())
        row = await conn.fetchrow(statement, account_id, *place, leg, key)
    return None if row is None else stored_records.record_of(row)


async def legs(account_id: int, records: Sequence[calls.Record]) -> list[list[calls.Record]]:
    """The legs of each record's call, in order. One statement for calls of up to a week."""
    legs: list[list[calls.Record]] = [[] for _ in records]
    numbered = list(enumerate(records))
    async with db.connection() as conn:
        for span, group in day_bounds.grouped(numbered, lambda item: item[1].setup_at):
            days = day_bounds.Span(
                span.start - _MAX_SETUP_DIFFERENCE, span.end + _MAX_SETUP_DIFFERENCE
            )
            rows = await conn.fetch(
                _LEGS.format(days=days.condition()),
                account_id,
                [number for number, _ in group],
                [call_keys.compute(record.switch, record.call_id) for _, record in group],
                [record.switch for _, record in group],
                [record.call_id for _, record in group],
            )
            _add(legs, rows)
    return legs


def _add(legs: list[list[calls.Record]], rows: Sequence[Mapping[str, int]]) -> None:
    for row in rows:
        legs[row["number"]].append(stored_records.record_of(row))
