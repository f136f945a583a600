"""What staff set up: customers, contacts, carriers, staff, API keys."""

from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from domain import callers
from resolvers import people as resolve
from schema import base, carriers, people

_CURRENCY = "ISO 4217 code, such as EUR; fixed with the first record."


@strawberry.input(description="A new customer.")
class CreateCustomerInput:
    name: str = strawberry.field(description="The company's name.")
    reference: str = strawberry.field(
        description="What switches call it: letters, digits and ._@+-, unique in the account."
    )
    currency: str = strawberry.field(description=_CURRENCY)
    channel_limit: base.Long | None = strawberry.field(
        default=None, description="Calls it may have up at once; null for no limit."
    )
    debit_limit: Decimal = strawberry.field(
        default=Decimal(0), description="How far below 0 its balance may go; 0 is prepaid."
    )
    tax_percent: Decimal = strawberry.field(
        default=Decimal(0), description="Tax on its invoices, 0 to 100 percent."
    )


@strawberry.input(description="A new carrier.")
class CreateCarrierInput:
    name: str = strawberry.field(description="The carrier's name.")
    reference: str = strawberry.field(
        description="What switches call it: letters, digits and ._@+-, unique in the account."
    )
    currency: str = strawberry.field(description="ISO 4217 code of its costs.")
    sip_uri: str | None = strawberry.field(
        default=None, description="Where it takes calls, such as sip:carrier-a.example:5060."
    )


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
    language: str = strawberry.field(default="en", description="BCP 47 tag.")


@strawberry.input(description="A new person of the account.")
class CreateStaffInput:
    name: str = strawberry.field(description="The person's name.")
    email: str = strawberry.field(description="The login; unique in the installation.")
    password: str = strawberry.field(description="At least 10 characters.")
    role: callers.Role = strawberry.field(description="What the person may do.")


@strawberry.input(description="A new login of a program.")
class CreateApiKeyInput:
    name: str = strawberry.field(description="What it is for.")
    scopes: list[callers.Scope] = strawberry.field(description="What it may do, at least one.")
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="The one customer it sees; null for the whole account."
    )


@strawberry.input(description="A login of a program to end.")
class RevokeApiKeyInput:
    id: strawberry.ID = strawberry.field(description="The key's id.")


@strawberry.type(description="A new key. Keep the secret: it is shown this once.")
class CreatedApiKey:
    id: strawberry.ID = strawberry.field(description="The key's id.")
    secret: str = strawberry.field(
        description="The whole bearer token: `Authorization: Bearer <secret>`."
    )
    key: people.ApiKey = strawberry.field(description="What was made.")


CreateCustomerResult: TypeAlias = Annotated[
    people.Customer | base.Refused,
    strawberry.union("CreateCustomerResult", description="The customer, or why there is none."),
]
CreateCarrierResult: TypeAlias = Annotated[
    carriers.Carrier | base.Refused,
    strawberry.union("CreateCarrierResult", description="The carrier, or why there is none."),
]
CreateContactResult: TypeAlias = Annotated[
    people.Contact | base.Refused,
    strawberry.union("CreateContactResult", description="The contact, or why there is none."),
]
CreateStaffResult: TypeAlias = Annotated[
    people.Staff | base.Refused,
    strawberry.union("CreateStaffResult", description="The person, or why there is none."),
]
CreateApiKeyResult: TypeAlias = Annotated[
    CreatedApiKey | base.Refused,
    strawberry.union("CreateApiKeyResult", description="The key, or why there is none."),
]
RevokeApiKeyResult: TypeAlias = Annotated[
    people.ApiKey | base.Refused,
    strawberry.union("RevokeApiKeyResult", description="The revoked key, or why it is not."),
]


@strawberry.type
class SetupMutation:
    @strawberry.mutation(description="Makes a customer. Owner and support.")
    async def create_customer(
        self,
        info: base.Info,
        input: Annotated[CreateCustomerInput, strawberry.argument(description="The customer.")],
    ) -> CreateCustomerResult:
        row = await resolve.create_customer(
            info.context.signed_in(),
            name=input.name,
            reference=input.reference,
            currency=input.currency,
            channel_limit=input.channel_limit,
            debit_limit=input.debit_limit,
            tax_percent=input.tax_percent,
            now=info.context.now,
        )
        return people.Customer.of(row)

    @strawberry.mutation(description="Makes a carrier. Owner and support.")
    async def create_carrier(
        self,
        info: base.Info,
        input: Annotated[CreateCarrierInput, strawberry.argument(description="The carrier.")],
    ) -> CreateCarrierResult:
        row = await resolve.create_carrier(
            info.context.signed_in(),
            name=input.name,
            reference=input.reference,
            currency=input.currency,
            sip_uri=input.sip_uri,
            now=info.context.now,
        )
        return carriers.Carrier.of(row)

    @strawberry.mutation(description="Makes a contact with a login. Owner and support.")
    async def create_contact(
        self,
        info: base.Info,
        input: Annotated[CreateContactInput, strawberry.argument(description="The contact.")],
    ) -> CreateContactResult:
        caller = info.context.signed_in()
        row = await resolve.create_contact(
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
        return people.Contact.of(row)

    @strawberry.mutation(description="Makes a person of the account with a login. Owner.")
    async def create_staff(
        self,
        info: base.Info,
        input: Annotated[CreateStaffInput, strawberry.argument(description="The person.")],
    ) -> CreateStaffResult:
        row = await resolve.create_staff(
            info.context.signed_in(),
            input.name,
            input.email,
            input.password,
            input.role,
            info.context.now,
        )
        return people.Staff.of(row)

    @strawberry.mutation(description="Makes a key for a program. Owner.")
    async def create_api_key(
        self,
        info: base.Info,
        input: Annotated[CreateApiKeyInput, strawberry.argument(description="The key.")],
    ) -> CreateApiKeyResult:
        caller = info.context.signed_in()
        customer_id = None
        if input.customer_id is not None:
            customer_id = base.decode_id(
                input.customer_id, "Customer", caller.account_id, "customerId"
            )
        made = await resolve.create_api_key(
            caller, input.name, input.scopes, customer_id, info.context.now
        )
        key = people.ApiKey.of(made.key)
        return CreatedApiKey(id=key.id, secret=made.secret, key=key)

    @strawberry.mutation(description="Ends a key within a second. Owner.")
    async def revoke_api_key(
        self,
        info: base.Info,
        input: Annotated[RevokeApiKeyInput, strawberry.argument(description="Which key.")],
    ) -> RevokeApiKeyResult:
        caller = info.context.signed_in()
        id = base.decode_id(input.id, "ApiKey", caller.account_id)
        return people.ApiKey.of(await resolve.revoke_api_key(caller, id, info.context.now))
