"""The writes of an invoice in the making, all inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain import billing, money
from domain.refusals import Refusal
from models import db, hours, invoices, ledger

_LOCK_CUSTOMER = """
SELECT currency FROM customers WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE
"""
_INSERT = """
INSERT INTO invoices (
    account_id, id, customer_id, kind, status, granularity, period_start, period_end, currency,
    subtotal, tax_percent, tax, rounding, total, created_at
)
SELECT account_id, $3, id, 'INVOICE', 'DRAFT', $4, $5, $6, currency, 0, tax_percent, 0, 0, 0, $7
FROM customers WHERE account_id = $1 AND id = $2
"""
_RESERVE = """
INSERT INTO invoice_hours (account_id, customer_id, hour, invoice_id)
SELECT $1, $2, hour, $3 FROM unnest($4::timestamptz[]) AS hour ORDER BY hour
ON CONFLICT (account_id, customer_id, hour) DO NOTHING
RETURNING hour
"""
_HEADING = """
SELECT i.customer_id, i.period_start, i.period_end, i.currency, c.tax_percent, a.invoice_grouping
FROM invoices i
JOIN customers c ON c.account_id = i.account_id AND c.id = i.customer_id
JOIN accounts a ON a.id = i.account_id
WHERE i.account_id = $1 AND i.id = $2
"""
_SHARES = """
SELECT hour, destination, attempts, billed_seconds, charge FROM rollup_destinations
WHERE account_id = $1 AND customer_id = $2 AND hour = ANY($3)
"""
# Hours of issued invoices whose charge is no more what was last billed: their pin, or the latest
# adjustment of them.
_CHANGED = """
SELECT p.hour, i.number, coalesce(a.to_version, p.version) AS version,
       coalesce(a.calls, p.calls) AS calls,
       coalesce(a.billed_seconds, p.billed_seconds) AS billed_seconds,
       coalesce(a.charge, p.charge) AS charge
FROM invoice_hours p
JOIN invoices i ON i.account_id = p.account_id AND i.id = p.invoice_id
JOIN hours h ON h.account_id = p.account_id AND h.customer_id = p.customer_id AND h.hour = p.hour
LEFT JOIN LATERAL (
    SELECT * FROM invoice_adjustments a
    WHERE a.account_id = p.account_id AND a.customer_id = p.customer_id AND a.hour = p.hour
    ORDER BY a.to_version DESC LIMIT 1
) a ON true
WHERE p.account_id = $1 AND p.customer_id = $2 AND p.version IS NOT NULL
  AND h.version > coalesce(a.to_version, p.version) AND h.charge <> coalesce(a.charge, p.charge)
