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
# Many at once: $4 customers and their details in order, each one more in its customer's stream.
_INSERT_OF_CUSTOMERS = """
WITH told AS (
    SELECT * FROM unnest($4::bigint[], $5::text[]) t (customer_id, detail)
), heads AS (
    INSERT INTO fact_heads AS h (account_id, kind, scope, last)
    SELECT $1, $2, customer_id, 1 FROM told ORDER BY customer_id
    ON CONFLICT (account_id, kind, scope) DO UPDATE SET last = h.last + 1
    RETURNING scope, last
)
INSERT INTO facts (account_id, kind, scope, number, at, customer_id, detail)
SELECT $1, $2, scope, last, $3, scope, detail::jsonb
FROM heads JOIN told ON told.customer_id = heads.scope
"""
_INSERT_OF_ACCOUNT = """
WITH told AS (
    SELECT * FROM unnest($4::bigint[], $5::text[]) WITH ORDINALITY t (customer_id, detail, place)
), head AS (
    INSERT INTO fact_heads AS h (account_id, kind, scope, last)
    VALUES ($1, $2, 0, cardinality($4))
    ON CONFLICT (account_id, kind, scope) DO UPDATE SET last = h.last + excluded.last
    RETURNING last - cardinality($4) AS before
)
INSERT INTO facts (account_id, kind, scope, number, at, customer_id, detail)
SELECT $1, $2, 0, before + place, $3, nullif(customer_id, 0), detail::jsonb FROM told, head
RETURNING coalesce(customer_id, 0) AS customer_id, number
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


async def insert_many(
    conn: db.Connection,
    account_id: int,
    kind: facts.Kind,
    at: datetime,
    details: Mapping[int, Mapping[str, Any]],
) -> dict[int, int]:
    """As `insert` does, one for each customer (WHOLE_ACCOUNT: the account's own), in this order in
    the account's stream; each one's number in it.

    Whoever does so holds what keeps the others of these customers away, else two could deadlock.
    """
    ids, texts = list(details), [json.dumps(dict(detail)) for detail in details.values()]
    of_customers = [(id, text) for id, text in zip(ids, texts, strict=True) if id]
    if of_customers:
        await conn.execute(
            _INSERT_OF_CUSTOMERS, account_id, kind, at, *map(list, zip(*of_customers, strict=True))
        )
    rows = await conn.fetch(_INSERT_OF_ACCOUNT, account_id, kind, at, ids, texts)
    return {row["customer_id"]: row["number"] for row in rows}


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
