"""People who belong to customers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from domain.identity import address_proofs
from models import db, listing, row_changes
from models.identity import logins, proofs
from models.tables import Contact

_CHANGE_EMAIL = """
UPDATE contacts SET email = $3, email_verified_at = NULL
WHERE account_id = $1 AND id = $2 AND email <> $3 RETURNING login_id
"""
_CHANGE_MOBILE = """
UPDATE contacts SET mobile = $3, mobile_verified_at = NULL
WHERE account_id = $1 AND id = $2 AND mobile IS DISTINCT FROM $3 RETURNING login_id
"""
_VERIFY_EMAIL = """
UPDATE contacts SET email_verified_at = $4
WHERE account_id = $1 AND login_id = $2 AND email = $3 AND email_verified_at IS NULL
RETURNING customer_id
"""
_VERIFY_MOBILE = """
UPDATE contacts SET mobile_verified_at = $4
WHERE account_id = $1 AND login_id = $2 AND mobile = $3 AND mobile_verified_at IS NULL
RETURNING customer_id
"""


@dataclass(frozen=True, slots=True)
class NewContact:
    customer_id: int
    login_id: int
    name: str
    email: str
    mobile: str | None
    language: str
    time_zone: str


async def insert(account_id: int, contact: NewContact, now: datetime) -> Contact:
    columns = asdict(contact) | {"email": contact.email.lower()}
    return await Contact.create(account_id=account_id, created_at=now, **columns)


async def get(account_id: int, contact_id: int) -> Contact | None:
    return await Contact.get_or_none(account_id=account_id, id=contact_id)


async def get_existing(account_id: int, contact_id: int) -> Contact:
    """The contact of a valid id; contacts are never removed."""
    return await Contact.get(account_id=account_id, id=contact_id)


async def page(account_id: int, request: listing.PageRequest) -> list[Contact]:
    return await listing.page(Contact, account_id, request)


async def change(
    account_id: int, contact_id: int, values: Mapping[str, Any], expected_version: int | None
) -> row_changes.Change[Contact]:
    """Changes the contact in the open transaction. Refuses CHANGED_MEANWHILE.

    `change_email` and `change_mobile` change its addresses.
    """
    key = {"account_id": account_id, "id": contact_id}
    changed = await row_changes.change(Contact, key, values, expected_version)
    assert changed is not None  # contacts are never removed
    return changed


async def of_customer(account_id: int, customer_id: int) -> list[Contact]:
    return await Contact.filter(account_id=account_id, customer_id=customer_id).order_by("id")


async def allowed_networks(account_id: int, contact_id: int) -> list[str]:
    """Networks in CIDR notation. If empty, the contact may sign in from any network."""
    async with db.connection() as conn:
        networks: list[str] | None = await conn.fetchval(
            "SELECT allowed_networks::text[] FROM contacts WHERE account_id = $1 AND id = $2",
            account_id,
            contact_id,
        )
    return networks or []


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
    """Changes the address of the contact and its login; it is then unverified.

    Links sent to the old address become invalid. False if the address is the same. Refuses
    EMAIL_TAKEN if another login of the installation has the address.
    """
    async with db.transaction() as conn:
        login_id = await conn.fetchval(_CHANGE_EMAIL, account_id, contact_id, email.lower())
        if login_id is not None:
            await logins.change_email(account_id, login_id, email.lower(), now)
    return login_id is not None


async def change_mobile(
    account_id: int, contact_id: int, mobile: str | None, now: datetime
) -> bool:
    """Sets the contact's number (E.164) or removes it; it is then unverified.

    A code sent to the old number becomes invalid. False if the number is the same.
    """
    async with db.transaction() as conn:
        login_id = await conn.fetchval(_CHANGE_MOBILE, account_id, contact_id, mobile)
        if login_id is not None:
            purpose = address_proofs.Purpose.VERIFY_MOBILE
            await proofs.withdraw(account_id, login_id, purpose, now)
    return login_id is not None


async def record_verified_email(
    account_id: int, login_id: int, email: str, now: datetime
) -> int | None:
    """The contact's customer; None if the login has no such unverified address."""
    async with db.connection() as conn:
        customer_id: int | None = await conn.fetchval(
            _VERIFY_EMAIL, account_id, login_id, email, now
        )
    return customer_id


async def record_verified_mobile(
    account_id: int, login_id: int, mobile: str, now: datetime
) -> int | None:
    """The contact's customer; None if the login has no such unverified number."""
    async with db.connection() as conn:
        customer_id: int | None = await conn.fetchval(
            _VERIFY_MOBILE, account_id, login_id, mobile, now
        )
    return customer_id
