"""The lines of an invoice: usage by day or by destination, and adjustments.

Source of the rules: docs/rules.md, "Invoices".
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from domain import money
from domain.billing import invoices
from domain.messaging import texts

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)

Grouping = Literal["DAY", "DESTINATION"]
K = TypeVar("K")
V = TypeVar("V")


def build(
    grouping: Grouping,
    pins: Sequence[invoices.Pin],
    shares: Sequence[invoices.Share],
    changes: Sequence[invoices.Change],
    period: tuple[datetime, datetime],
    language: str = texts.DEFAULT,
) -> list[invoices.Line]:
    """The usage lines by day or destination, then an adjustment for each changed hour.

    Only the grouping by destination uses `shares`. The descriptions are in `language`, that of the
    customer. Raises ValueError if the lines do not add up to the hours: then rows and hours differ,
    and nothing may be billed.
    """
    if grouping == "DAY":
        usage = _usage_by_day(pins, language)
    else:
        usage = _usage_by_destination(shares, period, language)
    if invoices.subtotal(usage) != money.add(pin.charge for pin in pins):
        raise ValueError("the usage lines do not add up to the charges of the hours")
    return usage + _adjustments(changes, language)


def _usage_by_day(pins: Iterable[invoices.Pin], language: str) -> list[invoices.Line]:
    """A line for each UTC day with calls."""
    days = _group(pins, lambda pin: pin.hour.replace(hour=0))
    return [
        _usage_line(
            texts.translate(language, "Calls on {day}", {"day": day.date()}),
            (day, day + _DAY),
            days[day],
        )
        for day in sorted(days)
        if any(pin.calls or pin.charge for pin in days[day])
    ]


def _usage_by_destination(
    shares: Iterable[invoices.Share], period: tuple[datetime, datetime], language: str
) -> list[invoices.Line]:
    """A line for each destination with calls, over the whole period."""
    destinations = _group(shares, lambda share: share.destination)
    return [
        _usage_line(_destination_text(name).translate(language), period, destinations[name])
        for name in sorted(destinations)
        if any(share.calls or share.charge for share in destinations[name])
    ]


def _adjustments(changes: Iterable[invoices.Change], language: str) -> list[invoices.Line]:
    """A line for each hour whose charge differs from the last billed one."""
    ordered = sorted(changes, key=lambda change: change.current_pin.hour)
    return [
        invoices.Line(
            invoices.LineKind.ADJUSTMENT,
            texts.translate(
                language,
                "Adjustment of {hour:utc}, billed on {number}",
                {"hour": change.current_pin.hour, "number": change.number},
            ),
            change.current_pin.hour,
            change.current_pin.hour + _HOUR,
            change.current_pin.calls - change.billed_pin.calls,
            change.current_pin.billed_seconds - change.billed_pin.billed_seconds,
            change.amount,
        )
        for change in ordered
        if change.amount
    ]


def adjusted_period(changes: Iterable[invoices.Change]) -> tuple[datetime, datetime]:
    """The period from the first to the last hour whose charge differs from the last billed one."""
    hours = [change.current_pin.hour for change in changes if change.amount]
    return min(hours), max(hours) + _HOUR


def _group(items: Iterable[V], key: Callable[[V], K]) -> dict[K, list[V]]:
    groups: dict[K, list[V]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def _usage_line(
    description: str,
    period: tuple[datetime, datetime],
    parts: Sequence[invoices.Pin] | Sequence[invoices.Share],
) -> invoices.Line:
    return invoices.Line(
        invoices.LineKind.USAGE,
        description,
        *period,
        calls=sum(part.calls for part in parts),
        billed_seconds=sum(part.billed_seconds for part in parts),
        amount=money.add(part.charge for part in parts),
    )


def _destination_text(name: str) -> texts.Text:
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
