"""Accounts: each a carrier's own tenancy."""

from datetime import datetime

from models import db
from models.tables import Account


async def insert(name: str, now: datetime) -> Account:
    return await Account.create(name=name, created_at=now)


async def get(account_id: int) -> Account:
    return await Account.get(id=account_id)


async def ids() -> list[int]:
    """Of every account, for what runs on a clock."""
    async with db.connection() as conn:
        return [row["id"] for row in await conn.fetch("SELECT id FROM accounts ORDER BY id")]
