"""Removes sums by minute, which graphs show for 30 days."""

from datetime import datetime

from models import db
from models.summaries import revisions

# The limit is a literal: with a parameter, PostgreSQL may read the whole table.
_REMOVE_SUMS = """
DELETE FROM minute_sums
WHERE account_id = $1 AND (customer_id, minute, carrier_id, country) IN (
    SELECT customer_id, minute, carrier_id, country FROM minute_sums
    WHERE account_id = $1 AND minute < $2 ORDER BY minute LIMIT {limit}
) RETURNING 1
"""
_REMOVE_DELAYS = """
DELETE FROM pdd_minutes WHERE account_id = $1 AND (customer_id, minute, carrier_id) IN (
    SELECT customer_id, minute, carrier_id FROM pdd_minutes
    WHERE account_id = $1 AND minute < $2 ORDER BY minute LIMIT {limit}
) RETURNING 1
"""


async def remove_sums(account_id: int, before: datetime, limit: int) -> int:
    """Removes up to `limit` rows of earlier minutes. Returns their number."""
    return await _remove(_REMOVE_SUMS, account_id, before, limit)


async def remove_delays(account_id: int, before: datetime, limit: int) -> int:
    """Removes up to `limit` histograms of earlier minutes. Returns their number."""
    return await _remove(_REMOVE_DELAYS, account_id, before, limit)


async def _remove(statement: str, account_id: int, before: datetime, limit: int) -> int:
    async with db.transaction() as conn:
        removed = await conn.fetch(statement.format(limit=limit), account_id, before)
        if removed:
            await revisions.increase(conn, account_id, revisions.ACCOUNT, revisions.Source.SUMS)
    return len(removed)
