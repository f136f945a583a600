"""Customers, as the caller can see them, and their creation."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, TypeAlias

import strawberry

from domain.identity import callers
from models import tables
from resolvers.access import Capability
from resolvers.checklists import checklists
from resolvers.directory import customers
from schema.checklists import checklist
from schema.directory import audit_log
from schema.engine import base, customer_ids, permissions
from schema.live import live_channels
from schema.numbering import number_blocks, sip_users
from schema.records import call_list
from schema.summaries import graph_types, summaries


@strawberry.enum(description="Status of a customer.")
class CustomerStatus(Enum):
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"


@permissions.open_type
@strawberry.type(description="The balance of a customer.")
class Balance(base.Fresh):
    amount: Decimal = strawberry.field(description="Exact, in the units of `currency`.")
    currency: str = strawberry.field(description="ISO 4217 code.")

    @classmethod
    def of(cls, balance: customers.Balance, currency: str) -> "Balance":
        return cls(
            as_of=balance.freshness.as_of,
            stale=balance.freshness.is_stale,
            amount=balance.amount,
            currency=currency,
        )


@strawberry.type(description="A company that buys from the account.")
class Customer(
    live_channels.HasChannels,
    graph_types.HasStats,
    summaries.HasSummary,
    call_list.HasCalls,
    number_blocks.HasBlocks,
    sip_users.HasUsernames,
    sip_users.HasSipUsers,
    audit_log.HasAuditLog,
    base.Node,
):
    row: strawberry.Private[tables.Customer]
    reference: str = permissions.open_field(
        description="The name that switches use for it, unique in the account."
    )
    name: str = permissions.open_field(description="The company's name.")
    currency: str = permissions.open_field(
        description="ISO 4217 code of its charges, payments and invoices."
    )
    status: CustomerStatus = permissions.open_field(description="Its status.")
    channel_limit: base.Long | None = permissions.open_field(
        description="Maximum number of active calls. Null: no limit."
    )
    tax_percent: Decimal = permissions.open_field(description="Tax on its invoices, in percent.")
    payment_url: str | None = permissions.open_field(
        description="URL of the payment page. Null if no payment provider is configured."
    )
    legal_name: str | None = permissions.open_field(description="Registered name.")
    street: str | None = permissions.open_field(description="Street and number.")
    postal_code: str | None = permissions.open_field(description="Postal code.")
    city: str | None = permissions.open_field(description="City.")
    country: str | None = permissions.open_field(description="ISO 3166-1 code, such as DE.")
    tax_number: str | None = permissions.open_field(description="Its tax or VAT number.")
    billing_email: str | None = permissions.open_field(description="E-mail address for invoices.")
    phone: str | None = permissions.open_field(description="E.164 number, such as +441632960000.")
    website: str | None = permissions.open_field(description="URL of its website.")
    language: str = permissions.open_field(
        description="BCP 47 tag of the language of its invoices."
    )
    payment_days: int = permissions.open_field(
        description="Days within which an invoice has to be paid."
    )
    version: base.Long = permissions.open_field(
        description="Increases with every change. Pass it as `expectedVersion`."
    )
    created_at: datetime = permissions.open_field(description="When it was created.")

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

    @permissions.field(
        requires=Capability.SEE_BILLING,
        description=(
            "Payments and credits less charges and posted tax and rounding; negative if the"
            " customer owes money. Exact; includes all calls acknowledged before its `asOf`."
        ),
    )
    async def balance(self, info: base.Info) -> Balance | None:
        context = info.context
        key = (context.signed_in(), self.row.id, context.now)
        balance = await context.loader(_balances, cached=False).load(key)
        return Balance.of(balance, self.row.currency)

    @permissions.field(
        requires=Capability.SEE_BILLING,
        description="How far below 0 its balance may go. 0 means prepaid.",
    )
    def debit_limit(self) -> base.Money | None:
        return base.Money.of(self.row.debit_limit, self.row.currency)

    @permissions.open_field(description="The checklist of the customer.")
    async def checklist(self, info: base.Info) -> checklist.Checklist | None:
        context = info.context
        key = (context.signed_in(), self.row.id, context.now)
        items = await context.loader(_checklists, cached=False).load(key)
        return checklist.Checklist.of(items)


async def of(info: base.Info, account_id: int, customer_id: int) -> Customer:
    """The customer of a foreign key, which therefore exists."""
    return Customer.of(await info.context.loader(customers.rows).load((account_id, customer_id)))


async def _balances(
    keys: list[tuple[callers.Caller, int, datetime]],
) -> Sequence[customers.Balance]:
    caller, _, now = keys[0]  # the same for all keys of an operation
    return await customers.balances(caller, [customer_id for _, customer_id, _ in keys], now)


async def _checklists(
    keys: list[tuple[callers.Caller, int, datetime]],
) -> Sequence[checklists.Shown]:
    [(caller, now)] = {(caller, now) for caller, _, now in keys}
    return await checklists.of_customers(caller, [id for _, id, _ in keys], now)


@strawberry.input(description="A new customer.")
class CreateCustomerInput:
    name: str = strawberry.field(description="The company's name.")
    reference: str = strawberry.field(
        description=(
            "The name that switches use for it: letters, digits and ._@+-, unique in the account."
        )
    )
    currency: str = strawberry.field(
        description="ISO 4217 code, such as EUR. Cannot be changed after the first record."
    )
    channel_limit: base.Long | None = strawberry.field(
        default=None, description="Maximum number of active calls. Null: no limit."
    )
    debit_limit: Decimal = strawberry.field(
        default=Decimal(0), description="How far below 0 its balance may go. 0 means prepaid."
    )
    tax_percent: Decimal = strawberry.field(
        default=Decimal(0), description="Tax on its invoices, 0 to 100 percent."
    )


CreateCustomerResult: TypeAlias = Annotated[
    Customer | base.Refused,
    strawberry.union("CreateCustomerResult", description="The created customer, or a refusal."),
]


Status: TypeAlias = Annotated[
    CustomerStatus | None,
    strawberry.argument(description="Only customers with this status. Null: any status."),
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
    rows = await customers.page(caller, place, size + 1, search, of_status)
    return base.page(rows, size, after, lambda row: base.encode_cursor(row.id), Customer.of)


@strawberry.type
class CustomerQuery:
    @permissions.field(
        requires=Capability.SEE_CUSTOMERS,
        description="A customer. Null if it does not exist or the caller cannot access it.",
    )
    async def customer(
        self,
        info: base.Info,
        id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description=f"The customer's id. {customer_ids.LEFT_OUT}"),
        ] = None,
    ) -> Customer | None:
        customer_id = customer_ids.required(info.context.signed_in(), id, "id")
        return await node(info, (str(customer_id),))

    @permissions.field(
        requires=Capability.SEE_CUSTOMERS,
        description=(
            "The customers that the caller can access, oldest first. `search` covers name, legal"
            " name, reference and billing e-mail address."
        ),
    )
    async def customers(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        search: base.Search = None,
        status: Status = None,
    ) -> base.Connection[Customer] | None:
        return await page(info, first, after, search, status)


@strawberry.type
class CustomerMutation:
    @permissions.mutation(requires=Capability.MANAGE_CUSTOMERS, description="Creates a customer.")
    async def create_customer(
        self,
        info: base.Info,
        input: Annotated[CreateCustomerInput, strawberry.argument(description="The customer.")],
    ) -> CreateCustomerResult:
        row = await customers.create(
            info.context.signed_in(),
            name=input.name,
            reference=input.reference,
            currency=input.currency,
            channel_limit=input.channel_limit,
            debit_limit=input.debit_limit,
            tax_percent=input.tax_percent,
            now=info.context.now,
        )
        return Customer.of(row)


async def node(info: base.Info, parts: tuple[str, ...]) -> Customer | None:
    row = await customers.find(info.context.signed_in(), base.single(parts))
    return None if row is None else Customer.of(row)
