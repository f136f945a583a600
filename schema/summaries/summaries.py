"""The summary."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from domain import periods, refusals
from domain.billing import row_invoicing
from domain.summaries import cells, freshness
from resolvers import access
from resolvers.access import Capability
from resolvers.summaries import summaries, summary_pages
from resolvers.summaries.revisions import Revision, Source
from schema.billing import invoice_types
from schema.engine import base, permissions
from schema.engine.documents import expensive, prices
from schema.engine.fragments import declarations
from schema.engine.plans import fields as plan_fields
from schema.engine.plans import selections
from schema.engine.plans.fields import NOT_LOADED
from schema.summaries import breakdown_types, row_requests, row_sums

Granularity = strawberry.enum(
    periods.Granularity,
    name="Granularity",
    description=(
        "Length of the period of a summary row. LIVE: the current UTC hour and the 23 before it,"
        " one row per hour. DAILY, WEEKLY (ISO weeks, starting Monday) and MONTHLY: UTC."
    ),
)


def row_id(key: periods.RowKey) -> strawberry.ID:
    return base.encode_id("SummaryRow", key.account_id, *key.parts())


def row_key(global_id: str, account_id: int) -> periods.RowKey:
    """The key in a row's id. Refuses NOT_FOUND if it is not the id of a row of this account."""
    return periods.RowKey.of(account_id, base.parts_of(global_id, "SummaryRow", account_id))


@permissions.open_type
@strawberry.type
class _PeriodRow(base.Node):
    period_start: datetime = strawberry.field(description="Inclusive, UTC.")
    period_end: datetime = strawberry.field(description="Exclusive, UTC.")
    open: bool = strawberry.field(description="Whether the period has not ended yet.")
    version: base.Long = strawberry.field(
        description=(
            "Increases whenever a sum of the row changes: the sum of the versions of its hours."
            " 0 if there never was a call."
        )
    )


@strawberry.type(
    description="A period's sums, of final legs. A call is in the hour of its setup. Ratios are"
    " null without a denominator."
)
class SummarySums(breakdown_types.HasParts, row_sums.CallSums, _PeriodRow):
    pass


@declarations.stored_type
@permissions.open_type
@strawberry.type(
    description=(
        "How much of a summary row is on invoices that are not void. Drafts count, because they"
        " reserve their hours: see the `status` of `invoices`."
    )
)
class RowInvoicing:
    state: row_invoicing.State = strawberry.field(description="Whether all hours are on invoices.")
    invoiced_hours: base.Long = strawberry.field(
        description="Hours of the row that are on an invoice or draft."
    )
    hours: base.Long = strawberry.field(
        description="Hours of the row's whole period, with calls or without."
    )
    account_id: strawberry.Private[int]
    invoice_ids: strawberry.Private[list[int]]

    @classmethod
    def of(cls, account_id: int, row: row_invoicing.RowInvoicing) -> "RowInvoicing":
        return cls(
            state=row.state,
            invoiced_hours=row.invoiced_hours,
            hours=row.hours,
            account_id=account_id,
            invoice_ids=list(row.hours_by_invoice),
        )

    @strawberry.field(description="The invoices and drafts, in order of their periods.")
    async def invoices(self, info: base.Info) -> list[invoice_types.Invoice]:
        found = await _invoices(info, self.account_id, self.invoice_ids)
        return sorted(found, key=lambda invoice: (invoice.period_start, invoice.id))