ORDER BY p.hour
"""
_TOTALS = """
UPDATE invoices SET subtotal = $3, tax_percent = $4, tax = $5, rounding = $6, total = $7
WHERE account_id = $1 AND id = $2
"""
_LINE = """
INSERT INTO invoice_lines (
    account_id, invoice_id, line, kind, description, period_start, period_end, calls,
    billed_seconds, amount
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_NUMBER = """
INSERT INTO invoice_series AS s (account_id, last_number, last_position) VALUES ($1, 1, 1)
ON CONFLICT (account_id) DO UPDATE
SET last_number = s.last_number + 1, last_position = s.last_position + 1
RETURNING last_number, last_position
"""
_PIN = """
UPDATE invoice_hours SET version = $4, calls = $5, billed_seconds = $6, charge = $7
WHERE account_id = $1 AND customer_id = $2 AND hour = $3
"""
_ADJUST = """
INSERT INTO invoice_adjustments (
    account_id, customer_id, hour, from_version, to_version, invoice_id, line, calls,
    billed_seconds, charge
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_ISSUE = """
UPDATE invoices
SET status = 'ISSUED', number = $3, position = $4, content_hash = $5, issued_at = $6
WHERE account_id = $1 AND id = $2
"""


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
    if await conn.fetchval(_LOCK_CUSTOMER, account_id, customer_id) is None:
        raise Refusal("NOT_FOUND", "There is no such customer. Check its id.", "customerId")


async def lock_draft(conn: db.Connection, account_id: int, draft: billing.Invoice) -> None:
    await lock_customer(conn, account_id, draft.customer_id)
    status = await conn.fetchval(
        "SELECT status FROM invoices WHERE account_id = $1 AND id = $2 FOR UPDATE",
        account_id,
        draft.id,
    )
    if status is None:
        raise Refusal("NOT_FOUND", "There is no such invoice. Check its id.", "invoiceId")
    if status != billing.Status.DRAFT:
        message = f"This invoice is {status}. Only a draft can be issued or discarded."
        raise Refusal("NOT_A_DRAFT", message, "invoiceId")


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
    await conn.execute(_INSERT, account_id, customer_id, invoice_id, *period, now)
    rows = await conn.fetch(_RESERVE, account_id, customer_id, invoice_id, wanted)
    taken = sorted(set(wanted) - {row["hour"] for row in rows})
    if taken:
        holders = await invoices.holders(conn, account_id, customer_id, taken)
        raise Refusal(
            "HOURS_ALREADY_INVOICED",
            f"{len(taken)} of the selected hours, from {taken[0]:%Y-%m-%d %H:%M} UTC on, are "
            f"already on {_listed(holders)}. Leave those rows out.",
            "rowIds",
        )


async def reserved(conn: db.Connection, account_id: int, invoice_id: int) -> list[datetime]:
    rows = await conn.fetch(
        "SELECT hour FROM invoice_hours WHERE account_id = $1 AND invoice_id = $2 ORDER BY hour",
        account_id,
        invoice_id,
    )
    return [row["hour"] for row in rows]


async def compute(conn: db.Connection, account_id: int, invoice_id: int) -> Bill:
    """Locks the heads of a draft's hours, computes its lines and totals and stores them."""
    heading = await conn.fetchrow(_HEADING, account_id, invoice_id)
    customer_id = heading["customer_id"]
    held = await reserved(conn, account_id, invoice_id)
    changed = await conn.fetch(_CHANGED, account_id, customer_id)
    wanted = sorted({*held, *(row["hour"] for row in changed)})
    heads = {h.hour: h for h in await hours.lock(conn, account_id, customer_id, wanted)}
    known = [hour for hour in held if hour in heads]
    _refuse_unrated(sum(heads[hour].unrated for hour in known))
    shares = await conn.fetch(_SHARES, account_id, customer_id, known)
    pins = [_pin(heads[hour]) if hour in heads else billing.Pin(hour) for hour in held]
    changes = [_change(row, heads[row["hour"]]) for row in changed]
    lines = billing.lines(
        heading["invoice_grouping"],
        pins,
        [billing.Share(*row) for row in shares],
        changes,
        (heading["period_start"], heading["period_end"]),
    )
    if not lines:
        message = "The selected rows have no calls. Select rows with calls."
        raise Refusal("NOTHING_TO_INVOICE", message, "rowIds")
    totals = billing.totals(billing.subtotal(lines), heading["tax_percent"], heading["currency"])
    await _store(conn, account_id, invoice_id, heading["tax_percent"], lines, totals)
    return Bill(pins, [change for change in changes if change.amount], lines, totals)


async def issue(
    conn: db.Connection, account_id: int, invoice_id: int, bill: Bill, now: datetime
) -> None:
    """Pins the hours, records the adjustments, numbers the invoice and posts tax and rounding."""
    row = await conn.fetchrow(invoices.BY_ID, account_id, invoice_id)
    draft = (await invoices.with_lines(conn, account_id, [row]))[0]
    of = (account_id, draft.customer_id)
    await conn.executemany(_PIN, [(*of, pin.hour, pin.version, *_sums(pin)) for pin in bill.pins])
    first = len(bill.lines) - len(bill.changes) + 1  # adjustments come last, in the same order
    await conn.executemany(
        _ADJUST,
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
    number, position = await conn.fetchrow(_NUMBER, account_id)
    issued = replace(draft, number=billing.number(number), position=position, issued_at=now)
    content_hash = billing.content_hash(issued, bill.pins, bill.changes)
    await conn.execute(_ISSUE, account_id, invoice_id, issued.number, position, content_hash, now)


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
    await conn.execute(_TOTALS, *of, *sums)
    await conn.execute("DELETE FROM invoice_lines WHERE account_id = $1 AND invoice_id = $2", *of)
    await conn.executemany(
        _LINE, [(*of, n, str(line.kind), *_values(line)) for n, line in enumerate(lines, 1)]
    )


def _sums(pin: billing.Pin) -> tuple[int, int, Decimal]:
    return pin.calls, pin.billed_seconds, pin.charge


def _values(line: billing.Line) -> tuple[Any, ...]:
    period = (line.period_start, line.period_end)
    return (line.description, *period, line.calls, line.billed_seconds, line.amount)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _refuse_unrated(calls: int) -> None:
    if calls:
        raise Refusal(
            "UNRATED_CALLS",
            f"{calls} of the selected calls have no rate. Rate them, then invoice them.",
            "rowIds",
        )


def _pin(head: hours.Head) -> billing.Pin:
    return billing.Pin(head.hour, head.version, head.attempts, head.billed_seconds, head.charge)


def _change(row: Any, head: hours.Head) -> billing.Change:
    sums = (row["version"], row["calls"], row["billed_seconds"], row["charge"])
    return billing.Change(row["number"], billing.Pin(row["hour"], *sums), _pin(head))
