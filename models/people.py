"""Accounts, logins, staff, customers, contacts, carriers."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tortoise.exceptions import IntegrityError

from domain import refusals
from models import db
from models.tables import Account, Carrier, Contact, Customer, Login, Staff


async def insert_account(name: str, now: datetime) -> Account:
    return await Account.create(name=name, created_at=now)


async def account(account_id: int) -> Account:
    return await Account.get(id=account_id)


async def account_ids() -> list[int]:
    """Of every account, for what runs on a clock."""
    async with db.connection() as conn:
        return [row["id"] for row in await conn.fetch("SELECT id FROM accounts ORDER BY id")]


async def insert_login(account_id: int, email: str, password_hash: str, now: datetime) -> int:
    """The new login's id; EMAIL_TAKEN where the installation has that e-mail already."""
    try:
        row = await Login.create(
            account_id=account_id, email=email.lower(), password_hash=password_hash, created_at=now
        )
    except IntegrityError as error:
        raise refusals.Refusal(
            "EMAIL_TAKEN", "This e-mail address has a login already; use another.", "email"
        ) from error
    return int(row.id)


async def login(email: str) -> Login | None:
    return await Login.get_or_none(email=email.lower())


async def insert_staff(
    account_id: int, login_id: int, name: str, role: str, now: datetime
) -> Staff:
    return await Staff.create(
        account_id=account_id, login_id=login_id, name=name, role=role, created_at=now
    )


async def staff(account_id: int, staff_id: int) -> Staff | None:
    return await Staff.get_or_none(account_id=account_id, id=staff_id)


async def insert_customer(
    account_id: int,
    *,
    reference: str,
    name: str,
    currency: str,
    channel_limit: int | None,
    debit_limit: Decimal,
    tax_percent: Decimal,
    now: datetime,
) -> Customer:
    """REFERENCE_TAKEN where the account has a customer of that reference."""
    try:
        return await Customer.create(
            account_id=account_id,
            reference=reference,
            name=name,
            currency=currency,
            channel_limit=channel_limit,
            debit_limit=debit_limit,
            tax_percent=tax_percent,
            created_at=now,
        )
    except IntegrityError as error:
        raise _reference_taken("customer") from error


async def customer(account_id: int, customer_id: int) -> Customer | None:
    return await Customer.get_or_none(account_id=account_id, id=customer_id)


async def customers(account_id: int, customer_ids: Sequence[int]) -> dict[int, Customer]:
    """The account's customers among these ids, by id."""
    found = await Customer.filter(account_id=account_id, id__in=list(set(customer_ids)))
    return {customer.id: customer for customer in found}


async def customers_page(account_id: int, after: int | None, limit: int) -> list[Customer]:
    """Customers in order of their ids, those after `after`."""
    query = Customer.filter(account_id=account_id, id__gt=after or 0)
    return await query.order_by("id").limit(limit)


async def insert_carrier(
    account_id: int,
    *,
    reference: str,
    name: str,
    currency: str,
    sip_uri: str | None,
    now: datetime,
) -> Carrier:
    """REFERENCE_TAKEN where the account has a carrier of that reference."""
    try:
        return await Carrier.create(
            account_id=account_id,
            reference=reference,
            name=name,
            currency=currency,
            sip_uri=sip_uri,
            created_at=now,
        )
    except IntegrityError as error:
        raise _reference_taken("carrier") from error


async def carriers(account_id: int, carrier_ids: Sequence[int]) -> dict[int, Carrier]:
    """The account's carriers among these ids, by id."""
    found = await Carrier.filter(account_id=account_id, id__in=list(set(carrier_ids)))
    return {carrier.id: carrier for carrier in found}


async def carriers_page(account_id: int, after: int | None, limit: int) -> list[Carrier]:
    query = Carrier.filter(account_id=account_id, id__gt=after or 0)
    return await query.order_by("id").limit(limit)


async def insert_contact(
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


async def contact(account_id: int, contact_id: int) -> Contact | None:
    return await Contact.get_or_none(account_id=account_id, id=contact_id)


async def contacts(account_id: int, customer_id: int) -> list[Contact]:
    return await Contact.filter(account_id=account_id, customer_id=customer_id).order_by("id")


async def unrated_calls(account_id: int, customer_id: int) -> int:
    """Calls of a customer that no rate matched, in all its hours."""
    async with db.connection() as conn:
        count: int = await conn.fetchval(
            "SELECT coalesce(sum(unrated), 0)::bigint FROM hours"
            " WHERE account_id = $1 AND customer_id = $2 AND unrated > 0",
            account_id,
            customer_id,
        )
    return count


async def insert_audit(
    account_id: int,
    actor: str,
    action: str,
    subject: str,
    at: datetime,
    detail: dict[str, Any] | None = None,
) -> None:
    """Who did what; `actor` and `subject` are such as `staff:3`."""
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO audit_log (account_id, at, actor, action, subject, detail)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            account_id,
            at,
            actor,
            action,
            subject,
            json.dumps(detail or {}),
        )


def _reference_taken(what: str) -> refusals.Refusal:
    return refusals.Refusal(
        "REFERENCE_TAKEN", f"Another {what} has this reference; choose another.", "reference"
    )
