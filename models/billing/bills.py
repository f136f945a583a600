"""Writes drafts and issues invoices, inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain import facts, money, refusals
from domain.billing import invoice_lines, invoices
from models import db, fact_log
from models.billing import bill_refusals, bill_sql, invoice_queries, ledger
from models.summaries import hours, revisions


@dataclass(frozen=True, slots=True)
class Heading:
    customer_id: int
    granularity: str
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True)
class Bill:
    """The content of an invoice, computed from its hours while their heads are locked.

    `usage` is the sum of the hours' charges; the subtotal adds the adjustments. `changes` are the
    changes with an amount, in the order of their lines. `heads` are the locked hours.
    """

    pins: Sequence[invoices.Pin]
    changes: Sequence[invoices.Change]
    lines: Sequence[invoices.Line]
    totals: invoices.Totals
    heads: Sequence[datetime]

    @property
    def usage(self) -> Decimal:
        return money.add(pin.charge for pin in self.pins)


async def next_id(conn: db.Connection) -> int:
    id: int = await conn.fetchval("SELECT new_id('invoices_id_seq', 512)")
    return id


async def lock_customer(conn: db.Connection, account_id: int, customer_id: int) -> None:
    """Keeps other transactions from creating or issuing the customer's invoices until commit."""
    if await conn.fetchval(bill_sql.LOCK_CUSTOMER, account_id, customer_id) is None:
        raise refusals.not_found("Customer", "customerId")


async def lock_draft(conn: db.Connection, account_id: int, draft: invoices.Invoice) -> None:
    await lock_customer(conn, account_id, draft.customer_id)
    status = await conn.fetchval(
        "SELECT status FROM invoices WHERE account_id = $1 AND id = $2 FOR UPDATE",
        account_id,
        draft.id,
    )
    if status is None:
        raise invoice_queries.draft_discarded()
    if status != invoices.Status.DRAFT:
        raise bill_refusals.not_a_draft(status)


async def reserve(
    conn: db.Connection,
    account_id: int,
    invoice_id: int,
    heading: Heading,
    selected: Sequence[datetime],
    now: datetime,
) -> None:
    """Creates a draft that reserves the selected hours. Refuses HOURS_ALREADY_INVOICED."""
    customer_id = heading.customer_id
    period = (heading.granularity, heading.period_start, heading.period_end)
    await conn.execute(bill_sql.INSERT, account_id, customer_id, invoice_id, *period, now)
    rows = await conn.fetch(bill_sql.RESERVE, account_id, customer_id, invoice_id, selected)
    billed_hours = sorted(set(selected) - {row["hour"] for row in rows})
    if billed_hours:
        holders = await invoice_queries.holders(conn, account_id, customer_id, billed_hours)
        raise bill_refusals.already_invoiced(billed_hours, holders)


async def reserved_hours(conn: db.Connection, account_id: int, invoice_id: int) -> list[datetime]:
    rows = await conn.fetch(
        "SELECT hour FROM invoice_hours WHERE account_id = $1 AND invoice_id = $2 ORDER BY hour",
        account_id,
        invoice_id,
    )
    return [row["hour"] for row in rows]


async def compute(
    conn: db.Connection, account_id: int, invoice_id: int, field: str = "rowIds"
) -> Bill:
    """Locks the heads of a draft's hours, then computes and stores its lines and totals.

    Refuses UNRATED_CALLS and NOTHING_TO_INVOICE with the input's `field`.
    """
    heading = await conn.fetchrow(bill_sql.HEADING, account_id, invoice_id)
    customer_id = heading["customer_id"]
    reserved = await reserved_hours(conn, account_id, invoice_id)
    changed = await conn.fetch(bill_sql.CHANGED, account_id, customer_id)
    affected = sorted({*reserved, *(row["hour"] for row in changed)})
    heads = {h.hour: h for h in await hours.lock(conn, account_id, customer_id, affected)}
    unrated = sum(heads[hour].unrated for hour in reserved if hour in heads)
    bill_refusals.refuse_unrated(unrated, field)
    pins = [_pin(heads[hour]) if hour in heads else invoices.Pin(hour) for hour in reserved]
    changes = [_change(row, heads[row["hour"]]) for row in changed]
    lines = await _lines(conn, account_id, heading, pins, changes)
    if not lines:
        raise bill_refusals.nothing_to_invoice(bool(reserved), field)
    period = (heading["period_start"], heading["period_end"])
    if not reserved:
        period = invoice_lines.adjusted_period(changes)
    totals = invoices.totals(invoices.subtotal(lines), heading["tax_percent"], heading["currency"])
    await _store(conn, (account_id, invoice_id), period, heading["tax_percent"], lines, totals)
    await _increase_revision(conn, account_id, customer_id)
    amounts = [change for change in changes if change.amount]
    return Bill(pins, amounts, lines, totals, list(heads))


