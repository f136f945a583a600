"""People of the account."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain import refusals
from models import changes, db, lists
from models.tables import Staff

# An owner who can sign in: has a password, is not disabled.
_OWNERS = """
SELECT count(*) FROM staff s JOIN logins l ON l.id = s.login_id
WHERE s.account_id = $1 AND s.role = 'OWNER' AND l.disabled_at IS NULL
    AND l.password_hash IS NOT NULL
"""


async def insert(account_id: int, login_id: int, name: str, role: str, now: datetime) -> Staff:
    return await Staff.create(
        account_id=account_id, login_id=login_id, name=name, role=role, created_at=now
    )


async def get(account_id: int, staff_id: int) -> Staff | None:
    return await Staff.get_or_none(account_id=account_id, id=staff_id)


async def page(account_id: int, wanted: lists.Wanted) -> list[Staff]:
    return await lists.page(Staff, account_id, wanted)


async def change(
    account_id: int, staff_id: int, wanted: Mapping[str, Any], expected_version: int | None
) -> changes.Change[Staff] | None:
    """In the open transaction; None where there is no such person. CHANGED_MEANWHILE."""
    key = {"account_id": account_id, "id": staff_id}
    return await changes.change(Staff, key, wanted, expected_version)


async def lock_owners(account_id: int) -> None:
    """Until the transaction ends nobody else changes who owns the account."""
    async with db.connection() as conn:
        await conn.execute("SELECT FROM accounts WHERE id = $1 FOR NO KEY UPDATE", account_id)


async def require_owner(account_id: int) -> None:
    """LAST_OWNER where, as the open transaction has it, nobody could sign in as an owner."""
    async with db.connection() as conn:
        if await conn.fetchval(_OWNERS, account_id) == 0:
            raise refusals.Refusal(
                "LAST_OWNER",
                "Somebody has to own the account: make another person an owner first, who has"
                " set a password.",
            )
