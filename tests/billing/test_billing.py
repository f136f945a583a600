"""Invoices add up exactly for any hours in any order."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import money
from domain.billing import invoice_lines, invoices

FIRST = datetime(2026, 10, 26, tzinfo=UTC)
PERIOD = (FIRST, FIRST + timedelta(days=7))
HOUR = timedelta(hours=1)

amounts = st.decimals(
    min_value=Decimal("-1e12"), max_value=Decimal("1e12"), allow_nan=False, places=12
)
rates = st.decimals(min_value=0, max_value=100, places=4)
currencies = st.sampled_from(["EUR", "USD", "JPY", "KWD", "CLF"])
counts = st.integers(0, 10**9)


@st.composite
def hours(draw: st.DrawFn) -> list[tuple[invoices.Pin, list[invoices.Share]]]:
    """Hours of a week, each with its shares of up to four destinations."""
    pinned_hours = []
    for n in draw(st.sets(st.integers(0, 167), max_size=12)):
        hour = FIRST + n * HOUR
        names = draw(st.sets(st.sampled_from(["prefix:44", "prefix:", "switch", "unrated"])))
        shares = [invoices.Share(name, draw(counts), draw(counts), draw(amounts)) for name in names]
        pin = invoices.Pin(
            hour,
            draw(st.integers(1, 9)),
            sum(share.calls for share in shares),
            sum(share.billed_seconds for share in shares),
            money.add(share.charge for share in shares),
        )
        pinned_hours.append((pin, shares))
    return pinned_hours


changes = st.lists(
    st.builds(
        lambda n, before, after: invoices.Change(
            "INV-000001",
            invoices.Pin(FIRST - n * HOUR, 1, 1, 1, before),
            invoices.Pin(FIRST - n * HOUR, 2, 2, 2, after),
        ),
        st.integers(1, 10_000),
        amounts,
        amounts,
    ),
    max_size=6,
    unique_by=lambda change: change.current_pin.hour,
)


@settings(max_examples=100)
@given(hours(), changes, st.sampled_from(["DAY", "DESTINATION"]), st.randoms())
def test_lines_sum_to_the_charges_in_any_order(
    pinned_hours: list[tuple[invoices.Pin, list[invoices.Share]]],
    adjustments: list[invoices.Change],
    grouping: invoice_lines.Grouping,
    order: random.Random,
) -> None:
    pins = [pin for pin, _ in pinned_hours]
    shares = [share for _, of_hour in pinned_hours for share in of_hour]
    lines = invoice_lines.build(grouping, pins, shares, adjustments, PERIOD)
    exact = sum((Fraction(pin.charge) for pin in pins), Fraction(0))
    exact += sum(
        Fraction(c.current_pin.charge) - Fraction(c.billed_pin.charge) for c in adjustments
    )
    assert Fraction(invoices.subtotal(lines)) == exact
    usage = [line for line in lines if line.kind is invoices.LineKind.USAGE]
    assert sum(line.calls for line in usage) == sum(pin.calls for pin in pins)
    assert sum(line.billed_seconds for line in usage) >= 0
    for items in (pins, shares, adjustments):
        order.shuffle(items)
    assert invoice_lines.build(grouping, pins, shares, adjustments, PERIOD) == lines


@settings(max_examples=100)
@given(amounts, rates, currencies)
def test_the_total_minus_its_rounding_equals_subtotal_plus_tax(
    subtotal: Decimal, rate: Decimal, currency: str
) -> None:
    totals = invoices.totals(subtotal, rate, currency)
    exact = Fraction(subtotal) * (1 + Fraction(rate) / 100)
    unit = Fraction(1, 10 ** money.minor_digits(currency))
    assert Fraction(totals.total) - Fraction(totals.rounding) == exact
    assert Fraction(totals.tax) == Fraction(subtotal) * Fraction(rate) / 100
    assert (Fraction(totals.total) / unit).denominator == 1
    assert abs(Fraction(totals.rounding)) <= unit / 2


@pytest.mark.parametrize(
    ("subtotal", "currency", "total"),
    [
        ("0.005", "EUR", "0.01"),
        ("0.00499999", "EUR", "0.00"),
        ("-0.005", "EUR", "-0.01"),
        ("2.5", "JPY", "3"),
        ("2.0005", "KWD", "2.001"),
    ],
)
def test_a_half_is_rounded_up(subtotal: str, currency: str, total: str) -> None:
    assert str(invoices.totals(Decimal(subtotal), Decimal(0), currency).total) == total


def test_days_without_calls_and_adjustments_of_zero_have_no_line() -> None:
    quiet = invoices.Pin(FIRST, 2)
    same = invoices.Change("INV-000001", invoices.Pin(FIRST, 1, 1), invoices.Pin(FIRST, 2, 2))
    assert invoice_lines.build("DAY", [quiet], [], [same], PERIOD) == []


def test_destinations_that_differ_from_the_sums_of_their_hour_are_never_billed() -> None:
    pin = invoices.Pin(FIRST, 1, 1, 60, Decimal(2))
    share = invoices.Share("prefix:44", 1, 60, Decimal(1))
    with pytest.raises(ValueError, match="do not add up"):
        invoice_lines.build("DESTINATION", [pin], [share], [], PERIOD)


def invoice() -> tuple[invoices.Invoice, list[invoices.Pin], list[invoices.Change]]:
    pins = [invoices.Pin(FIRST, 1, 1, 60, Decimal("2.50")), invoices.Pin(FIRST + HOUR)]
    changes = [
        invoices.Change(
            "INV-000001",
            invoices.Pin(FIRST - HOUR, 1, 1, 60, Decimal(1)),
            invoices.Pin(FIRST - HOUR, 3, 2, 90, Decimal("1.5")),
        )
    ]
    lines = invoice_lines.build("DAY", pins, [], changes, PERIOD)
    totals = invoices.totals(invoices.subtotal(lines), Decimal(19), "EUR")
    document = invoices.Invoice(
        id=1,
        customer_id=7,
        kind=invoices.Kind.INVOICE,
        status=invoices.Status.ISSUED,
        number=invoices.format_number(2),
        position=2,
        granularity="DAILY",
        period_start=PERIOD[0],
        period_end=PERIOD[1],
        currency="EUR",
        subtotal=totals.subtotal,
        tax_percent=Decimal(19),
        tax=totals.tax,
        rounding=totals.rounding,
        total=totals.total,
        content_hash=None,
        created_at=FIRST,
        issued_at=FIRST,
        lines=tuple(lines),
    )
    return document, pins, changes


def test_the_hash_depends_on_the_content_and_not_on_notation_or_order() -> None:
    document, pins, changes = invoice()
    content_hash = invoices.content_hash(document, pins, changes)
    same = replace(
        document, status=invoices.Status.PAID, subtotal=document.subtotal + Decimal("0.000")
    )
    assert invoices.content_hash(same, pins[::-1], changes) == content_hash


def test_any_change_to_an_issued_document_changes_the_hash() -> None:
    document, pins, changes = invoice()
    line = replace(document.lines[0], calls=2)
    hashes = {
        invoices.content_hash(other, *rest)
        for other, *rest in [
            (document, pins, changes),
            (replace(document, number="INV-000003"), pins, changes),
            (replace(document, customer_id=8), pins, changes),
            (replace(document, total=document.total + 1), pins, changes),
            (replace(document, issued_at=FIRST + HOUR), pins, changes),
            (replace(document, lines=(line, *document.lines[1:])), pins, changes),
            (document, [replace(pins[0], version=2), *pins[1:]], changes),
            (document, pins[:1], changes),
            (document, pins, []),
        ]
    }
    assert len(hashes) == 9
