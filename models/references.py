"""From the references a switch uses to the account's customers and carriers."""

from collections.abc import Collection

from domain import references
from models import db


async def customers(account_id: int, wanted: Collection[str]) -> dict[str, references.Customer]:
    """Those of them that exist, by reference."""
    if not wanted:
        return {}
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT reference, id, currency FROM customers"
            " WHERE account_id = $1 AND reference = ANY($2::text[])",
            account_id,
            list(wanted),
        )
    return {row["reference"]: references.Customer(row["id"], row["currency"]) for row in rows}


async def carriers(account_id: int, wanted: Collection[str]) -> dict[str, int]:
    """The ids of those of them that exist, by reference."""
    if not wanted:
        return {}
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT reference, id FROM carriers"
            " WHERE account_id = $1 AND reference = ANY($2::text[])",
            account_id,
            list(wanted),
        )
    return {row["reference"]: row["id"] for row in rows}
