"""Reads the history of active calls: by bucket and carrier, or by minute."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from domain.periods import Period
from domain.summaries import channel_history
from domain.summaries.channel_history import ALL_CARRIERS, WHOLE_ACCOUNT, History, Level, Minute
from models import db
from models.summaries import channel_samples

_ROWS_PER_TURN = 500  # some milliseconds of work
_FIRST_PARAMETER = {Level.MINUTES: 5, Level.FIVE_MINUTES: 7, Level.HOURS: 9}


def _rows(level: Level) -> str:
    """$1 account, $3 customers, $4 the customer, then starts and ends of the level's segments."""
    first = _FIRST_PARAMETER[level]
    # OFFSET keeps each segment one range of the key, whatever plan PostgreSQL makes for all values.
    return f"""
    SELECT h.* FROM unnest(${first}::timestamptz[], ${first + 1}::timestamptz[]) AS s (first, past),
    LATERAL (
        SELECT customer_id, carrier_id, start, maximum, total,
               {channel_samples.samples(level)} AS samples
        FROM {channel_samples.TABLES[level]}
        WHERE account_id = $1 AND customer_id = ANY($3::bigint[])
          AND start >= s.first AND start < s.past AND (customer_id = $4 OR carrier_id = -1)
        OFFSET 0
    ) h
    """


_BUCKETS = f"""
SELECT width_bucket(start, $2::timestamptz[]) - 1 AS bucket, customer_id, carrier_id,
       max(maximum) AS maximum, sum(total)::bigint AS total, sum(samples)::bigint AS samples
FROM ({" UNION ALL ".join(_rows(level) for level in Level)}) periods
GROUP BY bucket, customer_id, carrier_id
"""
_MINUTES = """
SELECT customer_id, carrier_id, start, slots, maximum, total, last FROM channel_minutes
WHERE account_id = $1 AND customer_id = ANY($2::bigint[]) AND start >= $4 AND start < $5
  AND (customer_id = $3 OR carrier_id = -1)
ORDER BY start, carrier_id, customer_id
"""


async def read(
    account_id: int, customer_id: int | None, edges: Sequence[datetime], now: datetime
) -> History:
    """The history of a customer, or (None) of the account. Bucket n is from edge n to n + 1."""
    folded_until = await channel_samples.folded_until(account_id, now)
    segments = channel_history.segments(edges, folded_until)
    spans: list[list[datetime]] = []
    for level in Level:
        spans.append([period.start for period in segments[level]])
        spans.append([period.end for period in segments[level]])
    customer, customers = _customers(customer_id)
    async with db.connection() as conn:
        rows = await conn.fetch(_BUCKETS, account_id, list(edges[:-1]), customers, customer, *spans)
    history = History()
    for number, (bucket, of_customer, carrier, maximum, total, samples) in enumerate(rows, 1):
        if of_customer == WHOLE_ACCOUNT and carrier == ALL_CARRIERS:
            history.samples[bucket] = samples
        if of_customer == customer:
            history.calls[bucket, carrier] = (maximum, total)
        if number % _ROWS_PER_TURN == 0:
            await asyncio.sleep(0)  # other tasks get a turn
    return history


async def minutes(account_id: int, customer_id: int | None, period: Period) -> list[Minute]:
    """Every minute of the period, in order, also those without a sample."""
    customer, customers = _customers(customer_id)
    async with db.connection() as conn:
        rows = await conn.fetch(_MINUTES, account_id, customers, customer, period.start, period.end)
    slots: dict[datetime, int] = {}
    calls: dict[datetime, dict[int, channel_history.Calls]] = {}
    for number, row in enumerate(rows, 1):
        start = row["start"]
        if row["customer_id"] == WHOLE_ACCOUNT and row["carrier_id"] == ALL_CARRIERS:
            slots[start] = row["slots"]  # the first row of the minute
        if row["customer_id"] == customer and start in slots:  # otherwise it is being removed
            # A later sample without a row found no calls.
            is_last = row["slots"].bit_length() == slots[start].bit_length()
            calls.setdefault(start, {})[row["carrier_id"]] = channel_history.Calls(
                row["maximum"], row["total"], row["last"] if is_last else 0
            )
        if number % _ROWS_PER_TURN == 0:
            await asyncio.sleep(0)  # other tasks get a turn
    count = (period.end - period.start) // channel_history.MINUTE
    starts = [period.start + n * channel_history.MINUTE for n in range(count)]
    return [
        Minute(start, slots.get(start, 0).bit_count(), calls.get(start, {})) for start in starts
    ]


def _customers(customer_id: int | None) -> tuple[int, list[int]]:
    """The customer of the rows, and the customers to read: the account's rows say when samples were
    taken."""
    customer = WHOLE_ACCOUNT if customer_id is None else customer_id
    return customer, sorted({customer, WHOLE_ACCOUNT})
