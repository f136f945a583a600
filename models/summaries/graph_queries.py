"""Graphs: stored quarter-hour slots summed between edges, and SIP codes."""

import asyncio
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from domain import periods
from domain.summaries import ratios
from models import db

_SUMS = """
SELECT width_bucket(slot, $2::timestamptz[]) - 1 AS bucket, carrier_id,
       sum(attempts)::bigint AS attempts, sum(answered)::bigint AS answered,
       sum(talk_us)::bigint AS talk_us, sum(dtmf_answered)::bigint AS dtmf_answered,
       sum(pdd_us)::bigint AS pdd_us, sum(pdd_count)::bigint AS pdd_count,
       sum(legs)::bigint AS legs, sum(legs_answered)::bigint AS legs_answered,
       sum(legs_pdd_us)::bigint AS legs_pdd_us, sum(legs_pdd_count)::bigint AS legs_pdd_count
FROM rollups
WHERE account_id = $1 AND slot >= $3 AND slot < $4
  AND ($5::bigint[] IS NULL OR carrier_id = ANY($5)) {customer}
GROUP BY bucket, carrier_id
"""
_CODES = """
SELECT sip_code, sum(attempts)::bigint AS attempts
FROM rollup_codes
WHERE account_id = $1 AND hour >= $2 AND hour < $3
  AND ($4::bigint[] IS NULL OR carrier_id = ANY($4)) {customer}
GROUP BY sip_code HAVING sum(attempts) > 0
ORDER BY sip_code
"""


_ROWS_PER_TURN = 500  # some milliseconds of work
_SUM_COLUMNS = tuple(field.name for field in fields(ratios.Sums))


async def sums(
    account_id: int,
    customer_id: int | None,
    edges: Sequence[datetime],
    carrier_ids: Sequence[int] | None,
) -> dict[tuple[int, int], ratios.Sums]:
    """Sums by (bucket, carrier), without those that have no rows. Bucket n is from edge n to n + 1.

    `customer_id` None: the whole account. `carrier_ids` None: all carriers, and calls without a
    carrier (0).
    """
    sql = _SUMS.format(customer="" if customer_id is None else "AND customer_id = $6")
    values: list[Any] = [account_id, list(edges[:-1]), edges[0], edges[-1]]
    values.append(None if carrier_ids is None else list(carrier_ids))
    if customer_id is not None:
        values.append(customer_id)
    async with db.connection() as conn:
        rows = await conn.fetch(sql, *values)
    sums = {}
    for number, row in enumerate(rows, 1):
        sums[row["bucket"], row["carrier_id"]] = ratios.Sums(
            **{name: row[name] for name in _SUM_COLUMNS}
        )
        if number % _ROWS_PER_TURN == 0:
            await asyncio.sleep(0)  # other tasks get a turn
    return sums


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
