"""Logins: what people sign in with; an e-mail is unique in the installation."""

from datetime import datetime

from tortoise.exceptions import IntegrityError

from domain import refusals
from models.tables import Login


async def insert(account_id: int, email: str, password_hash: str, now: datetime) -> int:
    """The new login's id; EMAIL_TAKEN where the installation has that e-mail already."""
    try:
        row = await Login.create(
            account_id=account_id, email=email.lower(), password_hash=password_hash, created_at=now
        )
    except IntegrityError as error:
        raise _email_taken() from error
    return int(row.id)


async def change_email(account_id: int, login_id: int, email: str) -> None:
    """EMAIL_TAKEN where another login of the installation has it; an open transaction is lost."""
    try:
        await Login.filter(account_id=account_id, id=login_id).update(email=email.lower())
    except IntegrityError as error:
        raise _email_taken() from error


async def of_email(email: str) -> Login | None:
    return await Login.get_or_none(email=email.lower())


def _email_taken() -> refusals.Refusal:
    return refusals.Refusal(
        "EMAIL_TAKEN", "This e-mail address has a login already; use another.", "email"
    )
