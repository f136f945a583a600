"""Looks up customers and carriers by the references that switches use."""

from collections.abc import Collection

from domain.records import references
from models import db


async def customers(account_id: int, names: Collection[str]) -> dict[str, references.Customer]:
    """The customers with these references, by reference."""
    if not names:
        return {}
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT reference, id, currency FROM customers"
            " WHERE account_id = $1 AND reference = ANY($2::text[])",
            account_id,
            list(names),
        )
    return {row["reference"]: references.Customer(row["id"], row["currency"]) for row in rows}


async def carriers(account_id: int, names: Collection[str]) -> dict[str, int]:
    """The ids of the carriers with these references, by reference."""
    if not names:
        return {}
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT reference, id FROM carriers"
            " WHERE account_id = $1 AND reference = ANY($2::text[])",
            account_id,
            list(names),
        )
    return {row["reference"]: row["id"] for row in rows}
