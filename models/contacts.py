"""People of the customers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from models import changes, db, lists, logins
from models.tables import Contact


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
) -> changes.Change[Contact] | None:
    """In the open transaction; None where there is no such contact. CHANGED_MEANWHILE.

    E-mail and mobile are changed by `change_email` and `change_mobile`.
    """
    key = {"account_id": account_id, "id": contact_id}
    return await changes.change(Contact, key, wanted, expected_version)


async def change_email(account_id: int, contact_id: int, email: str, now: datetime) -> bool:
    """Of the contact and its login, to be verified again; False where it has this one already.

    EMAIL_TAKEN.
    """
    contact = await Contact.get(account_id=account_id, id=contact_id)
    if contact.email == email:
        return False
    await logins.change_email(account_id, contact.login_id, email, now)
    await Contact.filter(account_id=account_id, id=contact_id).update(
        email=email, email_verified_at=None
    )
    return True


async def change_mobile(
    account_id: int, contact_id: int, mobile: str | None, now: datetime
) -> bool:
    """To be verified again; False where it has this one already."""
    contact = await Contact.get(account_id=account_id, id=contact_id)
    if contact.mobile == mobile:
        return False
    await Contact.filter(account_id=account_id, id=contact_id).update(
        mobile=mobile, mobile_verified_at=None
    )
    return True


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


async def set_email_verified(account_id: int, login_id: int, email: str, now: datetime) -> None:
    """Of the contact of this login, if that is still its address; what was verified stays so."""
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE contacts SET email_verified_at = coalesce(email_verified_at, $4)"
            " WHERE account_id = $1 AND login_id = $2 AND email = $3",
            account_id,
            login_id,
            email,
            now,
        )
