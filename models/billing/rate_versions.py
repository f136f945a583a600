"""Locks and versions that keep rates unchanged between the rating and the storing of a call.

A change of an account's rates takes the account's lock exclusively. A transaction that stores rated
calls shares it and compares versions. The lock is fair: a change waits for running transactions,
and later transactions wait for the change.
"""

from collections.abc import Collection

from models import db

_LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(hashtextextended('rates:' || $1::bigint, 0))"
_LOCK_EXCLUSIVELY = "SELECT pg_advisory_xact_lock(hashtextextended('rates:' || $1::bigint, 0))"
# It increases with every assignment and with every revision of a card that was ever assigned.
_VERSIONS = """
SELECT a.customer_id, (count(*) + sum(c.version))::bigint AS version
FROM rate_card_assignments a JOIN rate_cards c ON c.id = a.rate_card_id
WHERE a.account_id = $1 AND c.account_id = $1 AND a.customer_id = ANY($2::bigint[])
GROUP BY 1
"""


async def lock_shared(account_id: int) -> None:
    """Keeps the account's rates unchanged until the open transaction ends."""
    async with db.connection() as conn:
        await conn.execute(_LOCK_SHARED, account_id)


async def lock_exclusively(conn: db.Connection, account_id: int) -> None:
    """Keeps the account's calls from being rated and stored until the transaction ends."""
    await conn.execute(_LOCK_EXCLUSIVELY, account_id)


async def lock_versions(
    conn: db.Connection, account_id: int, customer_ids: Collection[int]
) -> dict[int, int]:
    """The versions of the customers' rates, 0 without a card. They do not change until the
    transaction ends."""
    await conn.execute(_LOCK_SHARED, account_id)
    rows = await conn.fetch(_VERSIONS, account_id, list(customer_ids))
    return dict.fromkeys(customer_ids, 0) | {row["customer_id"]: row["version"] for row in rows}
