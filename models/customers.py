"""Companies that buy from the account."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from tortoise.exceptions import IntegrityError

from domain import refusals
from models.tables import Customer


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


async def get(account_id: int, customer_id: int) -> Customer | None:
    return await Customer.get_or_none(account_id=account_id, id=customer_id)


async def many(account_id: int, customer_ids: Sequence[int]) -> dict[int, Customer]:
    """The account's customers among these ids, by id."""
    found = await Customer.filter(account_id=account_id, id__in=list(set(customer_ids)))
    return {customer.id: customer for customer in found}


async def page(account_id: int, after: int | None, limit: int) -> list[Customer]:
    """Customers in order of their ids, those after `after`."""
    query = Customer.filter(account_id=account_id, id__gt=after or 0)
    return await query.order_by("id").limit(limit)


def _reference_taken() -> refusals.Refusal:
    return refusals.Refusal(
        "REFERENCE_TAKEN", "Another customer has this reference; choose another.", "reference"
    )
