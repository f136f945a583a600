"""Reads invoices: single ones, and the feed in order of issue position."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from domain import refusals
from domain.billing import invoices
from domain.messaging import texts
from models import db

# Drafts have no position: in the feed they come last, in the order of their creation.
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
JOIN invoices i ON i.account_id = $1 AND i.id = h.invoice_id
WHERE h.account_id = $1 AND h.customer_id = $2 AND h.hour = ANY($3) AND h.freed_at IS NULL
ORDER BY h.hour
"""
_DISCARDED = "SELECT customer_id FROM discarded_drafts WHERE account_id = $1 AND id = $2"


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A client's position in the feed: after this document."""

    position: int
    id: int

    @classmethod
    def of(cls, invoice: invoices.Invoice) -> "Cursor":
        return cls(_AFTER_ALL if invoice.position is None else invoice.position, invoice.id)


START = Cursor(0, 0)


@dataclass(frozen=True, slots=True)
class Page:
    invoices: Sequence[invoices.Invoice]
    has_next: bool


async def find(account_id: int, invoice_id: int) -> invoices.Invoice | None:
    return (await by_ids(account_id, [invoice_id])).get(invoice_id)


async def get(account_id: int, invoice_id: int) -> invoices.Invoice:
    """Refuses NOT_FOUND, DRAFT_DISCARDED."""
    invoice = await find(account_id, invoice_id)
    if invoice is None:
        if await discarded_customer(account_id, invoice_id) is not None:
            raise draft_discarded()
        raise refusals.not_found("Invoice", "id")
    return invoice


async def discarded_customer(account_id: int, invoice_id: int) -> int | None:
    """The customer of a discarded draft; None if there is no such discarded draft."""
    async with db.connection() as conn:
        customer_id: int | None = await conn.fetchval(_DISCARDED, account_id, invoice_id)
    return customer_id


def draft_discarded() -> refusals.Refusal:
    return refusals.Refusal(
        "DRAFT_DISCARDED", "This draft was discarded. Generate a new one.", "id"
    )


async def by_ids(account_id: int, ids: Sequence[int]) -> dict[int, invoices.Invoice]:
    """The existing invoices among these, by id."""
    async with db.connection() as conn:
        rows = await conn.fetch(_BY_IDS, account_id, ids)
        return {invoice.id: invoice for invoice in await with_lines(conn, account_id, rows)}


async def page(
    account_id: int,
    customer_id: int | None,
    statuses: Iterable[invoices.Status],
    after: Cursor,
    first: int,
) -> Page:
    """The next `first` documents after the cursor; of all customers if `customer_id` is None.

    Positions become visible in their order (see `invoicing`), so a client that keeps its cursor
    neither misses nor repeats an issued document.
    """
    names = [str(status) for status in statuses]
    async with db.connection() as conn:
        rows = await conn.fetch(
            _PAGE, account_id, names, customer_id, after.position, after.id, first + 1
        )
        return Page(await with_lines(conn, account_id, rows[:first]), len(rows) > first)


async def with_lines(
    conn: db.Connection, account_id: int, rows: Sequence[Any]
) -> list[invoices.Invoice]:
    """Rows of `invoices` as invoices with their lines."""
    documents = [_invoice(row) for row in rows]
    lines: dict[int, list[invoices.Line]] = {document.id: [] for document in documents}
    for line in await conn.fetch(_LINES, account_id, list(lines)):
        invoice_id, kind, *rest = line
        lines[invoice_id].append(invoices.Line(invoices.LineKind(kind), *rest))
    return [replace(document, lines=tuple(lines[document.id])) for document in documents]


async def holders(
    conn: db.Connection, account_id: int, customer_id: int, hours: Sequence[datetime]
) -> list[str | texts.Text]:
    """The invoices that hold these hours, by number, or as "a draft"."""
    rows = await conn.fetch(_NUMBERS, account_id, customer_id, hours)
    numbers = dict.fromkeys(row["number"] for row in rows)
    return [texts.Text("a draft") if number is None else number for number in numbers]


def _invoice(row: Any) -> invoices.Invoice:
    values = dict(row)
    values["kind"] = invoices.Kind(values["kind"])
    values["status"] = invoices.Status(values["status"])
    return invoices.Invoice(**values)