@declarations.stored_type
@strawberry.type(
    description="A row of a customer's summary. The customer summary (DAILY, WEEKLY, MONTHLY) is"
    " the only data valid for billing."
)
class SummaryRow(SummarySums):
    loaded_invoice: strawberry.Private[Any] = NOT_LOADED
    loaded_invoicing: strawberry.Private[Any] = NOT_LOADED
    charge: base.Money = permissions.open_field(
        description="Charge of these calls: the exact sum of the rounded charges of each call."
    )

    @classmethod
    def of(cls, row: cells.Row, currency: str, now: datetime) -> "SummaryRow":
        charge = base.Money.of(row.charge, currency)
        return cls(charge=charge, **_sums(row, currency, now))

    @permissions.field(
        requires=Capability.SEE_BILLING,
        description=(
            "The invoice or draft that contains all hours of the row. Null if none does: see"
            " `invoicing`."
        ),
        metadata=plan_fields.preloaded("loaded_invoice"),
    )
    async def invoice(self, info: base.Info) -> invoice_types.Invoice | None:
        id = (await _invoicing(info, self.row.key)).sole_invoice_id
        return None if id is None else (await _invoices(info, self.row.key.account_id, [id]))[0]

    @permissions.field(
        requires=Capability.SEE_BILLING,
        description="How many hours of the row are on invoices.",
        metadata=plan_fields.preloaded("loaded_invoicing"),
    )
    async def invoicing(self, info: base.Info) -> RowInvoicing | None:
        return RowInvoicing.of(self.row.key.account_id, await _invoicing(info, self.row.key))


async def _load_invoices(info: base.Info, rows: list[SummaryRow]) -> None:
    """Loads the invoicing of all rows at once if the document selects it and the caller sees it."""
    names = selections.names_below(info)
    may_see = access.may(info.context.signed_in(), Capability.SEE_BILLING)
    if not rows or not may_see or names.isdisjoint(("invoice", "invoicing")):
        return
    loader = info.context.loader(summaries.invoicing)
    held = await loader.load_many([row.row.key for row in rows])
    for row, invoicing in zip(rows, held, strict=True):
        row.loaded_invoicing = RowInvoicing.of(row.row.key.account_id, invoicing)
    if "invoice" not in names:
        return
    ids = sorted({id for invoicing in held if (id := invoicing.sole_invoice_id) is not None})
    by_id = dict(zip(ids, await _invoices(info, rows[0].row.key.account_id, ids), strict=True))
    for row, invoicing in zip(rows, held, strict=True):
        id = invoicing.sole_invoice_id
        row.loaded_invoice = None if id is None else by_id[id]


async def _invoicing(info: base.Info, key: periods.RowKey) -> row_invoicing.RowInvoicing:
    return await info.context.loader(summaries.invoicing).load(key)


async def _invoices(
    info: base.Info, account_id: int, ids: list[int]
) -> list[invoice_types.Invoice]:
    keys = [(account_id, id) for id in ids]
    invoices = await info.context.loader(summaries.invoices_of).load_many(keys)
    return [invoice_types.Invoice.of(account_id, row) for row in invoices]


@declarations.stored_type
@permissions.open_type
@strawberry.type(description="A row of the account's summary, over all its customers.")
class AccountSummaryRow(SummarySums):
    charges: list[base.Money] = strawberry.field(
        description="Charges of these calls, one sum per currency."
    )

    @classmethod
    def of(cls, row: cells.Row, now: datetime) -> "AccountSummaryRow":
        return cls(charges=row_sums.amounts(row.charges), **_sums(row, None, now))


def _sums(row: cells.Row, currency: str | None, now: datetime) -> dict[str, Any]:
    period = row.key.period
    return {
        "row": row,
        "currency": currency,
        "id": row_id(row.key),
        "period_start": period.start,
        "period_end": period.end,
        "open": period.is_open(now),
        "version": row.version,
        **row_sums.values(row),
    }


@permissions.open_type
@strawberry.type
class _Facts(base.Fresh):
    billable: bool = strawberry.field(
        description=(
            "Whether these rows can be invoiced: a customer's DAILY, WEEKLY and MONTHLY rows,"
            " once closed. No other data is valid for billing."
        )
    )


@strawberry.type(description="A page of a customer's summary rows.")
class SummaryConnection(_Facts, base.Connection[SummaryRow]):
    pass


@strawberry.type(description="A page of the account's summary rows.")
class AccountSummaryConnection(_Facts, base.Connection[AccountSummaryRow]):
    pass


_ABOUT = (
    "Newest first without `orderBy`, at most a minute old. LIVE has always 24 rows, one per hour;"
    " the others have a row for each period with calls. Refused: BAD_RANGE, BUSY."
)
GranularityArgument = Annotated[
    periods.Granularity, strawberry.argument(description="Length of the period of one row.")
]


