"""Invoices: who may make, issue, discard and read them, and of which rows."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal

from redis.asyncio import Redis

from domain import billing, callers, facts, periods, refusals
from domain.refusals import Refusal
from live import news, wake
from models import invoices, invoicing
from resolvers import access, audit
from resolvers.access import Capability

MAX_ROWS = 400  # a year of days and more
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
) -> billing.Invoice:
    access.require_customer(caller, Capability.INVOICE, customer_id)
    async with _waking(redis):
        made = await invoicing.generate(
            caller.account_id,
            _selection(customer_id, rows),
            key=key,
            issue=issue,
            expected=expected,
            now=now,
            actor=audit.actor(caller),
        )
    await _tell(redis, caller.account_id, made)
    return made


async def issue(
    caller: callers.Caller,
    invoice_id: int,
    *,
    key: str,
    expected: Decimal | None,
    now: datetime,
    redis: Redis,
) -> billing.Invoice:
    await _mine_to_make(caller, invoice_id)
    async with _waking(redis):
        issued = await invoicing.issue_draft(
            caller.account_id,
            invoice_id,
            key=key,
            expected=expected,
            now=now,
            actor=audit.actor(caller),
        )
    await _tell(redis, caller.account_id, issued)
    return issued


async def discard(caller: callers.Caller, invoice_id: int, now: datetime) -> billing.Invoice:
    """Removes a draft; what it was."""
    draft = await _mine_to_make(caller, invoice_id)
    await invoicing.discard_draft(caller.account_id, invoice_id, now=now, actor=audit.actor(caller))
    return draft


async def page(
    caller: callers.Caller,
    customer_id: int | None,
    statuses: Iterable[billing.Status],
    after: invoices.Cursor,
    first: int,
) -> invoices.Page:
    """The feed: of the named customer, or of all that the caller sees."""
    access.require(caller, Capability.SEE_BILLING)
    if customer_id is not None:
        access.require_customer(caller, Capability.SEE_BILLING, customer_id)
    of = caller.customer_id if customer_id is None else customer_id
    return await invoices.page(caller.account_id, of, statuses, after, first)


async def invoice(caller: callers.Caller, invoice_id: int) -> billing.Invoice | None:
    access.require(caller, Capability.SEE_BILLING)
    found = await invoices.find(caller.account_id, invoice_id)
    return found if found is not None and caller.customer_id in (None, found.customer_id) else None


async def _tell(redis: Redis, account_id: int, invoice: billing.Invoice) -> None:
    if invoice.position is not None:
        kind = facts.Kind.INVOICE_ISSUED
        await news.tell(redis, account_id, invoice.customer_id, kind, invoice.position)


async def _mine_to_make(caller: callers.Caller, invoice_id: int) -> billing.Invoice:
    """NOT_FOUND; DRAFT_DISCARDED."""
    access.require(caller, Capability.INVOICE)
    found = await invoices.find(caller.account_id, invoice_id)
    customer_id = found.customer_id if found is not None else None
    if found is None:
        customer_id = await invoices.discarded(caller.account_id, invoice_id)
    if customer_id is None or caller.customer_id not in (None, customer_id):
        raise refusals.no_such("Invoice", "invoiceId")
    if found is None:
        raise invoices.draft_discarded()
    return found


@asynccontextmanager
async def _waking(redis: Redis) -> AsyncIterator[None]:
    """Wakes the worker if it has to rebuild hours before they can be invoiced."""
    try:
        yield
    except Refusal as refusal:
        if refusal.code == "HOURS_PENDING":
            await wake.hint(redis, wake.For.MARKS)
        raise


def _selection(customer_id: int, rows: Sequence[periods.RowKey]) -> invoicing.Selection:
    if not rows:
        return invoicing.Selection(customer_id, None, [])
    if len(rows) > MAX_ROWS:
        raise Refusal("TOO_MANY_ROWS", "Select at most {most} rows.", "rowIds", most=MAX_ROWS)
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
