"""Makes invoices: drafts reserve hours, issuing pins them; each in one transaction.

What holds where two come at once: the primary key of `invoice_hours` (no hour twice), the lock of
the customer's row (a customer's invoices are made one after another, so that a change of an hour
is adjusted once), the locks of the heads (rows and lines of one state), the lock of the account's
series until commit (numbers and positions without gaps, visible in their order).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain import billing, money, periods
from domain.refusals import Refusal
from models import audit, bills, db, hours, idempotency, invoices

MAX_HOURS = 10_000  # a year and more

_MARKED = """
SELECT DISTINCT hour FROM hour_marks m
WHERE account_id = $1 AND customer_id = $2 AND (
    hour = ANY($3) OR EXISTS (
        SELECT FROM invoice_hours p
        WHERE p.account_id = $1 AND p.customer_id = $2 AND p.hour = m.hour AND p.version IS NOT NULL
    )
)
ORDER BY hour
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of one customer and one granularity, by their periods."""

    customer_id: int
    granularity: periods.Granularity
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
    """Makes an invoice of closed rows, issued or as a draft; the same key gives the same one.

    `expected` is the sum of the rows' charges as the caller knows it. Refuses with EMPTY_SELECTION,
    TOO_MANY_ROWS, ROW_OPEN, UNRATED_CALLS, HOURS_ALREADY_INVOICED, SUBTOTAL_CHANGED,
    NOTHING_TO_INVOICE, IDEMPOTENCY_KEY_REUSED.
    """
    digest = _digest(selection, issue, expected)
    async with db.connection() as conn:
        done = await idempotency.find(conn, account_id, "generateInvoice", key, digest)
    if done is not None:
        return await _made(account_id, done)
    wanted = _closed_hours(selection, now)
    await _rebuild_marked(account_id, selection.customer_id, wanted, now)
    async with db.transaction() as conn:
        made = await bills.next_id(conn)
        done = await idempotency.claim(conn, account_id, "generateInvoice", key, digest, made, now)
        if done is None:
            await bills.lock_customer(conn, account_id, selection.customer_id)
            await bills.reserve(conn, account_id, made, _draft(selection), wanted, now)
            bill = await bills.compute(conn, account_id, made)
            _expect(bill.usage, expected)
            await _note(account_id, selection.customer_id, actor, "invoice.made", made, now)
            if issue:
                await bills.issue(conn, account_id, made, bill, now)
    return await _made(account_id, made if done is None else done)


async def issue_draft(
    account_id: int, invoice_id: int, *, key: str, now: datetime, actor: audit.Actor = audit.SYSTEM
) -> billing.Invoice:
    """Computes a draft anew and issues it. Refuses NOT_FOUND, NOT_A_DRAFT, UNRATED_CALLS."""
    digest = idempotency.digest({"invoiceId": invoice_id})
    async with db.connection() as conn:
        done = await idempotency.find(conn, account_id, "issueInvoice", key, digest)
        reserved = await bills.reserved(conn, account_id, invoice_id)
    draft = await invoices.get(account_id, invoice_id)
    if done is not None:
        return draft
    await _rebuild_marked(account_id, draft.customer_id, reserved, now)
    async with db.transaction() as conn:
        done = await idempotency.claim(
            conn, account_id, "issueInvoice", key, digest, invoice_id, now
        )
        if done is None:
            await bills.lock_draft(conn, account_id, draft)
            bill = await bills.compute(conn, account_id, invoice_id)
            await _note(account_id, draft.customer_id, actor, "invoice.issued", invoice_id, now)
            await bills.issue(conn, account_id, invoice_id, bill, now)
    return await invoices.get(account_id, invoice_id)


async def discard_draft(
    account_id: int, invoice_id: int, *, now: datetime, actor: audit.Actor = audit.SYSTEM
) -> None:
    """Removes a draft and frees its hours. Refuses NOT_FOUND, NOT_A_DRAFT."""
    draft = await invoices.get(account_id, invoice_id)
    async with db.transaction() as conn:
        await bills.lock_draft(conn, account_id, draft)
        await _note(account_id, draft.customer_id, actor, "invoice.discarded", invoice_id, now)
        await bills.discard(conn, account_id, invoice_id)


async def _note(
    account_id: int,
    customer_id: int,
    actor: audit.Actor,
    action: str,
    invoice_id: int,
    now: datetime,
) -> None:
    """In the audit log, in the transaction under way."""
    await audit.insert(
        account_id, actor, action, f"invoice:{invoice_id}", now, customer_id=customer_id
    )


def _digest(selection: Selection, issue: bool, expected: Decimal | None) -> bytes:
    return idempotency.digest(
        {
            "customerId": selection.customer_id,
            "granularity": selection.granularity,
            "rows": sorted({period.start.isoformat() for period in selection.periods}),
            "issue": issue,
            "expectedSubtotal": None if expected is None else money.plain(expected),
        }
    )


def _draft(selection: Selection) -> bills.Heading:
    return bills.Heading(
        selection.customer_id,
        selection.granularity,
        min(period.start for period in selection.periods),
        max(period.end for period in selection.periods),
    )


def _closed_hours(selection: Selection, now: datetime) -> list[datetime]:
    """The selection's hours, ascending, when all of its rows have closed."""
    if not selection.periods:
        raise Refusal("EMPTY_SELECTION", "Select at least one row.", "rowIds")
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


async def _rebuild_marked(
    account_id: int, customer_id: int, wanted: Sequence[datetime], now: datetime
) -> None:
    """Rebuilds what is marked of the wanted hours, and of those invoiced before: they may have
    changed, and the change is due on this invoice. Records that come later are adjusted later.
    """
    async with db.connection() as conn:
        marked = await conn.fetch(_MARKED, account_id, customer_id, wanted)
    for row in marked:
        await hours.rebuild(account_id, customer_id, row["hour"], now)


def _expect(usage: Decimal, expected: Decimal | None) -> None:
    if expected is not None and expected != usage:
        raise Refusal(
            "SUBTOTAL_CHANGED",
            "The selected rows now sum to {sum}. Read them again and confirm.",
            "expectedSubtotal",
            sum=usage,
        )


async def _made(account_id: int, invoice_id: int) -> billing.Invoice:
    invoice = await invoices.find(account_id, invoice_id)
    if invoice is None:
        raise Refusal(
            "DRAFT_DISCARDED",
            "The draft made with this idempotencyKey was discarded. Use a new key for a new one.",
            "idempotencyKey",
        )
    return invoice
