"""Invoices: generated, issued, discarded and read, with the caller's permissions."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from redis.asyncio import Redis

from domain import facts, periods, refusals
from domain.billing import invoices
from domain.identity import callers
from domain.refusals import Refusal
from live import fact_signals, wake
from models.billing import invoice_queries, invoicing
from models.billing.invoice_queries import START as START
from models.billing.invoice_queries import Cursor as Cursor
from resolvers import access, audit_entries
from resolvers.access import Capability

MAX_ROWS = 400  # more than a year of days
BILLABLE = (periods.Granularity.DAILY, periods.Granularity.WEEKLY, periods.Granularity.MONTHLY)


async def generate(
    caller: callers.Caller,
    customer_id: int,
    rows: Sequence[periods.RowKey],
    *,
    key: str,
    issue: bool,
    expected: Decimal | None,
    now: datetime,
    redis: Redis,
) -> invoices.Invoice:
    access.require_customer(caller, Capability.INVOICE, customer_id)
    async with _waking(redis):
        invoice = await invoicing.generate(
            caller.account_id,
            replace(_selection(customer_id, rows), expected=expected),
            key=key,
            issue=issue,
            now=now,
            actor=audit_entries.actor(caller),
        )
    await _tell(redis, caller.account_id, invoice)
    return invoice


async def issue(
    caller: callers.Caller,
    invoice_id: int,
    *,
    key: str,
    expected: Decimal | None,
    now: datetime,
    redis: Redis,
) -> invoices.Invoice:
    await _mine_to_make(caller, invoice_id)
    async with _waking(redis):
        issued = await invoicing.issue_draft(
            caller.account_id,
            invoice_id,
            key=key,
            expected=expected,
            now=now,
            actor=audit_entries.actor(caller),
        )
    await _tell(redis, caller.account_id, issued)
    return issued


async def discard(caller: callers.Caller, invoice_id: int, now: datetime) -> invoices.Invoice:
    """Discards a draft and returns it."""
    draft = await _mine_to_make(caller, invoice_id)
    await invoicing.discard_draft(
        caller.account_id, invoice_id, now=now, actor=audit_entries.actor(caller)
    )
    return draft


async def page(
    caller: callers.Caller,
    customer_id: int | None,
    statuses: Iterable[invoices.Status],
    after: invoice_queries.Cursor,
    first: int,
) -> invoice_queries.Page:
    """The feed of the given customer, or of all that the caller can access."""
    access.require(caller, Capability.SEE_BILLING)
    if customer_id is not None:
        access.require_customer(caller, Capability.SEE_BILLING, customer_id)
    of = caller.customer_id if customer_id is None else customer_id
    return await invoice_queries.page(caller.account_id, of, statuses, after, first)


async def invoice(caller: callers.Caller, invoice_id: int) -> invoices.Invoice | None:
    access.require(caller, Capability.SEE_BILLING)
    invoice = await invoice_queries.find(caller.account_id, invoice_id)
    return (
        invoice
        if invoice is not None and access.sees_customer(caller, invoice.customer_id)
        else None
    )


async def _tell(redis: Redis, account_id: int, invoice: invoices.Invoice) -> None:
    if invoice.position is not None:
        kind = facts.Kind.INVOICE_ISSUED
        await fact_signals.publish(redis, account_id, invoice.customer_id, kind, invoice.position)


async def _mine_to_make(caller: callers.Caller, invoice_id: int) -> invoices.Invoice:
    """NOT_FOUND; DRAFT_DISCARDED."""
    access.require(caller, Capability.INVOICE)
    invoice = await invoice_queries.find(caller.account_id, invoice_id)
    customer_id = invoice.customer_id if invoice is not None else None
    if invoice is None:
        customer_id = await invoice_queries.discarded_customer(caller.account_id, invoice_id)
    if customer_id is None or not access.sees_customer(caller, customer_id):
        raise refusals.not_found("Invoice", "id")
    if invoice is None:
        raise invoice_queries.draft_discarded()
    return invoice


@asynccontextmanager
async def _waking(redis: Redis) -> AsyncIterator[None]:
    """Wakes the worker if hours have to be rebuilt before they can be invoiced."""
    try:
        yield
    except Refusal as refusal:
        if refusal.code == "HOURS_PENDING":
            await wake.hint(redis, wake.Work.MARKS)
        raise


def _selection(customer_id: int, rows: Sequence[periods.RowKey]) -> invoicing.Selection:
    if not rows:
        return invoicing.Selection(customer_id, None, [])
    granularity = rows[0].granularity
    if any(row.customer_id != customer_id or row.granularity != granularity for row in rows):
        raise Refusal(
            "MIXED_ROWS", "Select rows of this one customer and of one granularity.", "rowIds"
        )
    if granularity not in BILLABLE:
        raise Refusal(
            "ROWS_NOT_BILLABLE",
            "Invoice rows of {granularities}, not of LIVE.",
            "rowIds",
            granularities=BILLABLE,
        )
    spans = sorted({row.period for row in rows})
    return invoicing.Selection(customer_id, granularity, spans)
