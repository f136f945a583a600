"""Accounts, customers, contacts, staff and API keys, as the caller may see them."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated

import strawberry

from domain import callers, checklist
from models import ledger, tables
from models import people as stored
from resolvers import access, people
from resolvers.access import Capability
from schema import base, carriers, live, stats, summaries

strawberry.enum(callers.Role, name="Role", description="What a person of the account may do.")
strawberry.enum(callers.Scope, name="Scope", description="What a key may do.")


@strawberry.enum(description="Whether a customer is served.")
class CustomerStatus(Enum):
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"


@strawberry.type(description="Something the customer has to put right.")
class ChecklistItem:
    code: str = strawberry.field(description="Stable, for programs, such as VERIFY_EMAIL.")
    title: str = strawberry.field(description="What it is about, for people.")
    detail: str = strawberry.field(description="What to do.")

    @classmethod
    def of(cls, item: checklist.Outstanding) -> "ChecklistItem":
        return cls(code=item.code, title=item.title, detail=item.detail)


@strawberry.type(
    description="What is still to be put right. Items close themselves when their condition is met."
)
class Checklist:
    items: list[ChecklistItem] = strawberry.field(
        description="The outstanding items. A contact is shown its own verifications; others, each"
        " verification that any of the customer's contacts has to do."
    )

    @strawberry.field(description="How many items are outstanding.")
    def outstanding(self) -> base.Long:
        return base.Long(len(self.items))


@strawberry.type(description="A company that buys from the account.")
class Customer(live.HasChannels, stats.HasStats, summaries.HasSummary, base.Node):
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
            created_at=row.created_at,
        )

    @strawberry.field(
        description="Payments and credits less charges and posted tax and rounding;"
        " negative: it owes. Exact, at most 60 s behind the calls."
    )
    async def balance(self, info: base.Info) -> base.Money:
        access.require_customer(info.context.signed_in(), Capability.SEE_BILLING, self.row.id)
        amount = await ledger.balance(self.row.account_id, self.row.id)
        return base.Money.of(amount, self.row.currency)

    @strawberry.field(description="How far below 0 its balance may go; 0 is prepaid.")
    def debit_limit(self, info: base.Info) -> base.Money:
        access.require_customer(info.context.signed_in(), Capability.SEE_BILLING, self.row.id)
        return base.Money.of(self.row.debit_limit, self.row.currency)

    @strawberry.field(description="What it still has to put right.")
    async def checklist(self, info: base.Info) -> Checklist:
        items = await people.outstanding(info.context.signed_in(), self.row.id)
        return Checklist(items=[ChecklistItem.of(item) for item in items])


@strawberry.type(description="The carrier's own tenancy; everything belongs to exactly one.")
class Account(live.HasChannels, stats.HasStats, summaries.HasAccountSummary, base.Node):
    name: str = strawberry.field(description="The account's name.")

    @classmethod
    def of(cls, row: tables.Account) -> "Account":
        return cls(
            account_id=row.id,
            customer_id=None,
            id=base.encode_id("Account", row.id, row.id),
            name=row.name,
        )

    @strawberry.field(description="Its customers, the oldest first.")
    async def customers(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[Customer]:
        return await customers_page(info, first, after)


@strawberry.type(description="A person of the account with a login.")
class Staff(base.Node):
    account_id: strawberry.Private[int]
    name: str = strawberry.field(description="The person's name.")
    role: callers.Role = strawberry.field(description="What it may do.")

    @classmethod
    def of(cls, row: tables.Staff) -> "Staff":
        return cls(
            account_id=row.account_id,
            id=base.encode_id("Staff", row.account_id, row.id),
            name=row.name,
            role=callers.Role(row.role),
        )

    @strawberry.field(description="The account it works for.")
    async def account(self) -> Account:
        return Account.of(await stored.account(self.account_id))


@strawberry.type(description="A program's login.")
class ApiKey(base.Node):
    row: strawberry.Private[tables.ApiKey]
    name: str = strawberry.field(description="What it is for.")
    scopes: list[callers.Scope] = strawberry.field(description="What it may do.")
    created_at: datetime = strawberry.field(description="When it was made.")
    revoked_at: datetime | None = strawberry.field(
        description="When it was revoked; null while it is in force."
    )

    @classmethod
    def of(cls, row: tables.ApiKey) -> "ApiKey":
        return cls(
            row=row,
            id=base.encode_id("ApiKey", row.account_id, row.id),
            name=row.name,
            scopes=[callers.Scope(scope) for scope in row.scopes],
            created_at=row.created_at,
            revoked_at=row.revoked_at,
        )

    @strawberry.field(description="The account it belongs to.")
    async def account(self) -> Account:
        return Account.of(await stored.account(self.row.account_id))

    @strawberry.field(description="The one customer it sees; null for the whole account.")
    async def restricted_to(self) -> Customer | None:
        if self.row.customer_id is None:
            return None
        row = await stored.customer(self.row.account_id, self.row.customer_id)
        return None if row is None else Customer.of(row)


@strawberry.type(description="A person of a customer with a login.")
class Contact(base.Node):
    row: strawberry.Private[tables.Contact]
    name: str = strawberry.field(description="The person's name.")
    email: str = strawberry.field(description="Where messages go; also the login.")
    email_verified_at: datetime | None = strawberry.field(
        description="When the address was proven; null: not yet."
    )
    mobile: str | None = strawberry.field(description="E.164 number; null if none was given.")
    mobile_verified_at: datetime | None = strawberry.field(
        description="When the number was proven; null: not yet."
    )
    language: str = strawberry.field(description="BCP 47 tag, such as en.")
    time_zone: str = strawberry.field(
        description="IANA zone of its graphs and call lists, such as Europe/Berlin."
    )

    @classmethod
    def of(cls, row: tables.Contact) -> "Contact":
        return cls(
            row=row,
            id=base.encode_id("Contact", row.account_id, row.id),
            name=row.name,
            email=row.email,
            email_verified_at=row.email_verified_at,
            mobile=row.mobile,
            mobile_verified_at=row.mobile_verified_at,
            language=row.language,
            time_zone=row.time_zone,
        )

    @strawberry.field(description="The customer it acts for.")
    async def customer(self) -> Customer:
        row = await stored.customer(self.row.account_id, self.row.customer_id)
        assert row is not None  # a foreign key holds it
        return Customer.of(row)


async def customers_page(
    info: base.Info, first: int, after: str | None
) -> base.Connection[Customer]:
    size = base.page_size(first)
    rows = await people.customers(
        info.context.signed_in(), base.decode_number_cursor(after), size + 1
    )
    return base.page(rows, size, lambda row: base.encode_cursor(row.id), Customer.of)


@strawberry.type
class PeopleQuery:
    @strawberry.field(description="A customer; null if there is none, or not for the caller.")
    async def customer(
        self,
        info: base.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The customer's id.")],
    ) -> Customer | None:
        caller = info.context.signed_in()
        split = base.split_id(id)
        if split is None or split[:2] != ("Customer", caller.account_id):
            return None
        return await customer_node(info, split[2])

    @strawberry.field(description="The customers the caller sees, the oldest first.")
    async def customers(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[Customer]:
        return await customers_page(info, first, after)

    @strawberry.field(description="The account's carriers, the oldest first.")
    async def carriers(
        self, info: base.Info, first: base.First = 50, after: base.After = None
    ) -> base.Connection[carriers.Carrier]:
        size = base.page_size(first)
        caller = info.context.signed_in()
        rows = await people.carriers(caller, base.decode_number_cursor(after), size + 1)
        return base.page(rows, size, lambda row: base.encode_cursor(row.id), carriers.Carrier.of)


# What `node(id:)` finds, given the parts of an id of the caller's account -----------------------


async def customer_node(info: base.Info, parts: tuple[str, ...]) -> Customer | None:
    number = base.single(parts)
    row = None if number is None else await people.customer(info.context.signed_in(), number)
    return None if row is None else Customer.of(row)


async def account_node(info: base.Info, parts: tuple[str, ...]) -> Account | None:
    caller = info.context.signed_in()
    if caller.customer_id is not None or base.single(parts) != caller.account_id:
        return None
    return Account.of(await stored.account(caller.account_id))


async def carrier_node(info: base.Info, parts: tuple[str, ...]) -> carriers.Carrier | None:
    access.require(info.context.signed_in(), Capability.SEE_LIVE)
    number = base.single(parts)
    return None if number is None else (await carriers.of(info, [number]))[0]


async def contact_node(info: base.Info, parts: tuple[str, ...]) -> Contact | None:
    number = base.single(parts)
    row = None if number is None else await people.contact(info.context.signed_in(), number)
    return None if row is None else Contact.of(row)


async def staff_node(info: base.Info, parts: tuple[str, ...]) -> Staff | None:
    number = base.single(parts)
    row = None if number is None else await people.staff(info.context.signed_in(), number)
    return None if row is None else Staff.of(row)


async def key_node(info: base.Info, parts: tuple[str, ...]) -> ApiKey | None:
    number = base.single(parts)
    row = None if number is None else await people.api_key(info.context.signed_in(), number)
    return None if row is None else ApiKey.of(row)
