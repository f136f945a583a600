"""Contacts, the people of customers."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from models import tables
from resolvers.access import Capability
from resolvers.identity import allowed_networks, contacts
from schema.directory import customers
from schema.engine import base, permissions
from schema.engine.documents import prices
from schema.identity import logins


@permissions.open_type
@strawberry.type(description="A person who belongs to a customer and has a login.")
class Contact(logins.HasLogin):
    row: strawberry.Private[tables.Contact]
    email: str = strawberry.field(description="E-mail address for messages; also the login.")
    email_verified_at: datetime | None = strawberry.field(
        description="When the address was verified. Null if it was not."
    )
    mobile: str | None = strawberry.field(description="E.164 number. Null if there is none.")
    mobile_verified_at: datetime | None = strawberry.field(
        description="When the number was verified. Null if it was not."
    )
    department: str | None = strawberry.field(description="Department of the company.")
    phone: str | None = strawberry.field(description="E.164 number to which no messages are sent.")
    notes: str | None = strawberry.field(description="Notes of staff, visible to the customer.")

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

    @strawberry.field(description="The customer that this person belongs to.")
    async def customer(self, info: base.Info) -> customers.Customer:
        return await customers.of(info, self.row.account_id, self.row.customer_id)

    @strawberry.field(
        description="Networks from which it may sign in, in CIDR notation. Empty: everywhere."
    )
    async def allowed_networks(self, info: base.Info) -> list[str]:
        return await allowed_networks.allowed(info.context.signed_in(), self.row.id)


@strawberry.input(description="A new contact.")
class CreateContactInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer of the contact.")
    name: str = strawberry.field(description="The person's name.")
    email: str = strawberry.field(description="The login; unique in the installation.")
    password: str | None = strawberry.field(
        default=None,
        description=(
            "At least 10 characters. Null: the person is invited by e-mail to set a password."
        ),
    )
    mobile: str | None = strawberry.field(
        default=None, description="E.164 number, such as +441632960000."
    )
    time_zone: str = strawberry.field(default="UTC", description="IANA zone of graphs and lists.")
    language: str = strawberry.field(default="en", description="One of `languages`.")


CreateContactResult: TypeAlias = Annotated[
    Contact | base.Refused,
    strawberry.union("CreateContactResult", description="The created contact, or a refusal."),
]


@strawberry.type
class ContactQuery:
    @permissions.field(
        requires=Capability.SEE_CONTACTS,
        description="Contacts, oldest first. `search` covers name and e-mail address.",
    )
    async def contacts(
        self,
        info: base.Info,
        customer_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="Only this customer. Null: all customers that the caller can access."
            ),
        ] = None,
        first: base.First = 50,
        after: base.After = None,
        search: base.Search = None,
    ) -> base.Connection[Contact] | None:
        size, caller = base.page_size(first), info.context.signed_in()
        customer = None
        if customer_id is not None:
            customer = base.decode_id(customer_id, "Customer", caller.account_id)
        place = base.decode_number_cursor(after)
        rows = await contacts.page(caller, customer, place, size + 1, search)
        return base.page(rows, size, after, lambda row: base.encode_cursor(row.id), Contact.of)


@strawberry.type
class ContactMutation:
    @permissions.mutation(
        requires=Capability.MANAGE_CUSTOMERS,
        description=(
            "Creates a contact with a login. Refused: EMAIL_TAKEN; TOO_MANY_TRIES after many"
            " addresses that already have a login."
        ),
        metadata=prices.password_price(only_with="password"),
    )
    async def create_contact(
        self,
        info: base.Info,
        input: Annotated[CreateContactInput, strawberry.argument(description="The contact.")],
    ) -> CreateContactResult:
        caller = info.context.signed_in()
        row = await contacts.create(
            info.context.services.sign_in,
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
        return Contact.of(row)


async def node(info: base.Info, parts: tuple[str, ...]) -> Contact | None:
    row = await contacts.find(info.context.signed_in(), base.single(parts))
    return None if row is None else Contact.of(row)
