"""Rebuilds marked hours before they are billed, within bounds.

A request rebuilds at most `MAX_HOURS` hours. If more of the selected ones are marked, it is refused
and the worker does them. A marked hour that an earlier invoice billed is rebuilt only if all marked
hours of the customer are that few; otherwise its change is adjusted on a later invoice.

They are rebuilt one after another on one connection: rebuilds of a customer would wait for each
other.
"""

from collections.abc import Sequence
from datetime import datetime

from models import bill_refusals, db, hours

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
    """Refuses HOURS_PENDING, of the input's `field`."""
    due = await _due(account_id, customer_id, selected, field)
    if due:
        await hours.rebuild_each(account_id, customer_id, due, now)


async def _due(
    account_id: int, customer_id: int, selected: Sequence[datetime], field: str
) -> list[datetime]:
    of = (account_id, customer_id)
    async with db.connection() as conn:
        marked = [row["hour"] for row in await conn.fetch(_MARKED, *of, MAX_HOURS + 1)]
        if len(marked) <= MAX_HOURS:
            billed = [row["hour"] for row in await conn.fetch(_BILLED, *of, marked)]
            return sorted(set(marked) & {*selected, *billed})
        due = [row["hour"] for row in await conn.fetch(_SELECTED, *of, selected)]
    if len(due) > MAX_HOURS:
        raise bill_refusals.hours_pending(len(due), field)
    return due
