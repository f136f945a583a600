"""Rebuilds marked hours before they are billed, within bounds.

A request rebuilds at most `MAX_HOURS` hours. If more selected hours are marked, it is refused and
the worker rebuilds them. A marked hour of an earlier invoice is rebuilt only if the customer has at
most `MAX_HOURS` marked hours; otherwise a later invoice adjusts its change.

The hours are rebuilt one after another on one connection, because rebuilds of one customer exclude
each other.
"""

from collections.abc import Sequence
from datetime import datetime

from models import db
from models.billing import bill_refusals
from models.summaries import hours

MAX_HOURS = 48

_MARKED = """
SELECT DISTINCT hour FROM hour_marks
WHERE account_id = $1 AND customer_id = $2 ORDER BY hour LIMIT $3
"""
_SELECTED = """
SELECT DISTINCT hour FROM hour_marks
WHERE account_id = $1 AND customer_id = $2 AND hour = ANY($3) ORDER BY hour
"""
_BILLED = """
SELECT hour FROM invoice_hours
WHERE account_id = $1 AND customer_id = $2 AND hour = ANY($3)
  AND freed_at IS NULL AND version IS NOT NULL
"""


async def rebuild(
    account_id: int, customer_id: int, selected: Sequence[datetime], now: datetime, field: str
) -> None:
    """Rebuilds marked hours. Refuses HOURS_PENDING with the input's `field`."""
    due = await _hours_to_rebuild(account_id, customer_id, selected, field)
    if due:
        await hours.rebuild_each(account_id, customer_id, due, now)


async def _hours_to_rebuild(
    account_id: int, customer_id: int, selected: Sequence[datetime], field: str
) -> list[datetime]:
    customer = (account_id, customer_id)
    async with db.connection() as conn:
        marked = [row["hour"] for row in await conn.fetch(_MARKED, *customer, MAX_HOURS + 1)]
        if len(marked) <= MAX_HOURS:
            billed = [row["hour"] for row in await conn.fetch(_BILLED, *customer, marked)]
            return sorted(set(marked) & {*selected, *billed})
        due = [row["hour"] for row in await conn.fetch(_SELECTED, *customer, selected)]
    if len(due) > MAX_HOURS:
        raise bill_refusals.hours_pending(len(due), field)
    return due
