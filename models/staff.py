"""People of the account."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain import proofs, refusals
from models import changes, db, lists, logins
from models import proofs as stored_proofs
from models.tables import Staff

# An owner who can sign in: has a password, is not disabled.
_OWNERS = """
SELECT count(*) FROM staff s JOIN logins l ON l.id = s.login_id
WHERE s.account_id = $1 AND s.role = 'OWNER' AND l.disabled_at IS NULL
    AND l.password_hash IS NOT NULL
"""
_EMAIL = """
UPDATE staff SET email_verified_at = NULL, version = version + 1 WHERE account_id = $1 AND id = $2
"""
_MOBILE = """
UPDATE staff SET mobile = $3, mobile_verified_at = NULL, version = version + 1
WHERE account_id = $1 AND id = $2 AND mobile IS DISTINCT FROM $3 RETURNING login_id
"""
_EMAIL_VERIFIED = """
UPDATE staff s SET email_verified_at = $4 FROM logins l
WHERE s.account_id = $1 AND s.login_id = $2 AND s.email_verified_at IS NULL
    AND l.account_id = s.account_id AND l.id = s.login_id AND l.email = $3
RETURNING s.id
"""
_MOBILE_VERIFIED = """
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


async def existing(account_id: int, staff_id: int) -> Staff:
    """Of one that there is: staff are never removed."""
    return await Staff.get(account_id=account_id, id=staff_id)


async def page(account_id: int, wanted: lists.Wanted) -> list[Staff]:
    return await lists.page(Staff, account_id, wanted)


async def change(
    account_id: int, staff_id: int, wanted: Mapping[str, Any], expected_version: int | None
) -> changes.Change[Staff]:
    """Of one that there is, in the open transaction. CHANGED_MEANWHILE."""
    key = {"account_id": account_id, "id": staff_id}
    made = await changes.change(Staff, key, wanted, expected_version)
    assert made is not None  # staff are never removed
    return made


async def of_login(account_id: int, login_id: int) -> Staff | None:
    return await Staff.get_or_none(account_id=account_id, login_id=login_id)


async def change_email(
    account_id: int, staff_id: int, login_id: int, email: str, now: datetime
) -> None:
    """Moves the login to another address, which has yet to be verified. In the open transaction,
    under the login's lock. EMAIL_TAKEN."""
    await logins.change_email(account_id, login_id, email, now)
    async with db.connection() as conn:
        await conn.execute(_EMAIL, account_id, staff_id)


async def change_mobile(account_id: int, staff_id: int, mobile: str | None, now: datetime) -> bool:
    """Gives the person another number (E.164) or none; it has yet to be verified.

    A code sent to the old one is good no more. False where it is the number already.
    """
    async with db.transaction() as conn:
        login_id = await conn.fetchval(_MOBILE, account_id, staff_id, mobile)
        if login_id is not None:
            purpose = proofs.Purpose.VERIFY_MOBILE
            await stored_proofs.withdraw(account_id, login_id, purpose, now)
    return login_id is not None


async def email_verified(account_id: int, login_id: int, email: str, now: datetime) -> bool:
    """Under the login's lock. False where this is not its address to verify (any more), or it is a
    contact's."""
    async with db.connection() as conn:
        found = await conn.fetchval(_EMAIL_VERIFIED, account_id, login_id, email, now)
    return found is not None


async def mobile_verified(account_id: int, login_id: int, mobile: str, now: datetime) -> bool:
    """False where this is not the login's number to verify (any more)."""
    async with db.connection() as conn:
        found = await conn.fetchval(_MOBILE_VERIFIED, account_id, login_id, mobile, now)
    return found is not None


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
