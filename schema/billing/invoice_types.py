"""Invoices and the billing system's feed of them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import strawberry

from domain.billing import invoices
from resolvers.access import Capability
from resolvers.billing import invoice_actions
from schema.engine import base, permissions
from schema.engine.documents import prices
from schema.engine.fragments import declarations

strawberry.enum(
    invoices.Kind,
    name="DocumentKind",
    description="INVOICE: a document with a total of 0 or more. CREDIT_NOTE: a document with a"
    " negative total, in the customer's favor; numbered in the same series.",
)
strawberry.enum(
    invoices.Status,
    name="InvoiceStatus",
    description=(
        "Status of an invoice. DRAFT: it has no number and reserves its hours. ISSUED: it is"
        " immutable. PAID: payments cover it, or its total is 0. VOID: a credit note canceled"
        " it."
    ),
)
strawberry.enum(
    invoices.LineKind,
    name="InvoiceLineKind",
    description=(
        "Kind of an invoice line. USAGE: calls of the selected rows. ADJUSTMENT: the change of"
        " an hour since an earlier invoice billed it."
    ),
)
ISSUED = (invoices.Status.ISSUED, invoices.Status.PAID, invoices.Status.VOID)


@permissions.open_type
@strawberry.type(description="A line of an invoice. The lines add up exactly to its subtotal.")
class InvoiceLine:
    kind: invoices.LineKind = strawberry.field(
        description="Usage, or the adjustment of one hour billed before."
    )
    description: str = strawberry.field(
        description=(
            "The day or the destination, in the language that the customer had when it was issued."
        )
    )
    period_start: datetime = strawberry.field(description="Start, inclusive.")
    period_end: datetime = strawberry.field(description="End, exclusive.")
    calls: base.Long = strawberry.field(
        description="Number of attempts, answered or not. For an adjustment, the difference."
    )
    billed_seconds: base.Long = strawberry.field(
        description=(
            "Talk time after the billing increments, in seconds. For an adjustment, the difference."
        )
    )
    amount: base.Money = strawberry.field(description="Exact amount before tax.")

    @classmethod
    def of(cls, line: invoices.Line, currency: str) -> "InvoiceLine":
        return cls(
            kind=line.kind,
            description=line.description,
            period_start=line.period_start,
            period_end=line.period_end,
            calls=base.Long(line.calls),
            billed_seconds=base.Long(line.billed_seconds),
            amount=base.Money.of(line.amount, currency),
        )


@declarations.stored_plainly
@permissions.open_type
@strawberry.type(
    description=(
        "An invoice or credit note in the account's single numbered series. It is pinned to the"
        " versions of the hours that it bills: later changes become an adjustment on the"
        " customer's next invoice."
    )
)
class Invoice(base.Node):
    account_id: strawberry.Private[int]
    customer_id: strawberry.Private[int]
    content: strawberry.Private[Sequence[invoices.Line]]
    kind: invoices.Kind = strawberry.field(
        description=(
            "Invoice, or credit note if the total is negative. For a draft, the kind as which it"
            " would be issued."
        )
    )
    status: invoices.Status = strawberry.field(description="Present status.")
    number: str | None = strawberry.field(
        description=(
            "Number such as INV-000001, without gaps in the account. Null while it is a draft."
        )
    )
    granularity: str = strawberry.field(
        description=(
            "Granularity of its rows: DAILY, WEEKLY or MONTHLY. ADJUSTMENTS if it has no rows."
        )
    )
    period_start: datetime = strawberry.field(
        description=(
            "Start of its earliest row, or of its earliest adjusted hour if it has no rows."
            " Inclusive."
        )
    )
    period_end: datetime = strawberry.field(
        description=(
            "End of its latest row, or of its latest adjusted hour if it has no rows. Exclusive."
        )
    )
    created_at: datetime = strawberry.field(description="When it was created.")
    issued_at: datetime | None = strawberry.field(
        description="When it was issued. Null while it is a draft."
    )
    currency: str = strawberry.field(description="ISO 4217 code of all its amounts.")
    subtotal: base.Money = strawberry.field(description="The exact sum of its lines.")
    tax_percent: Decimal = strawberry.field(description="Tax on the subtotal, in percent.")
    tax: base.Money = strawberry.field(description="Exact tax, not rounded.")
    rounding: base.Money = strawberry.field(
        description="Rounding difference: total - (subtotal + tax)."
    )
    total: base.Money = strawberry.field(
        description="Subtotal plus tax, rounded once, half up, to the currency's minor unit."
    )
    content_hash: str | None = strawberry.field(
        description=(
            "SHA-256 (hex) of the issued content, including the pinned hours. Null while it is a"
            " draft."
        )
    )

    @classmethod
    def of(cls, account_id: int, invoice: invoices.Invoice) -> "Invoice":
        def money(amount: Decimal) -> base.Money:
            return base.Money.of(amount, invoice.currency)

        return cls(
            account_id=account_id,
            customer_id=invoice.customer_id,
            content=invoice.lines,
            id=base.encode_id("Invoice", account_id, invoice.id),
            kind=invoice.kind,
            status=invoice.status,
            number=invoice.number,
            granularity=invoice.granularity,
            period_start=invoice.period_start,
            period_end=invoice.period_end,
            created_at=invoice.created_at,
            issued_at=invoice.issued_at,
            currency=invoice.currency,
            subtotal=money(invoice.subtotal),
            tax_percent=invoice.tax_percent,
            tax=money(invoice.tax),
            rounding=money(invoice.rounding),
            total=money(invoice.total),
            content_hash=invoice.content_hash,
        )

    @strawberry.field(description="Usage first, then adjustments.")
    def lines(self) -> list[InvoiceLine]:
        return [InvoiceLine.of(line, self.currency) for line in self.content]


@strawberry.input(description="Filter of invoices and credit notes.")
class InvoiceFilter:
    statuses: list[invoices.Status] | None = prices.list_field(
        "Only documents with these present statuses. Null: ISSUED, PAID and VOID. With only one"
        " of these, a document that gets this status after the cursor has passed it is missed;"
        " use all three to read every document once.",
        limit=prices.MAX_ENUM_ITEMS,
        default=None,
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Only this customer. Null: all customers that the caller can access.",
    )


@strawberry.type
class BillingQuery:
    @permissions.field(
        requires=Capability.SEE_BILLING,
        description=(
            "Invoices and credit notes in the order of their issue, followed by drafts if the"
            " filter includes them. A client that stores its cursor receives every issued"
            " document exactly once."
        ),
    )
    async def invoices(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        filter: Annotated[
            InvoiceFilter | None,
            strawberry.argument(description="A filter. Null: all issued documents."),
        ] = None,
    ) -> base.Connection[Invoice] | None:
        caller = info.context.signed_in()
        given_filter = filter or InvoiceFilter()
        statuses = ISSUED if given_filter.statuses is None else given_filter.statuses
        page = await invoice_actions.page(
            caller,
            None
            if given_filter.customer_id is None
            else base.decode_id(given_filter.customer_id, "Customer", caller.account_id),
            statuses,
            _read(after),
            base.page_size(first),
        )
        edges = [
            base.Edge(cursor=_write(invoice), node=Invoice.of(caller.account_id, invoice))
            for invoice in page.invoices
        ]
        return base.Connection(
            edges=edges, page_info=base.page_info(edges, after, has_next=page.has_next)
        )

    @permissions.field(
        requires=Capability.SEE_BILLING,
        description="An invoice. Null if it does not exist or the caller cannot access it.",
    )
    async def invoice(
        self,
        info: base.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The invoice's id.")],
    ) -> Invoice | None:
        account_id = info.context.signed_in().account_id
        return await invoice_node(info, base.parts_of(id, "Invoice", account_id))


async def invoice_node(info: base.Info, parts: tuple[str, ...]) -> Invoice | None:
    """The invoice of `node(id:)`."""
    caller = info.context.signed_in()
    invoice = await invoice_actions.invoice(caller, base.single(parts))
    return None if invoice is None else Invoice.of(caller.account_id, invoice)


def _write(invoice: invoices.Invoice) -> str:
    place = invoice_actions.Cursor.of(invoice)
    return base.encode_cursor(place.position, place.id)


def _read(cursor: str | None) -> invoice_actions.Cursor:
    key = base.decode_cursor(cursor, 2)
    if key is None:
        return invoice_actions.START
    numbers = [base.as_number(part) for part in key]
    if None in numbers:
        raise base.bad_cursor()
    return invoice_actions.Cursor(*(number for number in numbers if number is not None))
