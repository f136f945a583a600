"""Creates invoices: a draft reserves hours, issuing pins them; each in one transaction.

Simultaneous requests are kept apart by:

- the key `invoice_hours_live`: no hour is billed twice;
- the lock of the customer's row: a customer's invoices are created one after another, so that the
  change of an hour is adjusted once;
- the locks of the heads: rows and lines are of one state;
- the lock of the account's series until commit: numbers and positions have no gaps and become
  visible in order.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain import money, periods
from domain.billing import invoices
from domain.refusals import Refusal
from models import db, idempotency
from models.billing import bill_rebuilds, bill_refusals, bills, invoice_queries
from models.directory import audit_log

MAX_HOURS = 10_000  # a year and more


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of one customer and one granularity, by their periods. Without rows (and granularity):
    only the customer's pending adjustments. `expected` is the sum of the rows' charges, or of the
    pending adjustments, that the caller expects; None: any."""

    customer_id: int
    granularity: periods.Granularity | None
    periods: Sequence[periods.Period]
    expected: Decimal | None = None


async def generate(
    account_id: int,
    selection: Selection,
    *,
    key: str,
    issue: bool,
    now: datetime,
    actor: audit_log.Actor = audit_log.SYSTEM,
) -> invoices.Invoice:
    """Creates an invoice of closed rows and of the changes of hours billed before, as a draft or
    issued. The same key and input return the same invoice in its present state.

    Refuses TOO_MANY_ROWS, ROW_OPEN, HOURS_PENDING, UNRATED_CALLS, HOURS_ALREADY_INVOICED,
    SUBTOTAL_CHANGED, NOTHING_TO_INVOICE, IDEMPOTENCY_KEY_REUSED, DRAFT_DISCARDED.
    """
    request = idempotency.Request("generateInvoice", key, _digest(selection, issue))
    customer_id = selection.customer_id
    async with db.connection() as conn:
        earlier = await idempotency.find(conn, account_id, request)
    if earlier is not None:
        return await _existing(account_id, earlier)
    hours = _closed_hours(selection, now)
    await bill_rebuilds.rebuild(account_id, customer_id, hours, now, "rowIds")
    async with db.transaction() as conn:
        invoice_id = await bills.next_id(conn)
        earlier = await idempotency.claim(conn, account_id, request, invoice_id, now)
        if earlier is None:
            await bills.lock_customer(conn, account_id, customer_id)
            await bills.reserve(conn, account_id, invoice_id, _draft(selection, now), hours, now)
            bill = await bills.compute(conn, account_id, invoice_id)
            _require_expected(selection, bill)
            entry = _entry("invoice.made", customer_id, invoice_id)
            await audit_log.insert(account_id, actor, entry, now)
            if issue:
                await bills.issue(conn, account_id, invoice_id, bill, now)
    return await _existing(account_id, invoice_id if earlier is None else earlier)


async def issue_draft(
    account_id: int,
    invoice_id: int,
    *,
    key: str,
    expected: Decimal | None = None,
    now: datetime,
    actor: audit_log.Actor = audit_log.SYSTEM,
) -> invoices.Invoice:
    """Recomputes a draft and issues it if its subtotal is the expected one. The same key and input
    return the same invoice in its present state.

    Refuses NOT_FOUND, DRAFT_DISCARDED, NOT_A_DRAFT, HOURS_PENDING, UNRATED_CALLS,
    NOTHING_TO_INVOICE, IDEMPOTENCY_KEY_REUSED, and SUBTOTAL_CHANGED, after which the draft is
    recomputed.
    """
    request = idempotency.Request("issueInvoice", key, _issue_digest(invoice_id, expected))
    async with db.connection() as conn:
        earlier = await idempotency.find(conn, account_id, request)
        reserved = await bills.reserved_hours(conn, account_id, invoice_id)
    draft = await invoice_queries.get(account_id, invoice_id)
    if earlier is not None:
        return draft
    await bill_rebuilds.rebuild(account_id, draft.customer_id, reserved, now, "id")
    try:
        await _issue(account_id, draft, request, expected, now, actor)
    except Refusal as refusal:
        if refusal.code == "SUBTOTAL_CHANGED":
            await _compute_again(account_id, draft)
        raise
    return await invoice_queries.get(account_id, invoice_id)


