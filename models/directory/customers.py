"""Companies that buy from the account."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tortoise.exceptions import IntegrityError

from domain import refusals
from models import db, listing, row_changes
from models.summaries import revisions
from models.tables import Customer

# Whether anything is counted or priced in the customer's currency.
_USES_CURRENCY = """
SELECT EXISTS (SELECT 1 FROM hour_marks WHERE account_id = $1 AND customer_id = $2)
    OR EXISTS (SELECT 1 FROM hours WHERE account_id = $1 AND customer_id = $2)
    OR EXISTS (SELECT 1 FROM ledger_entries WHERE account_id = $1 AND customer_id = $2)
    OR EXISTS (SELECT 1 FROM rate_card_assignments WHERE account_id = $1 AND customer_id = $2)
"""
# A lock that writers share with each other, with invoicing, and with other changes of the customer.
# Only a change of the currency conflicts with it.
_LOCK_CURRENCIES = """
SELECT id, currency FROM customers WHERE account_id = $1 AND id = ANY($2::bigint[])
ORDER BY id FOR KEY SHARE
"""
_LOCK = "SELECT 1 FROM customers WHERE account_id = $1 AND id = $2 FOR UPDATE"


@dataclass(frozen=True, slots=True)
class NewCustomer:
    reference: str
    name: str
    currency: str
    channel_limit: int | None
    debit_limit: Decimal
    tax_percent: Decimal


async def insert(account_id: int, customer: NewCustomer, now: datetime) -> Customer:
    """Refuses REFERENCE_TAKEN if the account has a customer with this reference."""
    try:
        return await Customer.create(account_id=account_id, created_at=now, **asdict(customer))
    except IntegrityError as error:
        raise _reference_taken() from error


async def lock_currencies(
    conn: db.Connection, account_id: int, customer_ids: Collection[int]
) -> dict[int, str]:
    """The currency of each customer, by id. It stays until the transaction ends.

    Call it before writing rows that are counted or priced in the currency: `change` waits for this
    lock and then looks for such rows.
    """
    rows = await conn.fetch(_LOCK_CURRENCIES, account_id, sorted(customer_ids))
    return {row["id"]: row["currency"] for row in rows}


async def get(account_id: int, customer_id: int) -> Customer | None:
    return await Customer.get_or_none(account_id=account_id, id=customer_id)


async def by_ids(account_id: int, customer_ids: Sequence[int]) -> dict[int, Customer]:
    """The account's customers among these ids, by id."""
    rows = await Customer.filter(account_id=account_id, id__in=list(set(customer_ids)))
    return {customer.id: customer for customer in rows}


async def channel_limits(account_id: int, customer_ids: Sequence[int]) -> dict[int, int | None]:
    """Channel limits of the account's customers among these ids; None: no limit."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT id, channel_limit FROM customers WHERE account_id = $1 AND id = ANY($2)",
            account_id,
            customer_ids,
        )
    return {row["id"]: row["channel_limit"] for row in rows}


async def page(account_id: int, request: listing.PageRequest) -> list[Customer]:
    return await listing.page(Customer, account_id, request)


async def change(
    account_id: int, customer_id: int, values: Mapping[str, Any], expected_version: int | None
) -> row_changes.Change[Customer] | None:
    """Changes the customer in the open transaction; None if there is no such customer.

    Refuses CHANGED_MEANWHILE, REFERENCE_TAKEN, CURRENCY_FIXED.
    """
    key = {"account_id": account_id, "id": customer_id}
    if "currency" in values:  # first, to wait for transactions that use the currency
        async with db.connection() as conn:
            await conn.execute(_LOCK, account_id, customer_id)
    try:
        changed = await row_changes.change(Customer, key, values, expected_version)
    except IntegrityError as error:
        raise _reference_taken() from error
    if changed is not None and "currency" in changed.after:
        await _require_unused_currency(account_id, customer_id)
    if changed is not None and changed.after:
        async with db.connection() as conn:
            await revisions.increase(conn, account_id, customer_id, revisions.Source.NAMES)
    return changed


async def _require_unused_currency(account_id: int, customer_id: int) -> None:
    """Refuses CURRENCY_FIXED. Call it under `_LOCK`, which waits for current writers."""
    async with db.connection() as conn:
        if await conn.fetchval(_USES_CURRENCY, account_id, customer_id):
            raise refusals.Refusal(
                "CURRENCY_FIXED",
                "The customer has calls, a rate card or ledger entries in its currency. Create a"
                " new customer for another currency.",
                "currency",
            )


def _reference_taken() -> refusals.Refusal:
    return refusals.Refusal(
        "REFERENCE_TAKEN", "Another customer has this reference. Set another one.", "reference"
    )
