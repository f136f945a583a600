"""A database as the last release left it: its schema, filled by SQL of that time.

Nothing here depends on the present code, so that an upgrade meets what was really stored. The
statements name the columns of that schema, and `content_hash` is a copy of that release's.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bench.support import last_release_sql as sql
from domain import money
from models import db

SCHEMA = "0011_refused_sign_ins"  # its last migration
ACCOUNT = 1
START = datetime(2026, 9, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TAX_PERCENT = Decimal(19)

Json = list[str | int]


@dataclass(frozen=True, slots=True)
class Shape:
    """`days` are divided among two issued invoices and a draft of each customer."""

    records: int
    customers: int
    days: int

    @property
    def end(self) -> datetime:
        return START + DAY * self.days

    @property
    def now(self) -> datetime:
        return self.end + DAY * 10

    def part(self, number: int) -> tuple[datetime, datetime]:
        each = DAY * (self.days // 3)
        return START + each * number, START + each * (number + 1)


@dataclass(frozen=True, slots=True)
class Document:
    """An issued invoice as it was stored."""

    id: int
    customer_id: int
    content_hash: str


async def make(shape: Shape) -> list[Document]:
    """In the opened, empty database; its issued invoices. The first day's records are dropped."""
    await db.migrate(SCHEMA)
    async with db.connection() as conn:
        await _fill(conn, shape)
        documents: list[Document] = []
        for customer_id in range(1, shape.customers + 1):
            for part in range(2):
                document = await _issued(conn, shape, customer_id, part, len(documents) + 1)
                documents.append(document)
            await _drafted(conn, shape, customer_id)
        await _pay(conn, documents[0])
        await conn.execute(
            "INSERT INTO invoice_series VALUES ($1, $2, $2)", ACCOUNT, len(documents)
        )
        await _freeze(conn, shape)
        await conn.execute("ANALYZE")
    return documents


async def _fill(conn: db.Connection, shape: Shape) -> None:
    for n in range(shape.days):
        day = START + DAY * n
        await conn.execute(
            f"CREATE TABLE call_records_{day:%Y%m%d} PARTITION OF call_records"
            f" FOR VALUES FROM ('{day}') TO ('{day + DAY}')"
        )
    customers = (ACCOUNT, shape.customers, START)
    await conn.execute(
        "INSERT INTO accounts (id, name, created_at) VALUES ($1, 'Voice', $2)", ACCOUNT, START
    )
    await conn.execute(sql.CUSTOMERS, *customers)
    await conn.execute(
        "INSERT INTO carriers (account_id, id, reference, name, currency, created_at)"
        " SELECT $1, n, 'carrier-' || n, 'Carrier', 'EUR', $2 FROM generate_series(1, 2) AS n",
        ACCOUNT,
        START,
    )
    await conn.execute(
        "INSERT INTO rate_cards (account_id, id, name, currency, created_at)"
        " VALUES ($1, 1, 'Standard', 'EUR', $2)",
        ACCOUNT,
        START,
    )
    await conn.execute(sql.RATES, ACCOUNT)
    await conn.execute(sql.ASSIGNED, *customers)
    calls = (ACCOUNT, shape.records, shape.customers, START, shape.end)
    await conn.execute(sql.RECORDS, *calls, timeout=None)
    for statement in (sql.KEYS, sql.SLOTS, sql.DESTINATIONS, sql.CODES, sql.HOURS, sql.LEDGER):
        await conn.execute(statement, ACCOUNT, timeout=None)
    for statement in sql.REVIEW:
        await conn.execute(statement, ACCOUNT, shape.end)


