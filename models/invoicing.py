"""Makes invoices: drafts reserve hours, issuing pins them; each in one transaction.

What holds where two come at once: the key `invoice_hours_live` (no hour twice), the lock of
the customer's row (a customer's invoices are made one after another, so that a change of an hour
is adjusted once), the locks of the heads (rows and lines of one state), the lock of the account's
series until commit (numbers and positions without gaps, visible in their order).
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain import billing, money, periods
from domain.refusals import Refusal
from models import audit, bill_rebuilds, bill_refusals, bills, db, idempotency, invoices

MAX_HOURS = 10_000  # a year and more


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of one customer and one granularity, by their periods; without rows (and granularity),
    the customer's pending adjustments alone."""

    customer_id: int
    granularity: periods.Granularity | None
    periods: Sequence[periods.Period]


async def generate(
    account_id: int,
    selection: Selection,
    *,
    key: str,
    issue: bool,
    expected: Decimal | None,
    now: datetime,
    actor: audit.Actor = audit.SYSTEM,
) -> billing.Invoice:
    """Makes an invoice of closed rows and of the changes of hours billed before, issued or as a
    draft. The same key and input give the same invoice, as it is now.

    `expected` is the sum of the rows' charges as the caller knows it, or without rows that of the
    pending adjustments. Refuses with TOO_MANY_ROWS, ROW_OPEN, HOURS_PENDING, UNRATED_CALLS,
    HOURS_ALREADY_INVOICED, SUBTOTAL_CHANGED, NOTHING_TO_INVOICE, IDEMPOTENCY_KEY_REUSED,
    DRAFT_DISCARDED.
    """
    digest = _digest(selection, issue, expected)
    async with db.connection() as conn:
        done = await idempotency.find(conn, account_id, "generateInvoice", key, digest)
    if done is not None:
        return await _made(account_id, done)
    wanted = _closed_hours(selection, now)
    await bill_rebuilds.rebuild(account_id, selection.customer_id, wanted, now, "rowIds")
    async with db.transaction() as conn:
        made = await bills.next_id(conn)
        done = await idempotency.claim(conn, account_id, "generateInvoice", key, digest, made, now)
        if done is None:
            await bills.lock_customer(conn, account_id, selection.customer_id)
            await bills.reserve(conn, account_id, made, _draft(selection, now), wanted, now)
            bill = await bills.compute(conn, account_id, made)
            _expect(selection, bill, expected)
            await _note(account_id, selection.customer_id, actor, "invoice.made", made, now)
            if issue:
                await bills.issue(conn, account_id, made, bill, now)
    return await _made(account_id, made if done is None else done)


async def issue_draft(
    account_id: int,
    invoice_id: int,
    *,
    key: str,
    expected: Decimal | None = None,
    now: datetime,
    actor: audit.Actor = audit.SYSTEM,
) -> billing.Invoice:
    """Computes a draft anew and issues it, if its subtotal is the expected one. The same key and
    input give the same invoice, as it is now.

    Refuses NOT_FOUND, DRAFT_DISCARDED, NOT_A_DRAFT, HOURS_PENDING, UNRATED_CALLS,
    NOTHING_TO_INVOICE, IDEMPOTENCY_KEY_REUSED; SUBTOTAL_CHANGED, which leaves the draft computed
    anew.
    """
    digest = _issue_digest(invoice_id, expected)
    async with db.connection() as conn:
        done = await idempotency.find(conn, account_id, "issueInvoice", key, digest)
        reserved = await bills.reserved(conn, account_id, invoice_id)
    draft = await invoices.get(account_id, invoice_id)
    if done is not None:
        return draft
    await bill_rebuilds.rebuild(account_id, draft.customer_id, reserved, now, "invoiceId")
    try:
        await _issue(account_id, draft, key, digest, expected, now, actor)
    except Refusal as refusal:
        if refusal.code == "SUBTOTAL_CHANGED":
            await _compute_again(account_id, draft)
        raise
    return await invoices.get(account_id, invoice_id)


