"""The writes of an invoice in the making, all inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain import billing, facts, money, refusals
from models import bill_refusals, bill_sql, db, hours, invoices, ledger
from models import facts as stored


@dataclass(frozen=True, slots=True)
class Heading:
    customer_id: int
    granularity: str
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True)
class Bill:
    """What an invoice says of its hours as they are while their heads are locked.

    `usage` is the sum of the hours' charges; the subtotal adds the adjustments to it. `changes`
    are those with an amount, in the order of their lines. `heads` are the hours that are locked.
    """

    pins: Sequence[billing.Pin]
    changes: Sequence[billing.Change]
    lines: Sequence[billing.Line]
    totals: billing.Totals
    heads: Sequence[datetime]

    @property
    def usage(self) -> Decimal:
        return money.add(pin.charge for pin in self.pins)


async def next_id(conn: db.Connection) -> int:
    made: int = await conn.fetchval("SELECT nextval(pg_get_serial_sequence('invoices', 'id'))")
    return made


async def lock_customer(conn: db.Connection, account_id: int, customer_id: int) -> None:
    """Until the transaction ends, nobody else makes or issues an invoice of this customer."""
    if await conn.fetchval(bill_sql.LOCK_CUSTOMER, account_id, customer_id) is None:
        raise refusals.no_such("Customer", "customerId")


async def lock_draft(conn: db.Connection, account_id: int, draft: billing.Invoice) -> None:
    await lock_customer(conn, account_id, draft.customer_id)
    status = await conn.fetchval(
        "SELECT status FROM invoices WHERE account_id = $1 AND id = $2 FOR UPDATE",
        account_id,
        draft.id,
    )
    if status is None:
        raise invoices.draft_discarded()
    if status != billing.Status.DRAFT:
        raise bill_refusals.not_a_draft(status)


async def reserve(
    conn: db.Connection,
    account_id: int,
    invoice_id: int,
    heading: Heading,
    wanted: Sequence[datetime],
    now: datetime,
) -> None:
    """Opens a draft that holds the wanted hours. Refuses hours that another live invoice holds."""
    customer_id = heading.customer_id
    period = (heading.granularity, heading.period_start, heading.period_end)
    await conn.execute(bill_sql.INSERT, account_id, customer_id, invoice_id, *period, now)
    rows = await conn.fetch(bill_sql.RESERVE, account_id, customer_id, invoice_id, wanted)
    taken = sorted(set(wanted) - {row["hour"] for row in rows})
    if taken:
        holders = await invoices.holders(conn, account_id, customer_id, taken)
        raise bill_refusals.already_invoiced(taken, holders)


async def reserved(conn: db.Connection, account_id: int, invoice_id: int) -> list[datetime]:
    rows = await conn.fetch(
        "SELECT hour FROM invoice_hours WHERE account_id = $1 AND invoice_id = $2 ORDER BY hour",
        account_id,
        invoice_id,
    )
    return [row["hour"] for row in rows]


async def compute(
    conn: db.Connection, account_id: int, invoice_id: int, field: str = "rowIds"
) -> Bill:
    """Locks the heads of a draft's hours, computes its lines and totals and stores them.

    Refuses UNRATED_CALLS and NOTHING_TO_INVOICE, of the input's `field`.
    """
    heading = await conn.fetchrow(bill_sql.HEADING, account_id, invoice_id)
    customer_id = heading["customer_id"]
    held = await reserved(conn, account_id, invoice_id)
    changed = await conn.fetch(bill_sql.CHANGED, account_id, customer_id)
    wanted = sorted({*held, *(row["hour"] for row in changed)})
    heads = {h.hour: h for h in await hours.lock(conn, account_id, customer_id, wanted)}
    bill_refusals.refuse_unrated(sum(heads[hour].unrated for hour in held if hour in heads), field)
    pins = [_pin(heads[hour]) if hour in heads else billing.Pin(hour) for hour in held]
    changes = [_change(row, heads[row["hour"]]) for row in changed]
    lines = await _lines(conn, account_id, heading, pins, changes)
    if not lines:
        raise bill_refusals.nothing(bool(held), field)
    period = (heading["period_start"], heading["period_end"])
    if not held:
        period = billing.adjusted_period(changes)
    totals = billing.totals(billing.subtotal(lines), heading["tax_percent"], heading["currency"])
    await _store(conn, (account_id, invoice_id), period, heading["tax_percent"], lines, totals)
    amounts = [change for change in changes if change.amount]
    return Bill(pins, amounts, lines, totals, list(heads))


async def _lines(
    conn: db.Connection,
    account_id: int,
    heading: Any,
    pins: Sequence[billing.Pin],
    changes: Sequence[billing.Change],
) -> list[billing.Line]:
    grouping, hours_held = heading["invoice_grouping"], [pin.hour for pin in pins]
    shares = []
    if grouping == "DESTINATION":
        shares = await conn.fetch(bill_sql.SHARES, account_id, heading["customer_id"], hours_held)
    return billing.lines(
        grouping,
        pins,
        [billing.Share(*row) for row in shares],
        changes,
        (heading["period_start"], heading["period_end"]),
        heading["language"],
    )


async def issue(
    conn: db.Connection, account_id: int, invoice_id: int, bill: Bill, now: datetime
) -> None:
    """Pins the hours, records the adjustments, numbers the invoice, posts tax and rounding, and
    tells it as a fact."""
    row = await conn.fetchrow(invoices.BY_ID, account_id, invoice_id)
    draft = (await invoices.with_lines(conn, account_id, [row]))[0]
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
                *(*of, change.now.hour, change.billed.version, change.now.version),
                *(invoice_id, line, *_sums(change.now)),
            )
            for line, change in enumerate(bill.changes, first)
        ],
    )
    await ledger.post_invoice(conn, account_id, draft, bill.totals, now)
    # Last, because everyone who issues in this account waits from here on.
    number, position = await conn.fetchrow(bill_sql.NUMBER, account_id)
    issued = replace(draft, number=billing.number(number), position=position, issued_at=now)
    content_hash = billing.content_hash(issued, bill.pins, bill.changes)
    await conn.execute(
        bill_sql.ISSUE, account_id, invoice_id, issued.number, position, content_hash, now
    )
    kind = facts.Kind.INVOICE_ISSUED
    await stored.insert(conn, *of, kind, now, subject_id=invoice_id)


async def discard(
    conn: db.Connection, account_id: int, draft: billing.Invoice, now: datetime
) -> None:
    await conn.execute(bill_sql.DISCARD, account_id, draft.id)
    await conn.execute(bill_sql.DISCARDED, account_id, draft.id, draft.customer_id, now)


async def _store(
    conn: db.Connection,
    of: tuple[int, int],
    period: tuple[datetime, datetime],
    tax_percent: Decimal,
    lines: Sequence[billing.Line],
    totals: billing.Totals,
) -> None:
    sums = (totals.subtotal, totals.tax, totals.rounding, totals.total)
    await conn.execute(bill_sql.TOTALS, *of, str(totals.kind), *period, tax_percent, *sums)
    await conn.execute("DELETE FROM invoice_lines WHERE account_id = $1 AND invoice_id = $2", *of)
    await conn.executemany(
        bill_sql.LINE, [(*of, n, str(line.kind), *_values(line)) for n, line in enumerate(lines, 1)]
    )


def _sums(pin: billing.Pin) -> tuple[int, int, Decimal]:
    return pin.calls, pin.billed_seconds, pin.charge


def _values(line: billing.Line) -> tuple[Any, ...]:
    period = (line.period_start, line.period_end)
    return (line.description, *period, line.calls, line.billed_seconds, line.amount)


def _pin(head: hours.Head) -> billing.Pin:
    return billing.Pin(head.hour, head.version, head.attempts, head.billed_seconds, head.charge)


def _change(row: Any, head: hours.Head) -> billing.Change:
    sums = (row["version"], row["calls"], row["billed_seconds"], row["charge"])
    return billing.Change(row["number"], billing.Pin(row["hour"], *sums), _pin(head))