async def _issued(
    conn: db.Connection, shape: Shape, customer_id: int, part: int, position: int
) -> Document:
    """Issues invoices. A customer's second invoice adjusts an hour of the first."""
    start, end = shape.part(part)
    pins = [tuple(row) for row in await conn.fetch(sql.PINS, ACCOUNT, customer_id, start, end)]
    changed = [tuple(row) for row in await conn.fetch(sql.ADJUSTED, ACCOUNT, customer_id)] * part
    lines = [*_usage(pins), *(_adjustment(change, position - 1) for change in changed)]
    sums = _sums(lines)
    id: int = await conn.fetchval(sql.INVOICE, ACCOUNT, customer_id, start, end, *sums)
    of = (ACCOUNT, customer_id, id)
    await conn.executemany(sql.LINE, [(ACCOUNT, id, n, *line) for n, line in enumerate(lines, 1)])
    await conn.executemany(sql.HOUR, [(*of, *pin) for pin in pins])
    await conn.executemany(sql.ADJUSTMENT, [(*of, len(lines), *change) for change in changed])
    number, issued_at = f"INV-{position:06d}", end + DAY
    heading = {
        "number": number,
        "position": position,
        "kind": "INVOICE",
        "customer": customer_id,
        "granularity": "DAILY",
        "period": [start.isoformat(), end.isoformat()],
        "issuedAt": issued_at.isoformat(),
        "currency": "EUR",
    }
    hashed = content_hash(heading, sums, lines, pins, changed)
    await conn.execute(sql.ISSUE, ACCOUNT, id, number, position, hashed, issued_at)
    await conn.execute(sql.POST, *of, sums[2], sums[3], issued_at)
    return Document(id, customer_id, hashed)


async def _drafted(conn: db.Connection, shape: Shape, customer_id: int) -> None:
    """Creates a draft, which reserves its hours and pins none."""
    start, end = shape.part(2)
    pins = [tuple(row) for row in await conn.fetch(sql.PINS, ACCOUNT, customer_id, start, end)]
    lines = _usage(pins)
    id = await conn.fetchval(sql.INVOICE, ACCOUNT, customer_id, start, end, *_sums(lines))
    await conn.executemany(sql.LINE, [(ACCOUNT, id, n, *line) for n, line in enumerate(lines, 1)])
    reserved = [(ACCOUNT, customer_id, id, hour, None, 0, 0, 0) for hour, *_ in pins]
    await conn.executemany(sql.HOUR, reserved)


async def _pay(conn: db.Connection, document: Document) -> None:
    await conn.execute(sql.PAY, ACCOUNT, document.id)
    await conn.execute(
        "UPDATE invoices SET status = 'PAID' WHERE account_id = $1 AND id = $2",
        ACCOUNT,
        document.id,
    )


async def _freeze(conn: db.Connection, shape: Shape) -> None:
    await conn.execute(
        "UPDATE hours SET frozen = true WHERE account_id = $1 AND hour < $2", ACCOUNT, START + DAY
    )
    await conn.execute(f"DROP TABLE call_records_{START:%Y%m%d}")


Row = tuple[Any, ...]


def _usage(pins: Sequence[Row]) -> list[Row]:
    """A line for each day with calls."""
    lines = []
    for day in sorted({hour.replace(hour=0) for hour, *_ in pins}):
        parts = [pin for pin in pins if day <= pin[0] < day + DAY]
        calls, seconds, amount = (sum(pin[n] for pin in parts) for n in (2, 3, 4))
        if calls:
            description = f"Calls on {day:%Y-%m-%d}"
            lines.append(("USAGE", description, day, day + DAY, calls, seconds, Decimal(amount)))
    return lines


def _adjustment(change: Row, billed_on: int) -> Row:
    hour = change[0]
    description = f"Adjustment of {hour:%Y-%m-%d %H:%M} UTC, billed on INV-{billed_on:06d}"
    return ("ADJUSTMENT", description, hour, hour + timedelta(hours=1), 0, 0, Decimal("0.01"))


def _sums(lines: Sequence[Row]) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
    """Subtotal, tax percent, tax, rounding, total."""
    subtotal = sum((line[-1] for line in lines), Decimal(0))
    tax = subtotal * TAX_PERCENT / 100
    total = (subtotal + tax).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return subtotal, TAX_PERCENT, tax, total - subtotal - tax, total


def content_hash(
    heading: dict[str, Any],
    sums: Sequence[Decimal],
    lines: Sequence[Row],
    pins: Sequence[Row],
    changes: Sequence[Row],
) -> str:
    """The content hash of an issued invoice, as the last release computed it."""
    names = ("subtotal", "taxPercent", "tax", "rounding", "total")
    content = heading | {
        **{name: money.plain(amount) for name, amount in zip(names, sums, strict=True)},
        "lines": [_plain(line) for line in lines],
        "hours": [_plain(pin) for pin in pins],
        "adjustments": [[1, *_plain(change)] for change in changes],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(row: Row) -> Json:
    plain: Json = []
    for value in row:
        if isinstance(value, datetime):
            plain.append(value.astimezone(UTC).isoformat())
        else:
            plain.append(money.plain(value) if isinstance(value, Decimal) else value)
    return plain