async def _issue(
    account_id: int,
    draft: billing.Invoice,
    key: str,
    digest: bytes,
    expected: Decimal | None,
    now: datetime,
    actor: audit.Actor,
) -> None:
    async with db.transaction() as conn:
        done = await idempotency.claim(conn, account_id, "issueInvoice", key, digest, draft.id, now)
        if done is not None:
            return
        await bills.lock_draft(conn, account_id, draft)
        bill = await bills.compute(conn, account_id, draft.id, "invoiceId")
        if expected is not None and expected != bill.totals.subtotal:
            raise bill_refusals.draft_changed(bill.totals.subtotal)
        after = None if expected is None else {"expected_subtotal": money.plain(expected)}
        await _note(account_id, draft.customer_id, actor, "invoice.issued", draft.id, now, after)
        await bills.issue(conn, account_id, draft.id, bill, now)


async def _compute_again(account_id: int, draft: billing.Invoice) -> None:
    """So that the draft shows what it would be issued with; unless it is none any more."""
    with contextlib.suppress(Refusal):
        async with db.transaction() as conn:
            await bills.lock_draft(conn, account_id, draft)
            await bills.compute(conn, account_id, draft.id, "invoiceId")


async def discard_draft(
    account_id: int, invoice_id: int, *, now: datetime, actor: audit.Actor = audit.SYSTEM
) -> None:
    """Removes a draft and frees its hours. Refuses NOT_FOUND, DRAFT_DISCARDED, NOT_A_DRAFT."""
    draft = await invoices.get(account_id, invoice_id)
    async with db.transaction() as conn:
        await bills.lock_draft(conn, account_id, draft)
        await _note(account_id, draft.customer_id, actor, "invoice.discarded", invoice_id, now)
        await bills.discard(conn, account_id, draft, now)


async def _note(
    account_id: int,
    customer_id: int,
    actor: audit.Actor,
    action: str,
    invoice_id: int,
    now: datetime,
    after: audit.State | None = None,
) -> None:
    """In the audit log, in the transaction under way."""
    subject = f"invoice:{invoice_id}"
    await audit.insert(
        account_id, actor, action, subject, now, customer_id=customer_id, after=after
    )


def _digest(selection: Selection, issue: bool, expected: Decimal | None) -> bytes:
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
    """Without `expected` the digest is that of releases before it."""
    content: dict[str, object] = {"invoiceId": invoice_id}
    if expected is not None:
        content["expectedSubtotal"] = money.plain(expected)
    return idempotency.digest(content)


def _draft(selection: Selection, now: datetime) -> bills.Heading:
    if selection.granularity is None or not selection.periods:
        # The adjusted hours set the period when it is computed.
        return bills.Heading(selection.customer_id, billing.ADJUSTMENTS, now, now)
    return bills.Heading(
        selection.customer_id,
        selection.granularity,
        min(period.start for period in selection.periods),
        max(period.end for period in selection.periods),
    )


def _closed_hours(selection: Selection, now: datetime) -> list[datetime]:
    """The selection's hours, ascending, when all of its rows have closed."""
    if not selection.periods:
        return []
    if sum((period.end - period.start) // periods.HOUR for period in selection.periods) > MAX_HOURS:
        raise Refusal(
            "TOO_MANY_ROWS",
            "Select rows of at most {most} hours in all for one invoice.",
            "rowIds",
            most=MAX_HOURS,
        )
    last = max(selection.periods, key=lambda period: period.end)
    if last.is_open(now):
        raise Refusal(
            "ROW_OPEN",
            "A selected row is open until {end:utc}. Leave it out, or wait.",
            "rowIds",
            end=last.end,
        )
    return sorted({hour for period in selection.periods for hour in period.hours()})


def _expect(selection: Selection, bill: bills.Bill, expected: Decimal | None) -> None:
    if expected is None:
        return
    if not selection.periods and expected != bill.totals.subtotal:
        raise bill_refusals.adjustments_changed(bill.totals.subtotal)
    if selection.periods and expected != bill.usage:
        raise bill_refusals.rows_changed(bill.usage)


async def _made(account_id: int, invoice_id: int) -> billing.Invoice:
    invoice = await invoices.find(account_id, invoice_id)
    if invoice is None:
        raise Refusal(
            "DRAFT_DISCARDED",
            "The draft made with this idempotencyKey was discarded. Use a new key for a new one.",
            "idempotencyKey",
        )
    return invoice
