"""Mutations of the account, its customers and its carriers."""

from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from resolvers.access import Capability
from resolvers.directory import carriers as carrier_resolvers
from resolvers.directory import customers as customer_resolvers
from resolvers.identity import accounts as account_resolvers
from schema.directory import carriers, customers
from schema.engine import base, partial_inputs, permissions, target_ids
from schema.identity import accounts

ExpectedVersion: TypeAlias = base.Long | None
EXPECTED = (
    "The `version` as last read. Refused with CHANGED_MEANWHILE if it differs now. Null: any"
    " version."
)


@strawberry.input(description="Changes of a customer. " + partial_inputs.PARTIAL)
class UpdateCustomerInput:
    id: strawberry.ID | None = target_ids.id_field("The customer.")
    customer_id: strawberry.ID | None = target_ids.deprecated_id("The customer.")
    expected_version: ExpectedVersion = strawberry.field(default=None, description=EXPECTED)
    name: str | None = partial_inputs.optional("The company's name.")
    reference: str | None = partial_inputs.optional(
        "The name that switches use for it: letters, digits and ._@+-, unique in the account."
        " Calls that a switch reports with the old name are refused from then on."
    )
    currency: str | None = partial_inputs.optional(
        "ISO 4217 code. Refused with CURRENCY_FIXED after the first record or rate card."
    )
    status: customers.CustomerStatus | None = partial_inputs.optional("Its status.")
    channel_limit: base.Long | None = partial_inputs.optional(
        "Maximum number of active calls. Null: no limit."
    )
    debit_limit: Decimal | None = partial_inputs.optional(
        "How far below 0 its balance may go, in its currency. 0 means prepaid."
    )
    tax_percent: Decimal | None = partial_inputs.optional("Tax on its invoices, 0 to 100 percent.")
    legal_name: str | None = partial_inputs.optional("Registered name.")
    street: str | None = partial_inputs.optional("Street and number.")
    postal_code: str | None = partial_inputs.optional("Postal code.")
    city: str | None = partial_inputs.optional("City.")
    country: str | None = partial_inputs.optional("ISO 3166-1 code of two capitals, such as DE.")
    tax_number: str | None = partial_inputs.optional("Its tax or VAT number.")
    billing_email: str | None = partial_inputs.optional("E-mail address for invoices.")
    phone: str | None = partial_inputs.optional("E.164 number, such as +441632960000.")
    website: str | None = partial_inputs.optional(
        "URL of its website, such as https://acme.example."
    )
    language: str | None = partial_inputs.optional("BCP 47 tag of the language of its invoices.")
    payment_days: int | None = partial_inputs.optional(
        "Days within which an invoice has to be paid, 0 to 365."
    )


@strawberry.input(description="Changes of a carrier. " + partial_inputs.PARTIAL)
class UpdateCarrierInput:
    id: strawberry.ID | None = target_ids.id_field("The carrier.")
    carrier_id: strawberry.ID | None = target_ids.deprecated_id("The carrier.")
    expected_version: ExpectedVersion = strawberry.field(default=None, description=EXPECTED)
    name: str | None = partial_inputs.optional("The carrier's name.")
    reference: str | None = partial_inputs.optional(
        "The name that switches use for it: letters, digits and ._@+-, unique in the account."
        " Calls that a switch reports with the old name are refused from then on."
    )
    sip_uri: str | None = partial_inputs.optional("SIP URI to which calls are sent.")


@strawberry.input(description="Changes of the account's settings. " + partial_inputs.PARTIAL)
class UpdateAccountInput:
    expected_version: ExpectedVersion = strawberry.field(default=None, description=EXPECTED)
    name: str | None = partial_inputs.optional("The account's name.")
    hide_carriers: bool | None = partial_inputs.optional(
        "Whether to hide the names of carriers from customers. Takes effect within a second."
    )
    invoice_grouping: accounts.InvoiceGrouping | None = partial_inputs.optional(
        "What each line of new invoices covers."
    )
    language: str | None = partial_inputs.optional(
        "BCP 47 tag of the language of messages sent in the account's name."
    )


UpdateCustomerResult: TypeAlias = Annotated[
    customers.Customer | base.Refused,
    strawberry.union("UpdateCustomerResult", description="The updated customer, or a refusal."),
]
UpdateCarrierResult: TypeAlias = Annotated[
    carriers.Carrier | base.Refused,
    strawberry.union("UpdateCarrierResult", description="The updated carrier, or a refusal."),
]
UpdateAccountResult: TypeAlias = Annotated[
    accounts.Account | base.Refused,
    strawberry.union("UpdateAccountResult", description="The updated account, or a refusal."),
]


@strawberry.type
class ManagingMutation:
    @permissions.mutation(requires=Capability.MANAGE_CUSTOMERS, description="Changes a customer.")
    async def update_customer(
        self,
        info: base.Info,
        input: Annotated[UpdateCustomerInput, strawberry.argument(description="The changes.")],
    ) -> UpdateCustomerResult:
        caller = info.context.signed_in()
        row = await customer_resolvers.update(
            caller,
            target_ids.number(input.id, input.customer_id, "Customer", caller.account_id),
            partial_inputs.values(input, {"id", "customer_id", "expected_version"}),
            input.expected_version,
            info.context.now,
            info.context.services.redis,
        )
        return customers.Customer.of(row)

    @permissions.mutation(requires=Capability.MANAGE_CARRIERS, description="Changes a carrier.")
    async def update_carrier(
        self,
        info: base.Info,
        input: Annotated[UpdateCarrierInput, strawberry.argument(description="The changes.")],
    ) -> UpdateCarrierResult:
        caller = info.context.signed_in()
        row = await carrier_resolvers.update(
            caller,
            target_ids.number(input.id, input.carrier_id, "Carrier", caller.account_id),
            partial_inputs.values(input, {"id", "carrier_id", "expected_version"}),
            input.expected_version,
            info.context.now,
            info.context.services.redis,
        )
        return carriers.Carrier.of(row)

    @permissions.mutation(
        requires=Capability.MANAGE_ACCOUNT, description="Changes the account's settings."
    )
    async def update_account(
        self,
        info: base.Info,
        input: Annotated[UpdateAccountInput, strawberry.argument(description="The changes.")],
    ) -> UpdateAccountResult:
        row = await account_resolvers.update(
            info.context.signed_in(),
            partial_inputs.values(input, {"expected_version"}),
            input.expected_version,
            info.context.now,
        )
        return accounts.Account.of(row)
