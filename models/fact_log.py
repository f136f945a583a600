"""Facts: numbered in the transaction that makes them true, and read after a number.

The transaction holds the lock of the head until the commit. So numbers have no gaps after a
rollback and become visible in order: a reader of a number has missed no lower number.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
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
# Several facts: $4 are customers, $5 their details. Each gets the next number of its stream.
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
_AFTER = """
SELECT number, at, customer_id, subject_id, detail FROM facts
WHERE account_id = $1 AND kind = $2 AND scope = $3 AND number > $4
ORDER BY number LIMIT $5
"""
_LAST_NUMBER = "SELECT last FROM fact_heads WHERE account_id = $1 AND kind = $2 AND scope = $3"


@dataclass(frozen=True, slots=True)
class NewFact:
    """`customer_id` None: it concerns only the account."""

    kind: facts.Kind
    customer_id: int | None
    subject_id: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


async def insert(conn: db.Connection, account_id: int, fact: NewFact, at: datetime) -> int:
    """Inserts a fact into its customer's stream and the account's; returns its number in the
    account's stream. Call it last in the open transaction (READ COMMITTED).

    From here on, other transactions that insert facts of this kind in the account wait for the
    commit. The customer's stream comes first, so transactions with one fact cannot deadlock.
    """
    columns = (at, fact.customer_id, fact.subject_id, json.dumps(dict(fact.detail)))
    if fact.customer_id is not None:
        await conn.execute(_INSERT, account_id, fact.kind, fact.customer_id, *columns)
    number: int = await conn.fetchval(_INSERT, account_id, fact.kind, WHOLE_ACCOUNT, *columns)
    return number


async def insert_many(
    conn: db.Connection,
    account_id: int,
    kind: facts.Kind,
    at: datetime,
    details: Mapping[int, Mapping[str, Any]],
) -> dict[int, int]:
    """Inserts a fact for each customer (WHOLE_ACCOUNT: the account itself), as `insert` does, in
    this order; returns their numbers in the account's stream by customer.

    The caller holds a lock on these customers, or two transactions could deadlock.
    """
    ids, texts = list(details), [json.dumps(dict(detail)) for detail in details.values()]
    of_customers = [(id, text) for id, text in zip(ids, texts, strict=True) if id]
    if of_customers:
        await conn.execute(
            _INSERT_OF_CUSTOMERS, account_id, kind, at, *map(list, zip(*of_customers, strict=True))
        )
    rows = await conn.fetch(_INSERT_OF_ACCOUNT, account_id, kind, at, ids, texts)
    return {row["customer_id"]: row["number"] for row in rows}


async def read_after(
    account_id: int, customer_id: int | None, kind: facts.Kind, after: int, limit: int
) -> list[facts.Fact]:
    """The stream's next facts after a number, in order. `customer_id` None: the whole account."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            _AFTER, account_id, kind, customer_id or WHOLE_ACCOUNT, after, limit
        )
    return [facts.Fact(**dict(row) | {"detail": json.loads(row["detail"])}) for row in rows]


async def last_number(account_id: int, customer_id: int | None, kind: facts.Kind) -> int:
    """The stream's last number; 0 before its first fact."""
    async with db.connection() as conn:
        number: int | None = await conn.fetchval(
            _LAST_NUMBER, account_id, kind, customer_id or WHOLE_ACCOUNT
        )
    return number or 0
