"""Customers: made, changed and read, as the caller may."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from domain import callers, people, profiles, refusals
from models import customers as stored
from models import db, ledger, lists
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
        await audit.write(
            caller,
            "customer.create",
            f"customer:{customer.id}",
            now,
            customer_id=customer.id,
            after={
                "name": customer.name,
                "reference": customer.reference,
                "currency": customer.currency,
                "channel_limit": customer.channel_limit,
                "debit_limit": customer.debit_limit,
                "tax_percent": customer.tax_percent,
            },
        )
    return customer


async def update(
    caller: callers.Caller,
    customer_id: int,
    given: Mapping[str, object],
    expected_version: int | None,
    now: datetime,
) -> Customer:
    """Changes what is given alone. NOT_FOUND, INVALID with the field, REFERENCE_TAKEN,
    CURRENCY_FIXED, CHANGED_MEANWHILE."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    wanted = profiles.checked(profiles.CUSTOMER, given)
    async with db.transaction():
        made = await stored.change(caller.account_id, customer_id, wanted, expected_version)
        if made is None:
            raise refusals.no_such("Customer", "customerId")
        if made.after:
            await audit.write(
                caller,
                "customer.update",
                f"customer:{customer_id}",
                now,
                customer_id=customer_id,
                before=made.before,
                after=made.after,
            )
    return made.row


async def one(caller: callers.Caller, customer_id: int) -> Customer | None:
    """None where there is none, or not for the caller."""
    access.require(caller, Capability.SEE_CUSTOMERS)
    if caller.customer_id not in (None, customer_id):
        return None
    return await stored.get(caller.account_id, customer_id)


async def page(
    caller: callers.Caller,
    after: int | None,
    limit: int,
    search: str | None = None,
    status: str | None = None,
) -> list[Customer]:
    """In order of their ids; of its own alone for whoever sees one customer."""
    access.require(caller, Capability.SEE_CUSTOMERS)
    equal = {"id": caller.customer_id, "status": status}
    known = {column: value for column, value in equal.items() if value is not None}
    wanted = lists.Wanted(after, limit, profiles.search(search), known)
    return await stored.page(caller.account_id, wanted)


async def balances(caller: callers.Caller, customer_ids: Sequence[int]) -> list[Decimal]:
    """Of each of these customers, in this order, in one statement. FORBIDDEN, NOT_FOUND."""
    for customer_id in customer_ids:
        access.require_customer(caller, Capability.SEE_BILLING, customer_id)
    found = await ledger.balances(caller.account_id, customer_ids)
    return [found[customer_id] for customer_id in customer_ids]


async def existing(account_id: int, customer_id: int) -> Customer:
    found = await stored.get(account_id, customer_id)
    if found is None:
        raise refusals.no_such("Customer", "customerId")
    return found