async def _lines(
    conn: db.Connection,
    account_id: int,
    heading: Any,
    pins: Sequence[invoices.Pin],
    changes: Sequence[invoices.Change],
) -> list[invoices.Line]:
    grouping, hours_held = heading["invoice_grouping"], [pin.hour for pin in pins]
    shares = []
    if grouping == "DESTINATION":
        shares = await conn.fetch(bill_sql.SHARES, account_id, heading["customer_id"], hours_held)
    return invoice_lines.build(
        grouping,
        pins,
        [invoices.Share(**row) for row in shares],
        changes,
        (heading["period_start"], heading["period_end"]),
        heading["language"],
    )


async def issue(
    conn: db.Connection, account_id: int, invoice_id: int, bill: Bill, now: datetime
) -> None:
    """Pins the hours, records the adjustments, numbers the invoice, posts tax and rounding, and
    inserts a fact."""
    row = await conn.fetchrow(invoice_queries.BY_ID, account_id, invoice_id)
    draft = (await invoice_queries.with_lines(conn, account_id, [row]))[0]
    of = (account_id, draft.customer_id)
    pinned = [(pin.hour, pin.version, *_sums(pin)) for pin in bill.pins]
    columns = list(zip(*pinned, strict=True)) if pinned else [()] * 5
    await conn.execute(bill_sql.PIN, account_id, invoice_id, *columns)
    await conn.execute(bill_sql.BILLED, *of, bill.heads)
    first = len(bill.lines) - len(bill.changes) + 1  # adjustments come last, in the same order
    await conn.executemany(
        bill_sql.ADJUST,
        [
            (
                *(*of, change.current_pin.hour, change.billed_pin.version),
                *(change.current_pin.version, invoice_id, line, *_sums(change.current_pin)),
            )
            for line, change in enumerate(bill.changes, first)
        ],
    )
    await ledger.post_invoice(conn, account_id, draft, bill.totals, now)
    await _increase_revision(conn, *of)
    # Last, because other transactions that issue in this account wait from here on.
    number, position = await conn.fetchrow(bill_sql.NUMBER, account_id)
    issued = replace(draft, number=invoices.format_number(number), position=position, issued_at=now)
    content_hash = invoices.content_hash(issued, bill.pins, bill.changes)
    await conn.execute(
        bill_sql.ISSUE, account_id, invoice_id, issued.number, position, content_hash, now
    )
    fact = fact_log.NewFact(facts.Kind.INVOICE_ISSUED, draft.customer_id, subject_id=invoice_id)
    await fact_log.insert(conn, account_id, fact, now)


async def discard(
    conn: db.Connection, account_id: int, draft: invoices.Invoice, now: datetime
) -> None:
    await conn.execute(bill_sql.DISCARD, account_id, draft.id)
    await conn.execute(bill_sql.DISCARDED, account_id, draft.id, draft.customer_id, now)
    await _increase_revision(conn, account_id, draft.customer_id)


async def _increase_revision(conn: db.Connection, account_id: int, customer_id: int) -> None:
    await revisions.increase(conn, account_id, customer_id, revisions.Source.INVOICES)


async def _store(
    conn: db.Connection,
    of: tuple[int, int],
    period: tuple[datetime, datetime],
    tax_percent: Decimal,
    lines: Sequence[invoices.Line],
    totals: invoices.Totals,
) -> None:
    sums = (totals.subtotal, totals.tax, totals.rounding, totals.total)
    await conn.execute(bill_sql.TOTALS, *of, str(totals.kind), *period, tax_percent, *sums)
    await conn.execute("DELETE FROM invoice_lines WHERE account_id = $1 AND invoice_id = $2", *of)
    await conn.executemany(
        bill_sql.LINE, [(*of, n, str(line.kind), *_values(line)) for n, line in enumerate(lines, 1)]
    )


def _sums(pin: invoices.Pin) -> tuple[int, int, Decimal]:
    return pin.calls, pin.billed_seconds, pin.charge


def _values(line: invoices.Line) -> tuple[Any, ...]:
    period = (line.period_start, line.period_end)
    return (line.description, *period, line.calls, line.billed_seconds, line.amount)


def _pin(head: hours.Head) -> invoices.Pin:
    return invoices.Pin(head.hour, head.version, head.attempts, head.billed_seconds, head.charge)


def _change(row: Any, head: hours.Head) -> invoices.Change:
    sums = (row["version"], row["calls"], row["billed_seconds"], row["charge"])
    return invoices.Change(row["number"], invoices.Pin(row["hour"], *sums), _pin(head))
