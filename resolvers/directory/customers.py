"""Customers: created, changed and read, with the caller's permissions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from redis.asyncio import Redis

from domain import refusals
from domain.directory import profiles
from domain.identity import callers, personal_data
from domain.summaries import freshness
from live import caption_signals
from models import db, listing
from models.billing import ledger
from models.directory import customers
from models.tables import Customer
from resolvers import access, audit_entries
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
    """Creates a customer. Refuses REFERENCE_TAKEN, INVALID with the field."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    async with db.transaction():
        customer = await customers.insert(
            caller.account_id,
            customers.NewCustomer(
                reference=personal_data.validate_reference(reference),
                name=personal_data.validate_name(name),
                currency=personal_data.validate_currency(currency),
                channel_limit=personal_data.validate_channel_limit(channel_limit),
                debit_limit=personal_data.validate_debit_limit(debit_limit),
                tax_percent=personal_data.validate_percent(tax_percent),
            ),
            now,
        )
        await audit_entries.write(
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
    fields: Mapping[str, object],
    expected_version: int | None,
    now: datetime,
    redis: Redis,
) -> Customer:
    """Changes only the given values. Refuses NOT_FOUND, INVALID with the field, REFERENCE_TAKEN,
    CURRENCY_FIXED, CHANGED_MEANWHILE."""
    access.require_account(caller, Capability.MANAGE_CUSTOMERS)
    values = profiles.validate(profiles.CUSTOMER, fields)
    async with db.transaction():
        result = await customers.change(caller.account_id, customer_id, values, expected_version)
        if result is None:
            raise refusals.not_found("Customer", "id")
        if result.after:
            await audit_entries.write(
                caller,
                "customer.update",
                f"customer:{customer_id}",
                now,
                customer_id=customer_id,
                before=result.before,
                after=result.after,
            )
    if result.after:
        await caption_signals.publish(redis, caller.account_id)
    return result.row


async def find(caller: callers.Caller, customer_id: int) -> Customer | None:
    """A customer. None if it does not exist or the caller cannot access it."""
    access.require(caller, Capability.SEE_CUSTOMERS)
    if not access.sees_customer(caller, customer_id):
        return None
    return await customers.get(caller.account_id, customer_id)


async def page(
    caller: callers.Caller,
    after: int | None,
    limit: int,
    search: str | None = None,
    status: str | None = None,
) -> list[Customer]:
    """The customers that the caller can access, in order of their ids."""
    access.require(caller, Capability.SEE_CUSTOMERS)
    equal = {"id": caller.customer_id, "status": status}
    filters = {column: value for column, value in equal.items() if value is not None}
    request = listing.PageRequest(after, limit, profiles.validate_search(search), filters)
    return await customers.page(caller.account_id, request)


@dataclass(frozen=True, slots=True)
class Balance:
    amount: Decimal
    freshness: freshness.Freshness


async def balances(
    caller: callers.Caller, customer_ids: Sequence[int], now: datetime
) -> list[Balance]:
    """The balances of these customers, in this order, in one statement. Refuses FORBIDDEN,
    NOT_FOUND."""
    for customer_id in customer_ids:
        access.require_customer(caller, Capability.SEE_BILLING, customer_id)
    balances = await ledger.dated_balances(caller.account_id, customer_ids)
    return [
        Balance(amount, freshness.Freshness.of(oldest, now))
        for amount, oldest in (balances[id] for id in customer_ids)
    ]


async def rows(keys: Sequence[tuple[int, int]]) -> list[Customer]:
    """The customers of foreign keys (account, customer), all of one account."""
    customers_by_id = await customers.by_ids(keys[0][0], [customer_id for _, customer_id in keys])
    return [customers_by_id[customer_id] for _, customer_id in keys]


async def existing(account_id: int, customer_id: int) -> Customer:
    customer = await customers.get(account_id, customer_id)
    if customer is None:
        raise refusals.not_found("Customer", "customerId")
    return customer
