"""What staff change of the account, its customers and its carriers."""

from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from resolvers import accounts as resolve_accounts
from resolvers import carriers as resolve_carriers
from resolvers import customers as resolve_customers
from schema import accounts, base, carriers, checklist, customers, given

ExpectedVersion: TypeAlias = base.Long | None
EXPECTED = (
    "The version that was read; refused as CHANGED_MEANWHILE where it is another by now. null:"
    " whatever it is."
)


@strawberry.input(description="Changes of a customer. " + given.KEEPS)
class UpdateCustomerInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer.")
    expected_version: ExpectedVersion = strawberry.field(default=None, description=EXPECTED)
    name: str | None = given.optional("The company's name.")
    reference: str | None = given.optional(
        "What switches call it: letters, digits and ._@+-, unique in the account. Calls that a"
        " switch reports under the old one are refused from then on."
    )
    currency: str | None = given.optional(
        "ISO 4217 code; fixed with the first record or rate card, then refused as CURRENCY_FIXED."
    )
    status: customers.CustomerStatus | None = given.optional("Whether it is served.")
    channel_limit: base.Long | None = given.optional(
        "Calls it may have up at once; null for no limit."
    )
    debit_limit: Decimal | None = given.optional(
        "How far below 0 its balance may go, in its currency; 0 is prepaid."
    )
    tax_percent: Decimal | None = given.optional("Tax on its invoices, 0 to 100 percent.")
    legal_name: str | None = given.optional("The name it is registered under.")
    street: str | None = given.optional("Street and number.")
    postal_code: str | None = given.optional("Postal code.")
    city: str | None = given.optional("City.")
    country: str | None = given.optional("ISO 3166-1 code of two capitals, such as DE.")
    tax_number: str | None = given.optional("Its tax or VAT number.")
    billing_email: str | None = given.optional("Where invoices go.")
    phone: str | None = given.optional("E.164 number, such as +441632960000.")
    website: str | None = given.optional("Address of its site, such as https://acme.example.")
    language: str | None = given.optional("BCP 47 tag of the language of its invoices.")
    payment_days: int | None = given.optional("Days in which an invoice is to be paid, 0 to 365.")


@strawberry.input(description="Changes of a carrier. " + given.KEEPS)
class UpdateCarrierInput:
    carrier_id: strawberry.ID = strawberry.field(description="The carrier.")
    expected_version: ExpectedVersion = strawberry.field(default=None, description=EXPECTED)
    name: str | None = given.optional("The carrier's name.")
    reference: str | None = given.optional(
        "What switches call it: letters, digits and ._@+-, unique in the account. Calls that a"
        " switch reports under the old one are refused from then on."
    )
    sip_uri: str | None = given.optional("Where it takes calls.")


@strawberry.input(description="Changes of the account's settings. " + given.KEEPS)
class UpdateAccountInput:
    expected_version: ExpectedVersion = strawberry.field(default=None, description=EXPECTED)
    name: str | None = given.optional("The account's name.")
    hide_carriers: bool | None = given.optional(
        "Whether customers are shown no names of carriers; within a second everywhere."
    )
    invoice_grouping: accounts.InvoiceGrouping | None = given.optional(
        "What invoices made from now on have a line for."
    )
    language: str | None = given.optional("BCP 47 tag of what is written in the account's name.")


UpdateCustomerResult: TypeAlias = Annotated[
    customers.Customer | base.Refused,
    strawberry.union("UpdateCustomerResult", description="The customer, or why it is as before."),
]
UpdateCarrierResult: TypeAlias = Annotated[
    carriers.Carrier | base.Refused,
    strawberry.union("UpdateCarrierResult", description="The carrier, or why it is as before."),
]
UpdateAccountResult: TypeAlias = Annotated[
    accounts.Account | base.Refused,
    strawberry.union("UpdateAccountResult", description="The account, or why it is as before."),
]


@strawberry.type
class ManagingMutation:
    @strawberry.mutation(description="Changes a customer. Owner and support.")
    async def update_customer(
        self,
        info: base.Info,
        input: Annotated[UpdateCustomerInput, strawberry.argument(description="What to change.")],
    ) -> UpdateCustomerResult:
        caller = info.context.signed_in()
        row = await resolve_customers.update(
            caller,
            base.decode_id(input.customer_id, "Customer", caller.account_id),
            given.values(input, {"customer_id", "expected_version"}),
            input.expected_version,
            info.context.now,
        )
        await checklist.settle(info, row.id)
        return customers.Customer.of(row)

    @strawberry.mutation(description="Changes a carrier. Owner and support.")
    async def update_carrier(
        self,
        info: base.Info,
        input: Annotated[UpdateCarrierInput, strawberry.argument(description="What to change.")],
    ) -> UpdateCarrierResult:
        caller = info.context.signed_in()
        row = await resolve_carriers.update(
            caller,
            base.decode_id(input.carrier_id, "Carrier", caller.account_id),
            given.values(input, {"carrier_id", "expected_version"}),
            input.expected_version,
            info.context.now,
        )
        return carriers.Carrier.of(row)

    @strawberry.mutation(description="Changes the account's settings. Owner.")
    async def update_account(
        self,
        info: base.Info,
        input: Annotated[UpdateAccountInput, strawberry.argument(description="What to change.")],
    ) -> UpdateAccountResult:
        row = await resolve_accounts.update(
            info.context.signed_in(),
            given.values(input, {"expected_version"}),
            input.expected_version,
            info.context.now,
        )
        return accounts.Account.of(row)
