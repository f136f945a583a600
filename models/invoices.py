"""Invoices as they are read: one, and the feed in order of issue position."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from domain import billing, refusals, texts
from models import db

# Drafts have no position: where they are asked for, they follow, in the order of their making.
_AFTER_ALL = 2**62

COLUMNS = """
id, customer_id, kind, status, number, position, granularity, period_start, period_end, currency,
subtotal, tax_percent, tax, rounding, total, content_hash, created_at, issued_at
"""
BY_ID = f"SELECT {COLUMNS} FROM invoices WHERE account_id = $1 AND id = $2"
_BY_IDS = f"SELECT {COLUMNS} FROM invoices WHERE account_id = $1 AND id = ANY($2)"
_PAGE = f"""
SELECT {COLUMNS} FROM invoices
WHERE account_id = $1 AND status = ANY($2) AND ($3::bigint IS NULL OR customer_id = $3)
  AND (coalesce(position, {_AFTER_ALL}), id) > ($4, $5)
ORDER BY coalesce(position, {_AFTER_ALL}), id
LIMIT $6
"""
_LINES = """
SELECT invoice_id, kind, description, period_start, period_end, calls, billed_seconds, amount
FROM invoice_lines WHERE account_id = $1 AND invoice_id = ANY($2)
ORDER BY invoice_id, line
"""
_NUMBERS = """
SELECT h.hour, i.id, i.number FROM invoice_hours h
JOIN invoices i ON i.account_id = h.account_id AND i.id = h.invoice_id
WHERE h.account_id = $1 AND h.customer_id = $2 AND h.hour = ANY($3) AND h.freed_at IS NULL
ORDER BY h.hour
"""
_DISCARDED = "SELECT customer_id FROM discarded_drafts WHERE account_id = $1 AND id = $2"


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """Where a client of the feed stands: after this document."""

    position: int
    id: int

    @classmethod
    def of(cls, invoice: billing.Invoice) -> "Cursor":
        return cls(_AFTER_ALL if invoice.position is None else invoice.position, invoice.id)


START = Cursor(0, 0)


@dataclass(frozen=True, slots=True)
class Page:
    invoices: Sequence[billing.Invoice]
    has_next: bool


async def find(account_id: int, invoice_id: int) -> billing.Invoice | None:
    return (await by_ids(account_id, [invoice_id])).get(invoice_id)


async def get(account_id: int, invoice_id: int) -> billing.Invoice:
    """NOT_FOUND; DRAFT_DISCARDED."""
    invoice = await find(account_id, invoice_id)
    if invoice is None:
        if await discarded(account_id, invoice_id) is not None:
            raise draft_discarded()
        raise refusals.no_such("Invoice", "invoiceId")
    return invoice


async def discarded(account_id: int, invoice_id: int) -> int | None:
    """The customer of a draft that was discarded; None: there is no such discarded draft."""
    async with db.connection() as conn:
        customer_id: int | None = await conn.fetchval(_DISCARDED, account_id, invoice_id)
    return customer_id


def draft_discarded() -> refusals.Refusal:
    return refusals.Refusal(
        "DRAFT_DISCARDED", "This draft was discarded. Generate a new one.", "invoiceId"
    )


async def by_ids(account_id: int, ids: Sequence[int]) -> dict[int, billing.Invoice]:
    """Those of the invoices that there are."""
    async with db.connection() as conn:
        rows = await conn.fetch(_BY_IDS, account_id, ids)
        return {invoice.id: invoice for invoice in await with_lines(conn, account_id, rows)}


async def page(
    account_id: int,
    customer_id: int | None,
    statuses: Iterable[billing.Status],
    after: Cursor,
    first: int,
) -> Page:
    """The next `first` documents after the cursor; of all customers where `customer_id` is None.

    Positions become visible in their order (see `invoicing`), so a client that keeps its cursor
    neither misses nor repeats an issued document.
    """
    wanted = [str(status) for status in statuses]
    async with db.connection() as conn:
        rows = await conn.fetch(
            _PAGE, account_id, wanted, customer_id, after.position, after.id, first + 1
        )
        return Page(await with_lines(conn, account_id, rows[:first]), len(rows) > first)


async def with_lines(
    conn: db.Connection, account_id: int, rows: Sequence[Any]
) -> list[billing.Invoice]:
    """Rows of `invoices` as invoices with their lines."""
    invoices = [_invoice(row) for row in rows]
    lines: dict[int, list[billing.Line]] = {invoice.id: [] for invoice in invoices}
    for line in await conn.fetch(_LINES, account_id, list(lines)):
        invoice_id, kind, *rest = line
        lines[invoice_id].append(billing.Line(billing.LineKind(kind), *rest))
    return [replace(invoice, lines=tuple(lines[invoice.id])) for invoice in invoices]


async def holders(
    conn: db.Connection, account_id: int, customer_id: int, hours: Sequence[datetime]
) -> list[str | texts.Text]:
    """The invoices that hold these hours, by number, or as "a draft"."""
    rows = await conn.fetch(_NUMBERS, account_id, customer_id, hours)
    numbers = dict.fromkeys(row["number"] for row in rows)
    return [texts.Text("a draft") if number is None else number for number in numbers]


def _invoice(row: Any) -> billing.Invoice:
    values = dict(row)
    values["kind"] = billing.Kind(values["kind"])
    values["status"] = billing.Status(values["status"])
    return billing.Invoice(**values)
