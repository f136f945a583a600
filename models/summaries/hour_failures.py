"""Hours whose rebuild failed, and when each is tried again."""

from dataclasses import dataclass
from datetime import datetime

from domain.summaries import rebuild_order
from models import db

_MAX_ERROR_CHARACTERS = 500
_FAILURES = """
SELECT failures FROM hour_failures WHERE account_id = $1 AND customer_id = $2 AND hour = $3
"""
_MARKED = """
SELECT EXISTS (
    SELECT 1 FROM hour_marks WHERE account_id = $1 AND customer_id = $2 AND hour = $3
)
"""
_RECORD = """
INSERT INTO hour_failures (account_id, customer_id, hour, failures, failed_at, retry_at, error)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (account_id, customer_id, hour) DO UPDATE
SET (failures, failed_at, retry_at, error)
  = ROW (EXCLUDED.failures, EXCLUDED.failed_at, EXCLUDED.retry_at, EXCLUDED.error)
"""


@dataclass(frozen=True, slots=True)
class Failure:
    failures: int  # in a row
    retry_at: datetime
    error: str


async def record(
    conn: db.Connection,
    account_id: int,
    customer_id: int,
    hour: datetime,
    error: Exception,
    now: datetime,
) -> Failure | None:
    """Sets the hour aside, longer after each failure; None if it is no longer marked.

    The caller holds the customer's rebuild lock.
    """
    key = (account_id, customer_id, hour)
    if not await conn.fetchval(_MARKED, *key):
        return None
    failures = (await conn.fetchval(_FAILURES, *key) or 0) + 1
    retry_at = now + rebuild_order.delay_after(failures)
    # The first line: the details that may follow quote values.
    reason = f"{type(error).__name__}: {error}".splitlines()[0][:_MAX_ERROR_CHARACTERS]
    await conn.execute(_RECORD, *key, failures, now, retry_at, reason)
    return Failure(failures, retry_at, reason)
