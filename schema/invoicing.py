"""Making invoices of summary rows: the mutations, their inputs and results."""

from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from domain import periods
from resolvers import access
from resolvers import billing as resolve
from resolvers.access import Capability
from schema import base, billing


@strawberry.input(description="Closed rows of one customer and one granularity to be billed.")
class GenerateInvoiceInput:
    customer_id: strawberry.ID = strawberry.field(description="Whose rows they are.")
    row_ids: list[strawberry.ID] = strawberry.field(
        description=f"Ids of DAILY, WEEKLY or MONTHLY summary rows, at most {resolve.MAX_ROWS}."
        " Empty: the pending adjustments of hours billed before, without rows."
    )
    idempotency_key: str = strawberry.field(
        description="The same key and input give the same invoice, in its present state;"
        " DRAFT_DISCARDED if it was discarded."
    )
    issue: bool = strawberry.field(
        default=True, description="false makes a draft, which holds its hours until issued."
    )
    expected_subtotal: Decimal | None = strawberry.field(
        default=None,
        description="Sum of the charges of the rows, before tax and without the adjustments of"
        " hours billed before; with empty `rowIds`, the sum of those adjustments. Refused with"
        " SUBTOTAL_CHANGED if it is another sum now. Null: any sum.",
    )


@strawberry.input(description="A draft to be issued.")
class IssueInvoiceInput:
    invoice_id: strawberry.ID = strawberry.field(description="The draft.")
    idempotency_key: str = strawberry.field(
        description="The same key and input issue it once and give it in its present state."
    )
    expected_subtotal: Decimal | None = strawberry.field(
        default=None,
        description="`subtotal` of the draft as last read: usage and adjustments, before tax."
        " Refused with SUBTOTAL_CHANGED if the draft has another subtotal now; the draft then"
        " shows it. Null: any subtotal.",
    )


@strawberry.input(description="A draft to be removed.")
class DiscardDraftInput:
    invoice_id: strawberry.ID = strawberry.field(description="The draft.")


GenerateInvoiceResult: TypeAlias = Annotated[
    billing.Invoice | base.Refused,
    strawberry.union("GenerateInvoiceResult", description="The invoice, or why there is none."),
]
IssueInvoiceResult: TypeAlias = Annotated[
    billing.Invoice | base.Refused,
    strawberry.union("IssueInvoiceResult", description="The invoice, or why it is not issued."),
]
DiscardDraftResult: TypeAlias = Annotated[
    billing.Invoice | base.Refused,
    strawberry.union("DiscardDraftResult", description="What was removed, or why it was not."),
]


@strawberry.type
class BillingMutation:
    @strawberry.mutation(
        description="Bills closed summary rows, each hour once: owner, finance, the customer's"
        " contacts, keys with BILLING_WRITE. Changes of hours billed before come with it as"
        " adjustments. HOURS_PENDING: too many of the hours have records that are not summed up"
        " yet; try again in a minute."
    )
    async def generate_invoice(
        self,
        info: base.Info,
        input: Annotated[GenerateInvoiceInput, strawberry.argument(description="What to bill.")],
    ) -> GenerateInvoiceResult:
        caller = info.context.signed_in()
        customer_id = base.decode_id(input.customer_id, "Customer", caller.account_id)
        access.require_customer(caller, Capability.INVOICE, customer_id)
        invoice = await resolve.generate(
            caller,
            customer_id,
            [_row(row_id, caller.account_id) for row_id in input.row_ids],
            key=input.idempotency_key,
            issue=input.issue,
            expected=input.expected_subtotal,
            now=info.context.now,
            redis=info.context.redis,
        )
        return billing.Invoice.of(caller.account_id, invoice)

    @strawberry.mutation(
        description="Computes a draft anew, pins its hours and gives it its number."
        " SUBTOTAL_CHANGED, HOURS_PENDING (try again in a minute), DRAFT_DISCARDED, NOT_A_DRAFT."
    )
    async def issue_invoice(
        self,
        info: base.Info,
        input: Annotated[IssueInvoiceInput, strawberry.argument(description="Which draft.")],
    ) -> IssueInvoiceResult:
        caller = info.context.signed_in()
        invoice_id = base.decode_id(input.invoice_id, "Invoice", caller.account_id)
        context = info.context
        invoice = await resolve.issue(
            caller,
            invoice_id,
            key=input.idempotency_key,
            expected=input.expected_subtotal,
            now=context.now,
            redis=context.redis,
        )
        return billing.Invoice.of(caller.account_id, invoice)

    @strawberry.mutation(
        description="Removes a draft and frees its hours. DRAFT_DISCARDED, NOT_A_DRAFT."
    )
    async def discard_draft(
        self,
        info: base.Info,
        input: Annotated[DiscardDraftInput, strawberry.argument(description="Which draft.")],
    ) -> DiscardDraftResult:
        caller = info.context.signed_in()
        invoice_id = base.decode_id(input.invoice_id, "Invoice", caller.account_id)
        draft = await resolve.discard(caller, invoice_id, info.context.now)
        return billing.Invoice.of(caller.account_id, draft)


def _row(row_id: str, account_id: int) -> periods.RowKey:
    return periods.RowKey.of(account_id, base.parts_of(row_id, "SummaryRow", account_id))
