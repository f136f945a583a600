"""Accounts: each a carrier's own tenancy."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from models import db, row_changes
from models.tables import Account


async def insert(name: str, now: datetime) -> Account:
    return await Account.create(name=name, created_at=now)


async def get(account_id: int) -> Account:
    return await Account.get(id=account_id)


async def ids() -> list[int]:
    """The ids of all accounts, for scheduled work."""
    async with db.connection() as conn:
        return [row["id"] for row in await conn.fetch("SELECT id FROM accounts ORDER BY id")]


async def change(
    account_id: int, values: Mapping[str, Any], expected_version: int | None
) -> row_changes.Change[Account]:
    """Changes the account in the open transaction. Refuses CHANGED_MEANWHILE."""
    changed = await row_changes.change(Account, {"id": account_id}, values, expected_version)
    assert changed is not None  # the caller belongs to the account
    return changed