async def _issue(
    account_id: int,
    draft: invoices.Invoice,
    request: idempotency.Request,
    expected: Decimal | None,
    now: datetime,
    actor: audit_log.Actor,
) -> None:
    async with db.transaction() as conn:
        if await idempotency.claim(conn, account_id, request, draft.id, now) is not None:
            return
        await bills.lock_draft(conn, account_id, draft)
        bill = await bills.compute(conn, account_id, draft.id, "id")
        if expected is not None and expected != bill.totals.subtotal:
            raise bill_refusals.draft_changed(bill.totals.subtotal)
        after = None if expected is None else {"expected_subtotal": money.plain(expected)}
        entry = _entry("invoice.issued", draft.customer_id, draft.id, after)
        await audit_log.insert(account_id, actor, entry, now)
        await bills.issue(conn, account_id, draft.id, bill, now)


async def _compute_again(account_id: int, draft: invoices.Invoice) -> None:
    """Recomputes a draft, if it still is one, so that it shows what would be issued."""
    with contextlib.suppress(Refusal):
        async with db.transaction() as conn:
            await bills.lock_draft(conn, account_id, draft)
            await bills.compute(conn, account_id, draft.id, "id")


async def discard_draft(
    account_id: int, invoice_id: int, *, now: datetime, actor: audit_log.Actor = audit_log.SYSTEM
) -> None:
    """Removes a draft and frees its hours. Refuses NOT_FOUND, DRAFT_DISCARDED, NOT_A_DRAFT."""
    draft = await invoice_queries.get(account_id, invoice_id)
    async with db.transaction() as conn:
        await bills.lock_draft(conn, account_id, draft)
        entry = _entry("invoice.discarded", draft.customer_id, invoice_id)
        await audit_log.insert(account_id, actor, entry, now)
        await bills.discard(conn, account_id, draft, now)


def _entry(
    action: str, customer_id: int, invoice_id: int, after: audit_log.State | None = None
) -> audit_log.NewEntry:
    return audit_log.NewEntry(action, f"invoice:{invoice_id}", customer_id, after=after)


def _digest(selection: Selection, issue: bool) -> bytes:
    expected = selection.expected
    return idempotency.digest(
        {
            "customerId": selection.customer_id,
            "granularity": selection.granularity if selection.periods else None,
            "rows": sorted({period.start.isoformat() for period in selection.periods}),
            "issue": issue,
            "expectedSubtotal": None if expected is None else money.plain(expected),
        }
    )


def _issue_digest(invoice_id: int, expected: Decimal | None) -> bytes:
    """Without `expected`, the digest equals that of earlier releases."""
    content: dict[str, object] = {"invoiceId": invoice_id}
    if expected is not None:
        content["expectedSubtotal"] = money.plain(expected)
    return idempotency.digest(content)


def _draft(selection: Selection, now: datetime) -> bills.Heading:
    if selection.granularity is None or not selection.periods:
        # The adjusted hours set the period when it is computed.
        return bills.Heading(selection.customer_id, invoices.ADJUSTMENTS, now, now)
    return bills.Heading(
        selection.customer_id,
        selection.granularity,
        min(period.start for period in selection.periods),
        max(period.end for period in selection.periods),
    )


def _closed_hours(selection: Selection, now: datetime) -> list[datetime]:
    """The selection's hours in order. Refuses TOO_MANY_ROWS, ROW_OPEN."""
    if not selection.periods:
        return []
    if sum((period.end - period.start) // periods.HOUR for period in selection.periods) > MAX_HOURS:
        raise Refusal(
            "TOO_MANY_ROWS",
            "An invoice can have at most {most} hours. Select fewer rows.",
            "rowIds",
            most=MAX_HOURS,
        )
    last = max(selection.periods, key=lambda period: period.end)
    if last.is_open(now):
        raise Refusal(
            "ROW_OPEN",
            "A selected row is open until {end:utc}. Leave it out, or try again later.",
            "rowIds",
            end=last.end,
        )
    return sorted({hour for period in selection.periods for hour in period.hours()})


def _require_expected(selection: Selection, bill: bills.Bill) -> None:
    expected = selection.expected
    if expected is None:
        return
    if not selection.periods and expected != bill.totals.subtotal:
        raise bill_refusals.adjustments_changed(bill.totals.subtotal)
    if selection.periods and expected != bill.usage:
        raise bill_refusals.rows_changed(bill.usage)


async def _existing(account_id: int, invoice_id: int) -> invoices.Invoice:
    invoice = await invoice_queries.find(account_id, invoice_id)
    if invoice is None:
        raise Refusal(
            "DRAFT_DISCARDED",
            "The draft of this idempotencyKey was discarded. Use a new key for a new draft.",
            "idempotencyKey",
        )
    return invoice