def _reads_a_range(
    source: base.Scoped, *, filter: object = None, order_by: object = None, **more: object
) -> bool:
    """Whether rows of up to two years are read, other than of the order of their periods."""
    by_column = getattr(order_by, "column", None) is not None
    return by_column or getattr(filter, "invoicing", None) is not None


def _fresh(revision: Revision, now: datetime) -> base.Fresh:
    shown = freshness.Freshness.of(revision.oldest_mark, now)
    return base.Fresh(as_of=shown.as_of, stale=shown.is_stale)


@strawberry.type
class HasSummary(base.Scoped):
    @permissions.field(
        requires=Capability.SEE_SUMMARIES,
        description=f"The customer's summary, the only data valid for billing. {_ABOUT}",
        metadata={
            **prices.price(100, each=13, work=row_requests.work),
            **declarations.stored(Source.SUMS, Source.INVOICES, Source.NAMES, live=_fresh),
        },
        extensions=[expensive.Expensive(_reads_a_range)],
    )
    async def summary(
        self,
        info: base.Info,
        granularity: GranularityArgument,
        first: base.First = 24,
        after: base.After = None,
        filter: Annotated[
            row_requests.SummaryFilter | None,
            strawberry.argument(description="A filter. Null: all rows."),
        ] = None,
        order_by: row_requests.OrderArgument = None,
    ) -> SummaryConnection | None:
        request = row_requests.request_of(first, after, filter, order_by)
        page = await _page(info, self.customer_id, granularity, request)
        now, currency = info.context.now, page.currency or ""
        edges, page_info = base.paged(
            page.rows,
            first,
            after,
            lambda row: row_requests.cursor(row, request.order),
            lambda row: SummaryRow.of(row, currency, now),
        )
        await _load_invoices(info, [edge.node for edge in edges])
        return SummaryConnection(
            edges=edges,
            page_info=page_info,
            as_of=page.freshness.as_of,
            stale=page.freshness.is_stale,
            billable=page.billable,
        )


@strawberry.type
class HasAccountSummary(base.Scoped):
    @permissions.field(
        requires=Capability.SEE_SUMMARIES,
        whole_account=True,
        description=f"The summary of all customers, not valid for billing. {_ABOUT}",
        metadata={
            **prices.price(100, each=9, work=row_requests.work),
            **declarations.stored(Source.SUMS, Source.NAMES, live=_fresh),
        },
        extensions=[expensive.Expensive(_reads_a_range)],
    )
    async def summary(
        self,
        info: base.Info,
        granularity: GranularityArgument,
        first: base.First = 24,
        after: base.After = None,
        filter: Annotated[
            row_requests.AccountSummaryFilter | None,
            strawberry.argument(description="A filter. Null: all rows."),
        ] = None,
        order_by: row_requests.OrderArgument = None,
    ) -> AccountSummaryConnection | None:
        request = row_requests.request_of(first, after, filter, order_by)
        page = await _page(info, None, granularity, request)
        now = info.context.now
        edges, page_info = base.paged(
            page.rows,
            first,
            after,
            lambda row: row_requests.cursor(row, request.order),
            lambda row: AccountSummaryRow.of(row, now),
        )
        return AccountSummaryConnection(
            edges=edges,
            page_info=page_info,
            as_of=page.freshness.as_of,
            stale=page.freshness.is_stale,
            billable=page.billable,
        )


async def _page(
    info: base.Info,
    customer_id: int | None,
    granularity: periods.Granularity,
    request: summary_pages.Request,
) -> summary_pages.Page:
    caller, now = info.context.signed_in(), info.context.now
    return await summary_pages.page(caller, customer_id, granularity, request, now)


async def row_node(
    info: base.Info, parts: tuple[str, ...]
) -> SummaryRow | AccountSummaryRow | None:
    """The row of `node(id:)`."""
    caller, now = info.context.signed_in(), info.context.now
    try:
        row, currency = await summaries.row(caller, periods.RowKey.of(caller.account_id, parts))
    except refusals.Refusal as refusal:
        if refusal.code == "NOT_FOUND":
            return None
        raise
    return AccountSummaryRow.of(row, now) if currency is None else SummaryRow.of(row, currency, now)
