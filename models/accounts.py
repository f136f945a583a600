"""Accounts: each a carrier's own tenancy."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from models import changes, db
from models.tables import Account


async def insert(name: str, now: datetime) -> Account:
    return await Account.create(name=name, created_at=now)


async def get(account_id: int) -> Account:
    return await Account.get(id=account_id)


async def ids() -> list[int]:
    """Of every account, for what runs on a clock."""
    async with db.connection() as conn:
        return [row["id"] for row in await conn.fetch("SELECT id FROM accounts ORDER BY id")]


async def change(
    account_id: int, wanted: Mapping[str, Any], expected_version: int | None
) -> changes.Change[Account]:
    """In the open transaction. CHANGED_MEANWHILE."""
    made = await changes.change(Account, {"id": account_id}, wanted, expected_version)
    assert made is not None  # whoever asks belongs to it
    return made
