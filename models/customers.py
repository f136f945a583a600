"""Companies that buy from the account."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tortoise.exceptions import IntegrityError

from domain import refusals
from models import changes, db, lists
from models.tables import Customer

# Whatever is counted or priced in the customer's currency.
_IN_ITS_CURRENCY = """
SELECT EXISTS (SELECT FROM hour_marks WHERE account_id = $1 AND customer_id = $2)
    OR EXISTS (SELECT FROM hours WHERE account_id = $1 AND customer_id = $2)
    OR EXISTS (SELECT FROM ledger_entries WHERE account_id = $1 AND customer_id = $2)
    OR EXISTS (SELECT FROM rate_card_assignments WHERE account_id = $1 AND customer_id = $2)
"""
# A lock that all who write share with each other, with invoicing, and with other changes of the
# customer; who changes its currency is kept out.
_HOLD_CURRENCIES = """
SELECT id, currency FROM customers WHERE account_id = $1 AND id = ANY($2::bigint[])
ORDER BY id FOR KEY SHARE
"""
_LOCK = "SELECT FROM customers WHERE account_id = $1 AND id = $2 FOR UPDATE"


async def insert(
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
        raise _reference_taken() from error


async def hold_currencies(
    conn: db.Connection, account_id: int, customer_ids: Collection[int]
) -> dict[int, str]:
    """What each is billed in, by id; until the transaction ends nobody gives it another currency.

    For whoever writes what is counted or priced in it, before it is written: `change` looks for
    that and waits for who holds it.
    """
    rows = await conn.fetch(_HOLD_CURRENCIES, account_id, sorted(customer_ids))
    return {row["id"]: row["currency"] for row in rows}


async def get(account_id: int, customer_id: int) -> Customer | None:
    return await Customer.get_or_none(account_id=account_id, id=customer_id)


async def many(account_id: int, customer_ids: Sequence[int]) -> dict[int, Customer]:
    """The account's customers among these ids, by id."""
    found = await Customer.filter(account_id=account_id, id__in=list(set(customer_ids)))
    return {customer.id: customer for customer in found}


async def channel_limits(account_id: int, customer_ids: Sequence[int]) -> dict[int, int | None]:
    """Of the account's customers among these ids; None: no limit."""
    async with db.connection() as conn:
        found = await conn.fetch(
            "SELECT id, channel_limit FROM customers WHERE account_id = $1 AND id = ANY($2)",
            account_id,
            customer_ids,
        )
    return {row["id"]: row["channel_limit"] for row in found}


async def page(account_id: int, wanted: lists.Wanted) -> list[Customer]:
    return await lists.page(Customer, account_id, wanted)


async def change(
    account_id: int, customer_id: int, wanted: Mapping[str, Any], expected_version: int | None
) -> changes.Change[Customer] | None:
    """In the open transaction; None where there is no such customer.

    CHANGED_MEANWHILE, REFERENCE_TAKEN, CURRENCY_FIXED.
    """
    key = {"account_id": account_id, "id": customer_id}
    if "currency" in wanted:  # first, so that who holds it is waited for
        async with db.connection() as conn:
            await conn.execute(_LOCK, account_id, customer_id)
    try:
        made = await changes.change(Customer, key, wanted, expected_version)
    except IntegrityError as error:
        raise _reference_taken() from error
    if made is not None and "currency" in made.after:
        await _require_no_record(account_id, customer_id)
    return made


async def _require_no_record(account_id: int, customer_id: int) -> None:
    """Under `_LOCK`, so that who writes one now has been waited for."""
    async with db.connection() as conn:
        if await conn.fetchval(_IN_ITS_CURRENCY, account_id, customer_id):
            raise refusals.Refusal(
                "CURRENCY_FIXED",
                "The customer has calls, a rate card or bookings in its currency, which therefore"
                " stays; make a new customer for another one.",
                "currency",
            )


def _reference_taken() -> refusals.Refusal:
    return refusals.Refusal(
        "REFERENCE_TAKEN", "Another customer has this reference; choose another.", "reference"
    )
