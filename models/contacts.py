"""People of the customers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain import proofs
from models import changes, db, lists, logins
from models import proofs as stored_proofs
from models.tables import Contact

_EMAIL = """
UPDATE contacts SET email = $3, email_verified_at = NULL
WHERE account_id = $1 AND id = $2 AND email <> $3 RETURNING login_id
"""
_MOBILE = """
UPDATE contacts SET mobile = $3, mobile_verified_at = NULL
WHERE account_id = $1 AND id = $2 AND mobile IS DISTINCT FROM $3 RETURNING login_id
"""
_EMAIL_VERIFIED = """
UPDATE contacts SET email_verified_at = $4
WHERE account_id = $1 AND login_id = $2 AND email = $3 AND email_verified_at IS NULL
RETURNING customer_id
"""
_MOBILE_VERIFIED = """
UPDATE contacts SET mobile_verified_at = $4
WHERE account_id = $1 AND login_id = $2 AND mobile = $3 AND mobile_verified_at IS NULL
RETURNING customer_id
"""


async def insert(
    account_id: int,
    customer_id: int,
    login_id: int,
    *,
    name: str,
    email: str,
    mobile: str | None,
    language: str,
    time_zone: str,
    now: datetime,
) -> Contact:
    return await Contact.create(
        account_id=account_id,
        customer_id=customer_id,
        login_id=login_id,
        name=name,
        email=email.lower(),
        mobile=mobile,
        language=language,
        time_zone=time_zone,
        created_at=now,
    )


async def get(account_id: int, contact_id: int) -> Contact | None:
    return await Contact.get_or_none(account_id=account_id, id=contact_id)


async def existing(account_id: int, contact_id: int) -> Contact:
    """Of one that there is: contacts are never removed."""
    return await Contact.get(account_id=account_id, id=contact_id)


async def page(account_id: int, wanted: lists.Wanted) -> list[Contact]:
    return await lists.page(Contact, account_id, wanted)


async def change(
    account_id: int, contact_id: int, wanted: Mapping[str, Any], expected_version: int | None
) -> changes.Change[Contact]:
    """Of one that there is, in the open transaction. CHANGED_MEANWHILE.

    E-mail and mobile are changed by `change_email` and `change_mobile`.
    """
    key = {"account_id": account_id, "id": contact_id}
    made = await changes.change(Contact, key, wanted, expected_version)
    assert made is not None  # contacts are never removed
    return made


async def of_customer(account_id: int, customer_id: int) -> list[Contact]:
    return await Contact.filter(account_id=account_id, customer_id=customer_id).order_by("id")


async def allowed_networks(account_id: int, contact_id: int) -> list[str]:
    """In CIDR notation; none: it may sign in from everywhere."""
    async with db.connection() as conn:
        found: list[str] | None = await conn.fetchval(
            "SELECT allowed_networks::text[] FROM contacts WHERE account_id = $1 AND id = $2",
            account_id,
            contact_id,
        )
    return found or []


async def set_allowed_networks(account_id: int, contact_id: int, networks: Sequence[str]) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE contacts SET allowed_networks = $3::text[]::cidr[]"
            " WHERE account_id = $1 AND id = $2",
            account_id,
            contact_id,
            list(networks),
        )


async def of_login(account_id: int, login_id: int) -> Contact | None:
    return await Contact.get_or_none(account_id=account_id, login_id=login_id)


async def change_email(account_id: int, contact_id: int, email: str, now: datetime) -> bool:
    """Moves the contact and its login to another address, which has yet to be verified.

    Links sent to the old one are good no more. False where it is the address already.
    EMAIL_TAKEN where another login of the installation has it.
    """
    async with db.transaction() as conn:
        login_id = await conn.fetchval(_EMAIL, account_id, contact_id, email.lower())
        if login_id is not None:
            await logins.change_email(account_id, login_id, email.lower(), now)
    return login_id is not None


async def change_mobile(
    account_id: int, contact_id: int, mobile: str | None, now: datetime
) -> bool:
    """Gives the contact another number (E.164) or none; it has yet to be verified.

    A code sent to the old one is good no more. False where it is the number already.
    """
    async with db.transaction() as conn:
        login_id = await conn.fetchval(_MOBILE, account_id, contact_id, mobile)
        if login_id is not None:
            purpose = proofs.Purpose.VERIFY_MOBILE
            await stored_proofs.withdraw(account_id, login_id, purpose, now)
    return login_id is not None


async def email_verified(account_id: int, login_id: int, email: str, now: datetime) -> int | None:
    """The contact's customer; None where this is not the login's address to verify (any more)."""
    async with db.connection() as conn:
        found: int | None = await conn.fetchval(_EMAIL_VERIFIED, account_id, login_id, email, now)
    return found


async def mobile_verified(account_id: int, login_id: int, mobile: str, now: datetime) -> int | None:
    """The contact's customer; None where this is not the login's number to verify (any more)."""
    async with db.connection() as conn:
        found: int | None = await conn.fetchval(_MOBILE_VERIFIED, account_id, login_id, mobile, now)
    return found
