"""Locks and versions, so that no rate changes between the rating of a call and its storing.

A change of an account's rates takes the account's lock exclusively. A transaction that stores rated
calls shares it and compares versions. The lock is fair: a change waits for the transactions under
way, later ones wait for the change.
"""

from collections.abc import Collection

from models import db

_SHARE = "SELECT pg_advisory_xact_lock_shared(hashtextextended('rates:' || $1::bigint, 0))"
_TAKE = "SELECT pg_advisory_xact_lock(hashtextextended('rates:' || $1::bigint, 0))"
# It increases with every assignment and with every revision of a card that was ever assigned.
_VERSIONS = """
SELECT a.customer_id, (count(*) + sum(c.version))::bigint AS version
FROM rate_card_assignments a JOIN rate_cards c ON c.id = a.rate_card_id
WHERE a.account_id = $1 AND c.account_id = $1 AND a.customer_id = ANY($2::bigint[])
GROUP BY 1
"""


async def share(account_id: int) -> None:
    """Until the open transaction ends, no rate of the account changes."""
    async with db.connection() as conn:
        await conn.execute(_SHARE, account_id)


async def take(conn: db.Connection, account_id: int) -> None:
    """Until the transaction ends, no call of the account is rated and stored."""
    await conn.execute(_TAKE, account_id)


async def hold(
    conn: db.Connection, account_id: int, customer_ids: Collection[int]
) -> dict[int, int]:
    """The versions of the customers' rates, 0 of those without a card; they stay until the
    transaction ends."""
    await conn.execute(_SHARE, account_id)
    rows = await conn.fetch(_VERSIONS, account_id, list(customer_ids))
    return dict.fromkeys(customer_ids, 0) | {row["customer_id"]: row["version"] for row in rows}
