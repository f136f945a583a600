"""Assembles invoices from hours, exactly: usage lines, adjustment lines, tax, total, content hash.

Page 3 of the design, "Invoices", is the source of these rules.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal, TypeVar

from domain import money, texts

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ADJUSTMENTS = "ADJUSTMENTS"  # the granularity of an invoice that bills no rows

Grouping = Literal["DAY", "DESTINATION"]
K = TypeVar("K")
V = TypeVar("V")


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
    """An hour's sums at one version of it. Version 0 with zeros: nothing was known of the hour."""

    hour: datetime
    version: int = 0
    calls: int = 0
    billed_seconds: int = 0
    charge: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Share:
    """Of the hours: one destination (`prefix:<digits>`, `switch`, `waived` or `unrated`)."""

    destination: str
    calls: int
    billed_seconds: int
    charge: Decimal


@dataclass(frozen=True, slots=True)
class Change:
    """An hour as last billed and as it is now. `number` is the invoice that holds the hour."""

    number: str
    billed: Pin
    now: Pin

    @property
    def amount(self) -> Decimal:
        return money.subtract(self.now.charge, self.billed.charge)


@dataclass(frozen=True, slots=True)
class Line:
    """`calls` are attempts, answered or not; an adjustment's figures are differences."""

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
    """A document of the account's one series; `number`, `position` and hash from its issue on."""

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


def number(position: int) -> str:
    return f"INV-{position:06d}"


def totals(subtotal: Decimal, tax_percent: Decimal, currency: str) -> Totals:
    """Tax on the subtotal, exact; the total rounded half up, once, to the minor unit."""
    tax = money.percent(subtotal, tax_percent)
    exact = money.add([subtotal, tax])
    total = money.to_minor_unit(exact, currency)
    return Totals(subtotal, tax, money.subtract(total, exact), total)


def lines(
    grouping: Grouping,
    pins: Sequence[Pin],
    shares: Sequence[Share],
    changes: Sequence[Change],
    period: tuple[datetime, datetime],
    language: str = texts.DEFAULT,
) -> list[Line]:
    """An invoice's lines: usage by day or destination, then an adjustment for each changed hour.

    `shares` are needed for the grouping by destination only; `language` is the customer's, in which
    the lines are described. Raises ValueError when the lines do not add up to the hours: then rows
    and hours disagree, and nothing may be billed.
    """
    if grouping == "DAY":
        usage = by_day(pins, language)
    else:
        usage = by_destination(shares, period, language)
    if subtotal(usage) != money.add(pin.charge for pin in pins):
        raise ValueError("the usage lines do not add up to the charges of the hours")
    return usage + adjustments(changes, language)


def by_day(pins: Iterable[Pin], language: str = texts.DEFAULT) -> list[Line]:
    """A line for each UTC day with calls."""
    days = _grouped(pins, lambda pin: pin.hour.replace(hour=0))
    return [
        _usage(
            texts.say(language, "Calls on {day}", {"day": day.date()}), (day, day + DAY), days[day]
        )
        for day in sorted(days)
        if any(pin.calls or pin.charge for pin in days[day])
    ]


def by_destination(
    shares: Iterable[Share], period: tuple[datetime, datetime], language: str = texts.DEFAULT
) -> list[Line]:
    """A line for each destination with calls, over the whole period."""
    destinations = _grouped(shares, lambda share: share.destination)
    return [
        _usage(_destination(name).said(language), period, destinations[name])
        for name in sorted(destinations)
        if any(share.calls or share.charge for share in destinations[name])
    ]


def adjustments(changes: Iterable[Change], language: str = texts.DEFAULT) -> list[Line]:
    """A line for each hour whose charge differs from what was last billed."""
    ordered = sorted(changes, key=lambda change: change.now.hour)
    return [
        Line(
            LineKind.ADJUSTMENT,
            texts.say(
                language,
                "Adjustment of {hour:utc}, billed on {number}",
                {"hour": change.now.hour, "number": change.number},
            ),
            change.now.hour,
            change.now.hour + HOUR,
            change.now.calls - change.billed.calls,
            change.now.billed_seconds - change.billed.billed_seconds,
            change.amount,
        )
        for change in ordered
        if change.amount
    ]


def adjusted_period(changes: Iterable[Change]) -> tuple[datetime, datetime]:
    """From the first to the last hour whose charge differs from what was last billed."""
    hours = [change.now.hour for change in changes if change.amount]
    return min(hours), max(hours) + HOUR


def subtotal(of: Iterable[Line]) -> Decimal:
    return money.add(line.amount for line in of)


def content_hash(invoice: Invoice, pins: Iterable[Pin], changes: Iterable[Change]) -> str:
    """SHA-256 (hex) of what an issued invoice says and pins; its status is not part of it."""
    content = {
        "number": invoice.number,
        "position": invoice.position,
        "kind": invoice.kind,
        "customer": invoice.customer_id,
        "granularity": invoice.granularity,
        "period": [_instant(invoice.period_start), _instant(invoice.period_end)],
        "issuedAt": invoice.issued_at and _instant(invoice.issued_at),
        "currency": invoice.currency,
        "subtotal": money.plain(invoice.subtotal),
        "taxPercent": money.plain(invoice.tax_percent),
        "tax": money.plain(invoice.tax),
        "rounding": money.plain(invoice.rounding),
        "total": money.plain(invoice.total),
        "lines": [_line(line) for line in invoice.lines],
        "hours": [_pin(pin) for pin in sorted(pins, key=lambda pin: pin.hour)],
        "adjustments": [
            [change.billed.version, *_pin(change.now)]
            for change in sorted(changes, key=lambda change: (change.now.hour, change.now.version))
        ],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _grouped(items: Iterable[V], key: Callable[[V], K]) -> dict[K, list[V]]:
    groups: dict[K, list[V]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def _usage(
    description: str, period: tuple[datetime, datetime], parts: Sequence[Pin] | Sequence[Share]
) -> Line:
    return Line(
        LineKind.USAGE,
        description,
        *period,
        calls=sum(part.calls for part in parts),
        billed_seconds=sum(part.billed_seconds for part in parts),
        amount=money.add(part.charge for part in parts),
    )


def _destination(name: str) -> texts.Text:
    prefix = name.removeprefix("prefix:")
    if prefix == name:
        if name == "switch":
            return texts.Text("Calls rated by the switch")
        if name == "waived":
            return texts.Text("Waived calls")
        return texts.Text("Calls without a charge")
    if not prefix:
        return texts.Text("Calls to any other number")
    return texts.Text("Calls to {prefix}", {"prefix": prefix})


def _line(line: Line) -> list[str | int]:
    return [
        line.kind,
        line.description,
        _instant(line.period_start),
        _instant(line.period_end),
        line.calls,
        line.billed_seconds,
        money.plain(line.amount),
    ]


def _pin(pin: Pin) -> list[str | int]:
    charge = money.plain(pin.charge)
    return [_instant(pin.hour), pin.version, pin.calls, pin.billed_seconds, charge]


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
