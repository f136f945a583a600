"""Mutations that generate, issue and discard invoices, with their inputs and results."""

from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from domain import periods
from resolvers.access import Capability
from resolvers.billing import invoice_actions
from schema.billing import invoice_types
from schema.engine import base, customer_ids, permissions, target_ids
from schema.engine.documents import expensive, prices


@strawberry.input(
    description="The closed summary rows to bill, all of one customer and one granularity."
)
class GenerateInvoiceInput:
    row_ids: list[strawberry.ID] = prices.list_field(
        "Ids of DAILY, WEEKLY or MONTHLY summary rows. Empty: the pending adjustments of hours"
        " billed before, without rows.",
        limit=invoice_actions.MAX_ROWS,
        each=40,
    )
    idempotency_key: str = strawberry.field(
        description=(
            "The same key and input return the same invoice in its present state. Refused:"
            " DRAFT_DISCARDED if it was discarded."
        )
    )
    issue: bool = strawberry.field(
        default=True,
        description="False creates a draft, which reserves its hours until it is issued.",
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description=f"The customer of the rows. {customer_ids.LEFT_OUT}"
    )
    expected_subtotal: Decimal | None = strawberry.field(
        default=None,
        description=(
            "Expected sum of the charges of the rows, before tax and without the adjustments of"
            " hours billed before; with empty `rowIds`, the expected sum of those adjustments."
            " Refused with SUBTOTAL_CHANGED if the sum differs. Null: any sum."
        ),
    )


@strawberry.input(description="The draft to issue.")
class IssueInvoiceInput:
    id: strawberry.ID | None = target_ids.id_field("The draft.")
    invoice_id: strawberry.ID | None = target_ids.deprecated_id("The draft.")
    idempotency_key: str = strawberry.field(
        description=(
            "The same key and input issue it only once and return it in its present state."
        )
    )
    expected_subtotal: Decimal | None = strawberry.field(
        default=None,
        description=(
            "`subtotal` of the draft as last read: usage and adjustments, before tax. Refused"
            " with SUBTOTAL_CHANGED if it differs now; the draft then has the new subtotal."
            " Null: any subtotal."
        ),
    )


@strawberry.input(description="The draft to discard.")
class DiscardDraftInput:
    id: strawberry.ID | None = target_ids.id_field("The draft.")
    invoice_id: strawberry.ID | None = target_ids.deprecated_id("The draft.")


GenerateInvoiceResult: TypeAlias = Annotated[
    invoice_types.Invoice | base.Refused,
    strawberry.union("GenerateInvoiceResult", description="The invoice, or a refusal."),
]
IssueInvoiceResult: TypeAlias = Annotated[
    invoice_types.Invoice | base.Refused,
    strawberry.union("IssueInvoiceResult", description="The issued invoice, or a refusal."),
]
DiscardDraftResult: TypeAlias = Annotated[
    invoice_types.Invoice | base.Refused,
    strawberry.union("DiscardDraftResult", description="The discarded draft, or a refusal."),
]


@strawberry.type
class BillingMutation:
    @permissions.mutation(
        requires=Capability.INVOICE,
        description=(
            "Bills closed summary rows, each hour once. Includes changes of hours billed before"
            " as adjustments. Refused: HOURS_PENDING if too many of the hours have records that"
            " are not yet aggregated (try again in a minute), BUSY."
        ),
        metadata=prices.price(1_600),
        extensions=[expensive.Expensive()],
    )
    async def generate_invoice(
        self,
        info: base.Info,
        input: Annotated[GenerateInvoiceInput, strawberry.argument(description="The rows.")],
    ) -> GenerateInvoiceResult:
        caller = info.context.signed_in()
        customer_id = customer_ids.required(caller, input.customer_id)
        invoice = await invoice_actions.generate(
            caller,
            customer_id,
            [_row(row_id, caller.account_id) for row_id in input.row_ids],
            key=input.idempotency_key,
            issue=input.issue,
            expected=input.expected_subtotal,
            now=info.context.now,
            redis=info.context.services.redis,
        )
        return invoice_types.Invoice.of(caller.account_id, invoice)

    @permissions.mutation(
        requires=Capability.INVOICE,
        description=(
            "Recomputes a draft, pins it to the versions of its hours and assigns its number."
            " Refused: SUBTOTAL_CHANGED, HOURS_PENDING (try again in a minute), DRAFT_DISCARDED,"
            " NOT_A_DRAFT, BUSY."
        ),
        extensions=[expensive.Expensive()],
    )
    async def issue_invoice(
        self,
        info: base.Info,
        input: Annotated[IssueInvoiceInput, strawberry.argument(description="The draft.")],
    ) -> IssueInvoiceResult:
        caller = info.context.signed_in()
        invoice_id = target_ids.number(input.id, input.invoice_id, "Invoice", caller.account_id)
        context = info.context
        invoice = await invoice_actions.issue(
            caller,
            invoice_id,
            key=input.idempotency_key,
            expected=input.expected_subtotal,
            now=context.now,
            redis=context.services.redis,
        )
        return invoice_types.Invoice.of(caller.account_id, invoice)

    @permissions.mutation(
        requires=Capability.INVOICE,
        description=(
            "Discards a draft and releases its hours. Refused: DRAFT_DISCARDED, NOT_A_DRAFT."
        ),
    )
    async def discard_draft(
        self,
        info: base.Info,
        input: Annotated[DiscardDraftInput, strawberry.argument(description="The draft.")],
    ) -> DiscardDraftResult:
        caller = info.context.signed_in()
        invoice_id = target_ids.number(input.id, input.invoice_id, "Invoice", caller.account_id)
        draft = await invoice_actions.discard(caller, invoice_id, info.context.now)
        return invoice_types.Invoice.of(caller.account_id, draft)


def _row(row_id: str, account_id: int) -> periods.RowKey:
    return periods.RowKey.of(account_id, base.parts_of(row_id, "SummaryRow", account_id))
