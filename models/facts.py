"""Facts: numbered in the transaction that makes them true, read after a number.

A head's lock is held until the commit. So numbers have no gap whatever rolls back, and become
visible in their order: who has read up to a number has missed none below it.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain import facts
from models import db

WHOLE_ACCOUNT = 0

_INSERT = """
WITH head AS (
    INSERT INTO fact_heads AS h (account_id, kind, scope, last) VALUES ($1, $2, $3, 1)
    ON CONFLICT (account_id, kind, scope) DO UPDATE SET last = h.last + 1
    RETURNING last
)
INSERT INTO facts (account_id, kind, scope, number, at, customer_id, subject_id, detail)
SELECT $1, $2, $3, last, $4, $5, $6, $7 FROM head
RETURNING number
"""
_SINCE = """
SELECT number, at, customer_id, subject_id, detail FROM facts
WHERE account_id = $1 AND kind = $2 AND scope = $3 AND number > $4
ORDER BY number LIMIT $5
"""
_LAST = "SELECT last FROM fact_heads WHERE account_id = $1 AND kind = $2 AND scope = $3"


async def insert(
    conn: db.Connection,
    account_id: int,
    customer_id: int | None,
    kind: facts.Kind,
    at: datetime,
    *,
    subject_id: int | None = None,
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Inserts a fact into its customer's stream and the account's, last of all in the open
    transaction (READ COMMITTED); its number in the account's.

    Whoever inserts one of its kind in this account waits from here on for the commit. The
    customer's stream comes first, so one fact a transaction cannot deadlock with another.
    """
    about = (at, customer_id, subject_id, json.dumps(dict(detail or {})))
    if customer_id is not None:
        await conn.execute(_INSERT, account_id, kind, customer_id, *about)
    number: int = await conn.fetchval(_INSERT, account_id, kind, WHOLE_ACCOUNT, *about)
    return number


async def since(
    account_id: int, customer_id: int | None, kind: facts.Kind, after: int, limit: int
) -> list[facts.Fact]:
    """The stream's next facts after a number, in order; of the whole account where no customer."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            _SINCE, account_id, kind, customer_id or WHOLE_ACCOUNT, after, limit
        )
    return [facts.Fact(**dict(row) | {"detail": json.loads(row["detail"])}) for row in rows]


async def last(account_id: int, customer_id: int | None, kind: facts.Kind) -> int:
    """The stream's last number; 0 before its first fact."""
    async with db.connection() as conn:
        found: int | None = await conn.fetchval(
            _LAST, account_id, kind, customer_id or WHOLE_ACCOUNT
        )
    return found or 0
