"""The last call that was rated by given rates: their replacement has to begin after it.

A record is in the sums of its hour, or the hour is marked. So sums and marks name the hours whose
records have to be read. While `rate_versions.lock_exclusively` is held, no record is added.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain import periods
from models import db
from models.records import day_bounds

_HOUR = timedelta(hours=1)
_CUSTOMERS = """
SELECT DISTINCT customer_id FROM rate_card_assignments WHERE account_id = $1 AND rate_card_id = $2
"""
# Hours in which calls of these customers may have been rated so, latest first.
_HOURS = """
SELECT customer_id, hour FROM rollup_destinations
WHERE account_id = $1 AND customer_id = ANY($2::bigint[]) AND hour >= $3 AND attempts > 0
  AND {destinations}
UNION
SELECT customer_id, hour FROM hour_marks
WHERE account_id = $1 AND customer_id = ANY($2::bigint[]) AND hour >= $3
ORDER BY hour DESC
"""
_OF_PREFIXES = "destination IN (SELECT unnest($4::text[]))"
_OF_ANY = "starts_with(destination, 'prefix:')"
_LAST = """
SELECT max(setup_at) FROM call_records
WHERE account_id = $1 AND customer_id = $2 AND setup_at >= $3 AND setup_at < $4
  AND rated_by = 'CARD' AND rate_card_id IS NOT NULL AND {{days}} {rates}
"""
_LAST_OF_PREFIXES = _LAST.format(
    rates="AND rate_card_id = $5 AND prefix IN (SELECT unnest($6::text[]))"
)
_LAST_OF_ANY = _LAST.format(rates="")


async def last_by_card(
    conn: db.Connection, account_id: int, card_id: int, prefixes: Collection[str], since: datetime
) -> datetime | None:
    """The latest setup, at or after `since`, of a call rated by the card's rate of one of these
    prefixes."""
    rows = await conn.fetch(_CUSTOMERS, account_id, card_id)
    names = [f"prefix:{prefix}" for prefix in prefixes]
    customer_ids = [row["customer_id"] for row in rows]
    hours = await conn.fetch(
        _HOURS.format(destinations=_OF_PREFIXES),
        *(account_id, customer_ids, periods.hour_of(since), names),
    )
    return await _last(conn, account_id, hours, since, _LAST_OF_PREFIXES, card_id, list(prefixes))


async def last_of_customer(
    conn: db.Connection, account_id: int, customer_id: int, since: datetime
) -> datetime | None:
    """The latest setup, at or after `since`, of a call of the customer rated by any card."""
    hours = await conn.fetch(
        _HOURS.format(destinations=_OF_ANY), account_id, [customer_id], periods.hour_of(since)
    )
    return await _last(conn, account_id, hours, since, _LAST_OF_ANY)


async def _last(
    conn: db.Connection,
    account_id: int,
    hours: Sequence[Any],
    since: datetime,
    statement: str,
    *rates: object,
) -> datetime | None:
    last: datetime | None = None
    for row in hours:
        customer_id, hour = row["customer_id"], row["hour"]
        if last is not None and last >= hour + _HOUR:
            break
        span = (max(hour, since), hour + _HOUR)
        of_day = statement.format(days=day_bounds.Span(*span).condition())
        setup_at = await conn.fetchval(of_day, account_id, customer_id, *span, *rates)
        if setup_at is not None and (last is None or setup_at > last):
            last = setup_at
    return last
