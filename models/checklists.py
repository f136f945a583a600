"""What the checklists' conditions look at, and what was last told of them."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from domain import checklist, facts
from models import db
from models import facts as stored

# Of some customers, or ($2 null) of all.
_FACTS = """
SELECT c.id, coalesce(p.emails, 0) AS unverified_emails, coalesce(p.mobiles, 0)
    AS unverified_mobiles, coalesce(u.calls, 0) AS unrated_calls, coalesce(k.open, '{}') AS open
FROM customers c
LEFT JOIN (
    SELECT customer_id, count(*) FILTER (WHERE email_verified_at IS NULL) AS emails,
           count(*) FILTER (WHERE mobile_verified_at IS NULL) AS mobiles
    FROM contacts
    WHERE account_id = $1 AND ($2::bigint[] IS NULL OR customer_id = ANY($2))
    GROUP BY customer_id
) p ON p.customer_id = c.id
LEFT JOIN (
    SELECT customer_id, sum(unrated)::bigint AS calls
    FROM hours
    WHERE account_id = $1 AND unrated > 0 AND ($2::bigint[] IS NULL OR customer_id = ANY($2))
    GROUP BY customer_id
) u ON u.customer_id = c.id
LEFT JOIN checklists k ON k.account_id = c.account_id AND k.customer_id = c.id
WHERE c.account_id = $1 AND ($2::bigint[] IS NULL OR c.id = ANY($2))
ORDER BY c.id
"""
_OPEN = """
INSERT INTO checklists (account_id, customer_id) VALUES ($1, $2)
ON CONFLICT (account_id, customer_id) DO NOTHING
"""
_LOCK = "SELECT FROM checklists WHERE account_id = $1 AND customer_id = $2 FOR UPDATE"
_STORE = "UPDATE checklists SET open = $3 WHERE account_id = $1 AND customer_id = $2"


async def of_customer(account_id: int, customer_id: int) -> checklist.Facts:
    """Of the customer with all its contacts; nothing of one that there is not."""
    async with db.connection() as conn:
        rows = await conn.fetch(_FACTS, account_id, [customer_id])
    return _facts(rows[0]) if rows else checklist.Facts(0, 0, 0)


async def changed(account_id: int) -> list[int]:
    """Customers that have something else outstanding than was last told of them."""
    async with db.connection() as conn:
        rows = await conn.fetch(_FACTS, account_id, None)
    return [row["id"] for row in rows if _differs(row)]


async def settle(account_id: int, customer_id: int, now: datetime) -> int | None:
    """Stores what the customer has outstanding and inserts the fact; its number in the account's
    stream, None where it is as it was told. Many may settle one customer at once.
    """
    async with db.transaction() as conn:
        await conn.execute(_OPEN, account_id, customer_id)
        await conn.execute(_LOCK, account_id, customer_id)
        # Read under the lock, so that what is told last is what was read last.
        rows: Sequence[Any] = await conn.fetch(_FACTS, account_id, [customer_id])
        if not rows or not _differs(rows[0]):
            return None
        now_open = checklist.open_items(_facts(rows[0]))
        await conn.execute(_STORE, account_id, customer_id, json.dumps(now_open))
        return await stored.insert(
            conn,
            account_id,
            customer_id,
            facts.Kind.CHECKLIST_CHANGED,
            now,
            detail={"open": now_open},
        )


def _facts(row: Any) -> checklist.Facts:
    return checklist.Facts(
        row["unverified_emails"], row["unverified_mobiles"], row["unrated_calls"]
    )


def _differs(row: Any) -> bool:
    return bool(checklist.open_items(_facts(row)) != json.loads(row["open"]))


async def unrated_calls(account_id: int, customer_id: int) -> int:
    """Calls of a customer that no rate matched, in all its hours."""
    async with db.connection() as conn:
        count: int = await conn.fetchval(
            "SELECT coalesce(sum(unrated), 0)::bigint FROM hours"
            " WHERE account_id = $1 AND customer_id = $2 AND unrated > 0",
            account_id,
            customer_id,
        )
    return count
