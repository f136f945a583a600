"""People who belong to the account."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain import refusals
from domain.identity import address_proofs
from models import db, listing, row_changes
from models.identity import logins, proofs
from models.tables import Staff

# Owners who can sign in: they have a password and are not disabled.
_OWNERS = """
SELECT count(*) FROM staff s JOIN logins l ON l.id = s.login_id
WHERE s.account_id = $1 AND s.role = 'OWNER' AND l.disabled_at IS NULL
    AND l.password_hash IS NOT NULL
"""
_RESET_EMAIL_VERIFICATION = """
UPDATE staff SET email_verified_at = NULL, version = version + 1 WHERE account_id = $1 AND id = $2
"""
_CHANGE_MOBILE = """
UPDATE staff SET mobile = $3, mobile_verified_at = NULL, version = version + 1
WHERE account_id = $1 AND id = $2 AND mobile IS DISTINCT FROM $3 RETURNING login_id
"""
_VERIFY_EMAIL = """
UPDATE staff s SET email_verified_at = $4 FROM logins l
WHERE s.account_id = $1 AND s.login_id = $2 AND s.email_verified_at IS NULL
    AND l.account_id = s.account_id AND l.id = s.login_id AND l.email = $3
RETURNING s.id
"""
_VERIFY_MOBILE = """
UPDATE staff SET mobile_verified_at = $4
WHERE account_id = $1 AND login_id = $2 AND mobile = $3 AND mobile_verified_at IS NULL
RETURNING id
"""


async def insert(account_id: int, login_id: int, name: str, role: str, now: datetime) -> Staff:
    return await Staff.create(
        account_id=account_id, login_id=login_id, name=name, role=role, created_at=now
    )


async def get(account_id: int, staff_id: int) -> Staff | None:
    return await Staff.get_or_none(account_id=account_id, id=staff_id)


async def get_existing(account_id: int, staff_id: int) -> Staff:
    """The staff of a valid id; staff are never removed."""
    return await Staff.get(account_id=account_id, id=staff_id)


async def page(account_id: int, request: listing.PageRequest) -> list[Staff]:
    return await listing.page(Staff, account_id, request)


async def change(
    account_id: int, staff_id: int, values: Mapping[str, Any], expected_version: int | None
) -> row_changes.Change[Staff]:
    """Changes the person in the open transaction. Refuses CHANGED_MEANWHILE."""
    key = {"account_id": account_id, "id": staff_id}
    changed = await row_changes.change(Staff, key, values, expected_version)
    assert changed is not None  # staff are never removed
    return changed


async def of_login(account_id: int, login_id: int) -> Staff | None:
    return await Staff.get_or_none(account_id=account_id, login_id=login_id)


async def change_email(
    account_id: int, staff_id: int, login_id: int, email: str, now: datetime
) -> None:
    """Changes the login's address; it is then unverified. Call it in the open transaction under the
    login's lock. Refuses EMAIL_TAKEN."""
    await logins.change_email(account_id, login_id, email, now)
    async with db.connection() as conn:
        await conn.execute(_RESET_EMAIL_VERIFICATION, account_id, staff_id)


async def change_mobile(account_id: int, staff_id: int, mobile: str | None, now: datetime) -> bool:
    """Sets the person's number (E.164) or removes it; it is then unverified.

    A code sent to the old number becomes invalid. False if the number is the same.
    """
    async with db.transaction() as conn:
        login_id = await conn.fetchval(_CHANGE_MOBILE, account_id, staff_id, mobile)
        if login_id is not None:
            purpose = address_proofs.Purpose.VERIFY_MOBILE
            await proofs.withdraw(account_id, login_id, purpose, now)
    return login_id is not None


async def record_verified_email(account_id: int, login_id: int, email: str, now: datetime) -> bool:
    """Marks the address as verified, under the login's lock. False if the login has no such
    unverified address or belongs to a contact."""
    async with db.connection() as conn:
        staff_id = await conn.fetchval(_VERIFY_EMAIL, account_id, login_id, email, now)
    return staff_id is not None


async def record_verified_mobile(
    account_id: int, login_id: int, mobile: str, now: datetime
) -> bool:
    """Marks the number as verified. False if the login has no such unverified number."""
    async with db.connection() as conn:
        staff_id = await conn.fetchval(_VERIFY_MOBILE, account_id, login_id, mobile, now)
    return staff_id is not None


async def lock_owners(account_id: int) -> None:
    """Locks the account's owners until the transaction ends: no other transaction changes them."""
    async with db.connection() as conn:
        await conn.execute("SELECT 1 FROM accounts WHERE id = $1 FOR NO KEY UPDATE", account_id)


async def require_owner(account_id: int) -> None:
    """Refuses LAST_OWNER if the open transaction would leave no owner who can sign in."""
    async with db.connection() as conn:
        if await conn.fetchval(_OWNERS, account_id) == 0:
            raise refusals.Refusal(
                "LAST_OWNER",
                "The account needs an owner. First make another person an owner who has set a"
                " password.",
            )
