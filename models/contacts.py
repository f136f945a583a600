"""People of the customers."""

from collections.abc import Sequence
from datetime import datetime

from models import db
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
