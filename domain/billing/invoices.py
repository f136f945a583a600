"""Invoices: pinned hours, lines, tax and total, content hash.

Source of the rules: docs/rules.md, "Invoices".
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from domain import money

ADJUSTMENTS = "ADJUSTMENTS"  # the granularity of an invoice that bills no rows


class Kind(StrEnum):
    """A document with a negative total is a credit note; its amounts keep their sign."""

    INVOICE = "INVOICE"
    CREDIT_NOTE = "CREDIT_NOTE"


class Status(StrEnum):
    DRAFT = "DRAFT"
    ISSUED = "ISSUED"
    PAID = "PAID"
    VOID = "VOID"


class LineKind(StrEnum):
    USAGE = "USAGE"
    ADJUSTMENT = "ADJUSTMENT"


@dataclass(frozen=True, slots=True)
class Pin:
    """The sums of an hour at one version; version 0, with zeros, of an hour without calls."""

    hour: datetime
    version: int = 0
    calls: int = 0
    billed_seconds: int = 0
    charge: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Share:
    """The hours' sums of a destination: `prefix:<digits>`, `switch`, `waived` or `unrated`."""

    destination: str
    calls: int
    billed_seconds: int
    charge: Decimal


@dataclass(frozen=True, slots=True)
class Change:
    """An hour as last billed, on the invoice `number`, and as it is now."""

    number: str
    billed_pin: Pin
    current_pin: Pin

    @property
    def amount(self) -> Decimal:
        return money.subtract(self.current_pin.charge, self.billed_pin.charge)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice. `calls` are attempts; the figures of an adjustment are differences."""

    kind: LineKind
    description: str
    period_start: datetime
    period_end: datetime
    calls: int
    billed_seconds: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """`total` = `subtotal` + `tax` + `rounding`, in whole minor units of the currency."""

    subtotal: Decimal
    tax: Decimal
    rounding: Decimal
    total: Decimal

    @property
    def kind(self) -> Kind:
        return Kind.CREDIT_NOTE if self.total < 0 else Kind.INVOICE


@dataclass(frozen=True, slots=True)
class Invoice:
    """A document of the account's series.

    `number`, `position`, `content_hash` and `issued_at` are None until it is issued.
    """

    id: int
    customer_id: int
    kind: Kind
    status: Status
    number: str | None
    position: int | None
    granularity: str
    period_start: datetime
    period_end: datetime
    currency: str
    subtotal: Decimal
    tax_percent: Decimal
    tax: Decimal
    rounding: Decimal
    total: Decimal
    content_hash: str | None
    created_at: datetime
    issued_at: datetime | None
    lines: Sequence[Line] = field(default=())


def format_number(position: int) -> str:
    return f"INV-{position:06d}"


def totals(subtotal: Decimal, tax_percent: Decimal, currency: str) -> Totals:
    """Calculates the exact tax, and the total, rounded half up to the currency's minor unit."""
    tax = money.percent(subtotal, tax_percent)
    exact = money.add([subtotal, tax])
    total = money.to_minor_unit(exact, currency)
    return Totals(subtotal, tax, money.subtract(total, exact), total)


def subtotal(lines: Iterable[Line]) -> Decimal:
    return money.add(line.amount for line in lines)


def content_hash(invoice: Invoice, pins: Iterable[Pin], changes: Iterable[Change]) -> str:
    """The SHA-256 (hex) of an issued invoice with its pins; its status is not included."""
    content = {
        "number": invoice.number,
        "position": invoice.position,
        "kind": invoice.kind,
        "customer": invoice.customer_id,
        "granularity": invoice.granularity,
        "period": [_format_instant(invoice.period_start), _format_instant(invoice.period_end)],
        "issuedAt": invoice.issued_at and _format_instant(invoice.issued_at),
        "currency": invoice.currency,
        "subtotal": money.plain(invoice.subtotal),
        "taxPercent": money.plain(invoice.tax_percent),
        "tax": money.plain(invoice.tax),
        "rounding": money.plain(invoice.rounding),
        "total": money.plain(invoice.total),
        "lines": [_line_content(line) for line in invoice.lines],
        "hours": [_pin_content(pin) for pin in sorted(pins, key=lambda pin: pin.hour)],
        "adjustments": [
            [change.billed_pin.version, *_pin_content(change.current_pin)]
            for change in sorted(
                changes, key=lambda change: (change.current_pin.hour, change.current_pin.version)
            )
        ],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _line_content(line: Line) -> list[str | int]:
    return [
        line.kind,
        line.description,
        _format_instant(line.period_start),
        _format_instant(line.period_end),
        line.calls,
        line.billed_seconds,
        money.plain(line.amount),
    ]


def _pin_content(pin: Pin) -> list[str | int]:
    charge = money.plain(pin.charge)
    return [_format_instant(pin.hour), pin.version, pin.calls, pin.billed_seconds, charge]


def _format_instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
