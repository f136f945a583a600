"""People of the customers."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from live import wake
from models import customers as stored_customers
from models import tables
from resolvers import contacts as resolve
from resolvers import networks
from schema import base, checklist, customers, logins


@strawberry.type(description="A person of a customer with a login.")
class Contact(logins.HasLogin):
    row: strawberry.Private[tables.Contact]
    email: str = strawberry.field(description="Where messages go; also the login.")
    email_verified_at: datetime | None = strawberry.field(
        description="When the address was proven; null: not yet."
    )
    mobile: str | None = strawberry.field(description="E.164 number; null if none was given.")
    mobile_verified_at: datetime | None = strawberry.field(
        description="When the number was proven; null: not yet."
    )
    department: str | None = strawberry.field(description="Where in the company it works.")
    phone: str | None = strawberry.field(description="E.164 number that nothing is sent to.")
    notes: str | None = strawberry.field(description="Written by staff, seen by the customer.")

    @classmethod
    def of(cls, row: tables.Contact) -> "Contact":
        return cls(
            row=row,
            account_id=row.account_id,
            login_id=row.login_id,
            id=base.encode_id("Contact", row.account_id, row.id),
            name=row.name,
            email=row.email,
            email_verified_at=row.email_verified_at,
            mobile=row.mobile,
            mobile_verified_at=row.mobile_verified_at,
            department=row.department,
            phone=row.phone,
            notes=row.notes,
            language=row.language,
            time_zone=row.time_zone,
            version=row.version,
            created_at=row.created_at,
        )

    @strawberry.field(description="The customer it acts for.")
    async def customer(self) -> customers.Customer:
        row = await stored_customers.get(self.row.account_id, self.row.customer_id)
        assert row is not None  # a foreign key holds it
        return customers.Customer.of(row)

    @strawberry.field(
        description="The networks it may sign in from, in CIDR notation; none: everywhere."
    )
    async def allowed_networks(self, info: base.Info) -> list[str]:
        return await networks.allowed(info.context.signed_in(), self.row.id)


@strawberry.input(description="A new person of a customer.")
class CreateContactInput:
    customer_id: strawberry.ID = strawberry.field(description="Whose person it is.")
    name: str = strawberry.field(description="The person's name.")
    email: str = strawberry.field(description="The login; unique in the installation.")
    password: str | None = strawberry.field(
        default=None,
        description="At least 10 characters; null: the person is invited by e-mail to set one.",
    )
    mobile: str | None = strawberry.field(
        default=None, description="E.164 number, such as +441632960000."
    )
    time_zone: str = strawberry.field(default="UTC", description="IANA zone of graphs and lists.")
    language: str = strawberry.field(default="en", description="One of `languages`.")


CreateContactResult: TypeAlias = Annotated[
    Contact | base.Refused,
    strawberry.union("CreateContactResult", description="The contact, or why there is none."),
]


@strawberry.type
class ContactQuery:
    @strawberry.field(
        description="People of customers, the oldest first. Staff, and contacts those of their own"
        " customer. Searched: name and e-mail address."
    )
    async def contacts(
        self,
        info: base.Info,
        customer_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Of this customer; null: of all that the caller sees."),
        ] = None,
        first: base.First = 50,
        after: base.After = None,
        search: base.Search = None,
    ) -> base.Connection[Contact]:
        size, caller = base.page_size(first), info.context.signed_in()
        customer = None
        if customer_id is not None:
            customer = base.decode_id(customer_id, "Customer", caller.account_id)
        place = base.decode_number_cursor(after)
        rows = await resolve.page(caller, customer, place, size + 1, search)
        return base.page(rows, size, lambda row: base.encode_cursor(row.id), Contact.of)


@strawberry.type
class ContactMutation:
    @strawberry.mutation(description="Makes a contact with a login. Owner and support.")
    async def create_contact(
        self,
        info: base.Info,
        input: Annotated[CreateContactInput, strawberry.argument(description="The contact.")],
    ) -> CreateContactResult:
        caller = info.context.signed_in()
        row = await resolve.create(
            caller,
            base.decode_id(input.customer_id, "Customer", caller.account_id),
            name=input.name,
            email=input.email,
            password=input.password,
            mobile=input.mobile,
            time_zone=input.time_zone,
            language=input.language,
            now=info.context.now,
        )
        await checklist.settle(info, row.customer_id)
        await wake.hint(info.context.redis, wake.For.MESSAGES)  # it may be invited
        return Contact.of(row)


async def node(info: base.Info, parts: tuple[str, ...]) -> Contact | None:
    row = await resolve.one(info.context.signed_in(), base.single(parts))
    return None if row is None else Contact.of(row)
