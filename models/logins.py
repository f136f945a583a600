"""Logins: what people sign in with; an e-mail is unique in the installation."""

from collections.abc import Collection
from datetime import datetime

from tortoise.exceptions import IntegrityError

from domain import refusals
from models import db
from models.tables import Login


async def insert(account_id: int, email: str, password_hash: str | None, now: datetime) -> int:
    """The new login's id; without a password where it is to be invited.

    EMAIL_TAKEN where the installation has that e-mail already.
    """
    try:
        row = await Login.create(
            account_id=account_id, email=email.lower(), password_hash=password_hash, created_at=now
        )
    except IntegrityError as error:
        raise _email_taken() from error
    return int(row.id)


async def of_email(email: str) -> Login | None:
    return await Login.get_or_none(email=email.lower())


async def get(account_id: int, login_id: int) -> Login:
    return await Login.get(account_id=account_id, id=login_id)


async def locked(account_id: int, login_id: int) -> Login:
    """Until the open transaction ends nobody else changes it."""
    return await Login.filter(account_id=account_id, id=login_id).select_for_update().get()


async def many(account_id: int, login_ids: Collection[int]) -> dict[int, Login]:
    """The account's logins among these ids, by id."""
    found = await Login.filter(account_id=account_id, id__in=list(set(login_ids)))
    return {login.id: login for login in found}


async def change_email(account_id: int, login_id: int, email: str, now: datetime) -> None:
    """EMAIL_TAKEN. What was sent to the address before, to set a password, is good no more."""
    try:
        await Login.filter(account_id=account_id, id=login_id).update(email=email)
    except IntegrityError as error:
        raise _email_taken() from error
    async with db.connection() as conn:
        await conn.execute(_WITHDRAW, account_id, login_id, now)


async def set_disabled(account_id: int, login_id: int, disabled: bool, now: datetime) -> bool:
    """Whether it may sign in; its sessions end and its links are good no more. In the open
    transaction; False where it was so before."""
    if not disabled:
        changed = Login.filter(account_id=account_id, id=login_id, disabled_at__isnull=False)
        return await changed.update(disabled_at=None) > 0
    async with db.connection() as conn:
        done = await conn.fetchval(_DISABLE, account_id, login_id, now)
        await conn.execute(_END_SESSIONS, account_id, login_id, now)
        await conn.execute(_WITHDRAW, account_id, login_id, now)
    return done is not None


_DISABLE = """
UPDATE logins SET disabled_at = $3 WHERE account_id = $1 AND id = $2 AND disabled_at IS NULL
RETURNING id
"""
_END_SESSIONS = """
UPDATE sessions SET ended_at = $3
WHERE account_id = $1 AND login_id = $2 AND ended_at IS NULL
"""
_WITHDRAW = """
UPDATE proofs SET used_at = $3 WHERE account_id = $1 AND login_id = $2 AND used_at IS NULL
"""


def _email_taken() -> refusals.Refusal:
    return refusals.Refusal(
        "EMAIL_TAKEN", "This e-mail address has a login already; use another.", "email"
    )
