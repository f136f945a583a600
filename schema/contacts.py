"""People of the customers."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from models import customers as stored_customers
from models import tables
from resolvers import contacts as resolve
from schema import base, customers


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
    language: str = strawberry.field(description="What it is told things in; one of `languages`.")
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
    async def customer(self) -> customers.Customer:
        row = await stored_customers.get(self.row.account_id, self.row.customer_id)
        assert row is not None  # a foreign key holds it
        return customers.Customer.of(row)


@strawberry.input(description="A new person of a customer.")
class CreateContactInput:
    customer_id: strawberry.ID = strawberry.field(description="Whose person it is.")
    name: str = strawberry.field(description="The person's name.")
    email: str = strawberry.field(description="The login; unique in the installation.")
    password: str = strawberry.field(description="At least 10 characters.")
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
            base.decode_id(input.customer_id, "Customer", caller.account_id, "customerId"),
            name=input.name,
            email=input.email,
            password=input.password,
            mobile=input.mobile,
            time_zone=input.time_zone,
            language=input.language,
            now=info.context.now,
        )
        return Contact.of(row)


async def node(info: base.Info, parts: tuple[str, ...]) -> Contact | None:
    number = base.single(parts)
    row = None if number is None else await resolve.one(info.context.signed_in(), number)
    return None if row is None else Contact.of(row)
