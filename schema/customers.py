"""Customers, as the caller may see them, and what staff make of them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, TypeAlias

import strawberry

from domain import callers
from models import tables
from resolvers import access
from resolvers import checklists as resolve_checklists
from resolvers import customers as resolve
from resolvers.access import Capability
from schema import audit, base, checklist, live, numbers, sip_users, stats, summaries


@strawberry.enum(description="Whether a customer is served.")
class CustomerStatus(Enum):
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"


@strawberry.type(description="A company that buys from the account.")
class Customer(
    live.HasChannels,
    stats.HasStats,
    summaries.HasSummary,
    numbers.HasBlocks,
    sip_users.HasUsernames,
    sip_users.HasSipUsers,
    audit.HasAuditLog,
    base.Node,
):
    row: strawberry.Private[tables.Customer]
    reference: str = strawberry.field(description="What switches call it; unique in the account.")
    name: str = strawberry.field(description="The company's name.")
    currency: str = strawberry.field(description="ISO 4217 code of all it pays and owes.")
    status: CustomerStatus = strawberry.field(description="Whether it is served.")
    channel_limit: base.Long | None = strawberry.field(
        description="Calls it may have up at once; null for no limit."
    )
    tax_percent: Decimal = strawberry.field(description="Tax on its invoices, in percent.")
    payment_url: str | None = strawberry.field(
        description="Where it can pay now; null while no payment provider is set up."
    )
    legal_name: str | None = strawberry.field(description="The name it is registered under.")
    street: str | None = strawberry.field(description="Street and number.")
    postal_code: str | None = strawberry.field(description="Postal code.")
    city: str | None = strawberry.field(description="City.")
    country: str | None = strawberry.field(description="ISO 3166-1 code, such as DE.")
    tax_number: str | None = strawberry.field(description="Its tax or VAT number.")
    billing_email: str | None = strawberry.field(description="Where invoices go.")
    phone: str | None = strawberry.field(description="E.164 number, such as +441632960000.")
    website: str | None = strawberry.field(description="Address of its site.")
    language: str = strawberry.field(description="BCP 47 tag of the language of its invoices.")
    payment_days: int = strawberry.field(description="Days in which an invoice is to be paid.")
    version: base.Long = strawberry.field(
        description="Rises with every change; for `expectedVersion`."
    )
    created_at: datetime = strawberry.field(description="When it was created.")

    @classmethod
    def of(cls, row: tables.Customer) -> "Customer":
        return cls(
            row=row,
            account_id=row.account_id,
            customer_id=row.id,
            id=base.encode_id("Customer", row.account_id, row.id),
            reference=row.reference,
            name=row.name,
            currency=row.currency,
            status=CustomerStatus(row.status),
            channel_limit=row.channel_limit,
            tax_percent=row.tax_percent,
            payment_url=None,
            legal_name=row.legal_name,
            street=row.street,
            postal_code=row.postal_code,
            city=row.city,
            country=row.country,
            tax_number=row.tax_number,
            billing_email=row.billing_email,
            phone=row.phone,
            website=row.website,
            language=row.language,
            payment_days=row.payment_days,
            version=row.version,
            created_at=row.created_at,
        )

    @strawberry.field(
        description="Payments and credits less charges and posted tax and rounding;"
        " negative: it owes. Exact, at most 60 s behind the calls."
    )
    async def balance(self, info: base.Info) -> base.Money:
        key = (info.context.signed_in(), self.row.id)
        amount = await info.context.loader(_balances, cached=False).load(key)
        return base.Money.of(amount, self.row.currency)

    @strawberry.field(description="How far below 0 its balance may go; 0 is prepaid.")
    def debit_limit(self, info: base.Info) -> base.Money:
        access.require_customer(info.context.signed_in(), Capability.SEE_BILLING, self.row.id)
        return base.Money.of(self.row.debit_limit, self.row.currency)

    @strawberry.field(description="What it still has to put right.")
    async def checklist(self, info: base.Info) -> checklist.Checklist:
        context = info.context
        key = (context.signed_in(), self.row.id, context.now)
        shown = await context.loader(_checklists, cached=False).load(key)
        return checklist.Checklist.of(shown)


async def _balances(keys: list[tuple[callers.Caller, int]]) -> Sequence[Decimal]:
    [caller] = {caller for caller, _ in keys}
    return await resolve.balances(caller, [customer_id for _, customer_id in keys])


async def _checklists(
    keys: list[tuple[callers.Caller, int, datetime]],
) -> Sequence[resolve_checklists.Shown]:
    [(caller, now)] = {(caller, now) for caller, _, now in keys}
    return await resolve_checklists.of_customers(caller, [id for _, id, _ in keys], now)


@strawberry.input(description="A new customer.")
class CreateCustomerInput:
    name: str = strawberry.field(description="The company's name.")
    reference: str = strawberry.field(
        description="What switches call it: letters, digits and ._@+-, unique in the account."
    )
    currency: str = strawberry.field(
        description="ISO 4217 code, such as EUR; fixed with the first record."
    )
    channel_limit: base.Long | None = strawberry.field(
        default=None, description="Calls it may have up at once; null for no limit."
    )
    debit_limit: Decimal = strawberry.field(
        default=Decimal(0), description="How far below 0 its balance may go; 0 is prepaid."
    )
    tax_percent: Decimal = strawberry.field(
        default=Decimal(0), description="Tax on its invoices, 0 to 100 percent."
    )


CreateCustomerResult: TypeAlias = Annotated[
    Customer | base.Refused,
    strawberry.union("CreateCustomerResult", description="The customer, or why there is none."),
]


Status: TypeAlias = Annotated[
    CustomerStatus | None, strawberry.argument(description="Of this status; null: of any.")
]


async def page(
    info: base.Info,
    first: int,
    after: str | None,
    search: str | None,
    status: CustomerStatus | None,
) -> base.Connection[Customer]:
    size, caller = base.page_size(first), info.context.signed_in()
    of_status = None if status is None else status.value
    place = base.decode_number_cursor(after)
    rows = await resolve.page(caller, place, size + 1, search, of_status)
    return base.page(rows, size, lambda row: base.encode_cursor(row.id), Customer.of)


@strawberry.type
class CustomerQuery:
    @strawberry.field(description="A customer; null if there is none, or not for the caller.")
    async def customer(
        self,
        info: base.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The customer's id.")],
    ) -> Customer | None:
        account_id = info.context.signed_in().account_id
        return await node(info, base.parts_of(id, "Customer", account_id))

    @strawberry.field(
        description="The customers the caller sees, the oldest first. Searched: name, legal name,"
        " reference and billing e-mail."
    )
    async def customers(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        search: base.Search = None,
        status: Status = None,
    ) -> base.Connection[Customer]:
        return await page(info, first, after, search, status)


@strawberry.type
class CustomerMutation:
    @strawberry.mutation(description="Makes a customer. Owner and support.")
    async def create_customer(
        self,
        info: base.Info,
        input: Annotated[CreateCustomerInput, strawberry.argument(description="The customer.")],
    ) -> CreateCustomerResult:
        row = await resolve.create(
            info.context.signed_in(),
            name=input.name,
            reference=input.reference,
            currency=input.currency,
            channel_limit=input.channel_limit,
            debit_limit=input.debit_limit,
            tax_percent=input.tax_percent,
            now=info.context.now,
        )
        await checklist.settle(info, row.id, None)
        return Customer.of(row)


async def node(info: base.Info, parts: tuple[str, ...]) -> Customer | None:
    row = await resolve.one(info.context.signed_in(), base.single(parts))
    return None if row is None else Customer.of(row)
