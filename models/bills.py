"""The writes of an invoice in the making, all inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain import billing, facts, money, refusals, texts
from domain.refusals import Refusal
from models import bill_sql, db, hours, invoices, ledger
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
    are those with an amount, in the order of their lines.
    """

    pins: Sequence[billing.Pin]
    changes: Sequence[billing.Change]
    lines: Sequence[billing.Line]
    totals: billing.Totals

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
        raise refusals.no_such("Invoice", "invoiceId")
    if status != billing.Status.DRAFT:
        raise Refusal(
            "NOT_A_DRAFT",
            "This invoice is {status}. Only a draft can be issued or discarded.",
            "invoiceId",
            status=status,
        )


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
        raise Refusal("HOURS_ALREADY_INVOICED", _already_invoiced(taken, holders), "rowIds")


async def reserved(conn: db.Connection, account_id: int, invoice_id: int) -> list[datetime]:
    rows = await conn.fetch(
        "SELECT hour FROM invoice_hours WHERE account_id = $1 AND invoice_id = $2 ORDER BY hour",
        account_id,
        invoice_id,
    )
    return [row["hour"] for row in rows]


async def compute(conn: db.Connection, account_id: int, invoice_id: int) -> Bill:
    """Locks the heads of a draft's hours, computes its lines and totals and stores them."""
    heading = await conn.fetchrow(bill_sql.HEADING, account_id, invoice_id)
    customer_id = heading["customer_id"]
    held = await reserved(conn, account_id, invoice_id)
    changed = await conn.fetch(bill_sql.CHANGED, account_id, customer_id)
    wanted = sorted({*held, *(row["hour"] for row in changed)})
    heads = {h.hour: h for h in await hours.lock(conn, account_id, customer_id, wanted)}
    known = [hour for hour in held if hour in heads]
    _refuse_unrated(sum(heads[hour].unrated for hour in known))
    grouping, of = heading["invoice_grouping"], (account_id, customer_id, known)
    shares = await conn.fetch(bill_sql.SHARES, *of) if grouping == "DESTINATION" else []
    pins = [_pin(heads[hour]) if hour in heads else billing.Pin(hour) for hour in held]
    changes = [_change(row, heads[row["hour"]]) for row in changed]
    lines = billing.lines(
        grouping,
        pins,
        [billing.Share(*row) for row in shares],
        changes,
        (heading["period_start"], heading["period_end"]),
        heading["language"],
    )
    if not lines:
        raise Refusal(
            "NOTHING_TO_INVOICE",
            "The selected rows have no calls. Select rows with calls.",
            "rowIds",
        )
    totals = billing.totals(billing.subtotal(lines), heading["tax_percent"], heading["currency"])
    await _store(conn, account_id, invoice_id, heading["tax_percent"], lines, totals)
    return Bill(pins, [change for change in changes if change.amount], lines, totals)


async def issue(
    conn: db.Connection, account_id: int, invoice_id: int, bill: Bill, now: datetime
) -> None:
    """Pins the hours, records the adjustments, numbers the invoice, posts tax and rounding, and
    tells it as a fact."""
    row = await conn.fetchrow(invoices.BY_ID, account_id, invoice_id)
    draft = (await invoices.with_lines(conn, account_id, [row]))[0]
    of = (account_id, draft.customer_id)
    await conn.executemany(
        bill_sql.PIN, [(*of, pin.hour, pin.version, *_sums(pin)) for pin in bill.pins]
    )
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


async def discard(conn: db.Connection, account_id: int, invoice_id: int) -> None:
    await conn.execute(
        "DELETE FROM invoices WHERE account_id = $1 AND id = $2", account_id, invoice_id
    )


async def _store(
    conn: db.Connection,
    account_id: int,
    invoice_id: int,
    tax_percent: Decimal,
    lines: Sequence[billing.Line],
    totals: billing.Totals,
) -> None:
    of = (account_id, invoice_id)
    sums = (totals.subtotal, tax_percent, totals.tax, totals.rounding, totals.total)
    await conn.execute(bill_sql.TOTALS, *of, *sums)
    await conn.execute("DELETE FROM invoice_lines WHERE account_id = $1 AND invoice_id = $2", *of)
    await conn.executemany(
        bill_sql.LINE, [(*of, n, str(line.kind), *_values(line)) for n, line in enumerate(lines, 1)]
    )


def _sums(pin: billing.Pin) -> tuple[int, int, Decimal]:
    return pin.calls, pin.billed_seconds, pin.charge


def _values(line: billing.Line) -> tuple[Any, ...]:
    period = (line.period_start, line.period_end)
    return (line.description, *period, line.calls, line.billed_seconds, line.amount)


def _already_invoiced(taken: Sequence[datetime], holders: Sequence[str | texts.Text]) -> texts.Text:
    return texts.counted(
        "{count:,} of the selected hours, {first:utc}, is already on {invoices}. Leave its row"
        " out.",
        "{count:,} of the selected hours, from {first:utc} on, are already on {invoices}. Leave"
        " those rows out.",
        len(taken),
        first=taken[0],
        invoices=_listed(holders),
    )


def _listed(names: Sequence[str | texts.Text]) -> object:
    shown = list(names[:5])
    if len(names) <= 5:
        return shown
    return texts.Text("{names} and {more:,} more", {"names": shown, "more": len(names) - 5})


def _refuse_unrated(calls: int) -> None:
    if calls:
        text = texts.counted(
            "{count:,} of the selected calls has no rate. Rate it, then invoice it.",
            "{count:,} of the selected calls have no rate. Rate them, then invoice them.",
            calls,
        )
        raise Refusal("UNRATED_CALLS", text, "rowIds")


def _pin(head: hours.Head) -> billing.Pin:
    return billing.Pin(head.hour, head.version, head.attempts, head.billed_seconds, head.charge)


def _change(row: Any, head: hours.Head) -> billing.Change:
    sums = (row["version"], row["calls"], row["billed_seconds"], row["charge"])
    return billing.Change(row["number"], billing.Pin(row["hour"], *sums), _pin(head))
