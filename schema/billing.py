"""Invoices and the billing system's feed of them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain import billing
from models import customers, tables
from models import invoices as stored
from resolvers import billing as resolve
from schema import base

if TYPE_CHECKING:
    from schema.customers import Customer

strawberry.enum(
    billing.Kind,
    name="DocumentKind",
    description="INVOICE: a document with a total of 0 or more. CREDIT_NOTE: a document with a"
    " negative total, in the customer's favor; numbered in the same series.",
)
strawberry.enum(
    billing.Status,
    name="InvoiceStatus",
    description="DRAFT has no number and holds its hours; ISSUED is immutable; PAID is covered by"
    " payments; VOID was taken back by a credit note.",
)
strawberry.enum(
    billing.LineKind,
    name="InvoiceLineKind",
    description="USAGE: calls of the selected rows. ADJUSTMENT: what an hour that an earlier"
    " invoice billed differs by since.",
)
ISSUED = (billing.Status.ISSUED, billing.Status.PAID, billing.Status.VOID)


@strawberry.type(description="A line of an invoice. The lines sum to its subtotal, exactly.")
class InvoiceLine:
    kind: billing.LineKind = strawberry.field(
        description="Usage, or the adjustment of one earlier hour."
    )
    description: str = strawberry.field(
        description="The day or the destination, in the customer's language at issue."
    )
    period_start: datetime = strawberry.field(description="From here on, inclusive.")
    period_end: datetime = strawberry.field(description="Up to here, exclusive.")
    calls: base.Long = strawberry.field(
        description="Attempts, answered or not; of an adjustment the difference."
    )
    billed_seconds: base.Long = strawberry.field(
        description="Talk time after the increments, in seconds; of an adjustment the difference."
    )
    amount: base.Money = strawberry.field(description="Before tax, exact.")

    @classmethod
    def of(cls, line: billing.Line, currency: str) -> "InvoiceLine":
        return cls(
            kind=line.kind,
            description=line.description,
            period_start=line.period_start,
            period_end=line.period_end,
            calls=base.Long(line.calls),
            billed_seconds=base.Long(line.billed_seconds),
            amount=base.Money.of(line.amount, currency),
        )


@strawberry.type(
    description="A document of the account's one numbered series. The hours it bills are pinned at"
    " their versions: what changes later is an adjustment on the customer's next invoice."
)
class Invoice(base.Node):
    account_id: strawberry.Private[int]
    customer_id: strawberry.Private[int]
    content: strawberry.Private[Sequence[billing.Line]]
    kind: billing.Kind = strawberry.field(
        description="Invoice, or credit note if the total is negative; of a draft, as it would be"
        " issued."
    )
    status: billing.Status = strawberry.field(description="Where it stands now.")
    number: str | None = strawberry.field(
        description="Such as INV-000001, without gaps in the account; null while a draft."
    )
    granularity: str = strawberry.field(
        description="Of its rows: DAILY, WEEKLY or MONTHLY. ADJUSTMENTS: it has no rows."
    )
    period_start: datetime = strawberry.field(
        description="Start of its earliest row, or else of its earliest adjusted hour; inclusive."
    )
    period_end: datetime = strawberry.field(
        description="End of its latest row, or else of its latest adjusted hour; exclusive."
    )
    created_at: datetime = strawberry.field(description="When it was made.")
    issued_at: datetime | None = strawberry.field(description="When issued; null while a draft.")
    currency: str = strawberry.field(description="ISO 4217 code of all its amounts.")
    subtotal: base.Money = strawberry.field(description="The exact sum of its lines.")
    tax_percent: Decimal = strawberry.field(description="Tax on the subtotal, in percent.")
    tax: base.Money = strawberry.field(description="Exact, not rounded.")
    rounding: base.Money = strawberry.field(description="Total - (subtotal + tax).")
    total: base.Money = strawberry.field(
        description="Subtotal and tax, rounded once, half up, to the currency's minor unit."
    )
    content_hash: str | None = strawberry.field(
        description="SHA-256 (hex) of what was issued, pinned hours too; null while a draft."
    )

    @classmethod
    def of(cls, account_id: int, invoice: billing.Invoice) -> "Invoice":
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

    @strawberry.field(description="Who owes it.")
    async def customer(
        self, info: base.Info
    ) -> Annotated["Customer", strawberry.lazy("schema.customers")]:
        from schema.customers import Customer  # here, because a customer's rows show invoices

        row = await info.context.loader(_customers).load((self.account_id, self.customer_id))
        return Customer.of(row)


async def _customers(keys: list[tuple[int, int]]) -> Sequence[tables.Customer]:
    """The rows of customers of one account: a caller has only one."""
    found = await customers.many(keys[0][0], [customer_id for _, customer_id in keys])
    return [found[customer_id] for _, customer_id in keys]


@strawberry.input(description="Which documents of the feed.")
class InvoiceFilter:
    statuses: list[billing.Status] | None = strawberry.field(
        default=None,
        description="As they are now; null: ISSUED, PAID, VOID. With just one of these, a document"
        " that comes to it behind the cursor is missed: take all three to read everything once.",
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Of this customer alone; null: of all that the caller sees."
    )


@strawberry.type
class BillingQuery:
    @strawberry.field(
        description="Invoices and credit notes in the order of their issue, drafts (if asked for)"
        " after them. A client that keeps its cursor misses and repeats no issued document."
    )
    async def invoices(
        self,
        info: base.Info,
        first: base.First = 50,
        after: base.After = None,
        filter: Annotated[
            InvoiceFilter | None, strawberry.argument(description="Which ones; null: all issued.")
        ] = None,
    ) -> base.Connection[Invoice]:
        caller = info.context.signed_in()
        asked = filter or InvoiceFilter()
        statuses = ISSUED if asked.statuses is None else asked.statuses
        found = await resolve.page(
            caller,
            None
            if asked.customer_id is None
            else base.decode_id(asked.customer_id, "Customer", caller.account_id),
            statuses,
            _read(after),
            base.page_size(first),
        )
        return base.Connection(
            edges=[
                base.Edge(cursor=_write(invoice), node=Invoice.of(caller.account_id, invoice))
                for invoice in found.invoices
            ],
            page_info=base.PageInfo(
                has_next_page=found.has_next,
                end_cursor=_write(found.invoices[-1]) if found.invoices else None,
            ),
        )

    @strawberry.field(description="An invoice; null if there is none, or not for the caller.")
    async def invoice(
        self,
        info: base.Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The invoice's id.")],
    ) -> Invoice | None:
        account_id = info.context.signed_in().account_id
        return await invoice_node(info, base.parts_of(id, "Invoice", account_id))


async def invoice_node(info: base.Info, parts: tuple[str, ...]) -> Invoice | None:
    """What `node(id:)` finds of an invoice's id."""
    caller = info.context.signed_in()
    found = await resolve.invoice(caller, base.single(parts))
    return None if found is None else Invoice.of(caller.account_id, found)


def _write(invoice: billing.Invoice) -> str:
    place = stored.Cursor.of(invoice)
    return base.encode_cursor(place.position, place.id)


def _read(cursor: str | None) -> stored.Cursor:
    key = base.decode_cursor(cursor, 2)
    if key is None:
        return stored.START
    numbers = [base.as_number(part) for part in key]
    if None in numbers:
        raise base.bad_cursor()
    return stored.Cursor(*(number for number in numbers if number is not None))
