"""Customers: made and read, as the caller may."""

from datetime import datetime
from decimal import Decimal

from domain import callers, people, refusals
from models import customers as stored
from models import db
from models.tables import Customer
from resolvers import access, audit
from resolvers.access import Capability


async def create(
    caller: callers.Caller,
    *,
    name: str,
    reference: str,
    currency: str,
    channel_limit: int | None,
    debit_limit: Decimal,
    tax_percent: Decimal,
    now: datetime,
) -> Customer:
    """REFERENCE_TAKEN, INVALID with the field."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    async with db.transaction():
        customer = await stored.insert(
            caller.account_id,
            name=people.name(name),
            reference=people.reference(reference),
            currency=people.currency(currency),
            channel_limit=people.channel_limit(channel_limit),
            debit_limit=people.debit_limit(debit_limit),
            tax_percent=people.percent(tax_percent),
            now=now,
        )
        await audit.write(caller, "customer.create", f"customer:{customer.id}", now)
    return customer


async def one(caller: callers.Caller, customer_id: int) -> Customer | None:
    """None where there is none, or not for the caller."""
    access.require(caller, Capability.SEE_CUSTOMERS)
    if caller.customer_id not in (None, customer_id):
        return None
    return await stored.get(caller.account_id, customer_id)


async def page(caller: callers.Caller, after: int | None, limit: int) -> list[Customer]:
    """In order of their ids; just its own for whoever sees one customer."""
    access.require(caller, Capability.SEE_CUSTOMERS)
    if caller.customer_id is not None:
        own = await stored.get(caller.account_id, caller.customer_id)
        return [own] if own is not None and own.id > (after or 0) else []
    return await stored.page(caller.account_id, after, limit)


async def existing(account_id: int, customer_id: int) -> Customer:
    found = await stored.get(account_id, customer_id)
    if found is None:
        raise refusals.Refusal(
            "NOT_FOUND", "There is no such Customer; check its id.", "customerId"
        )
    return found
