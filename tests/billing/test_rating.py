"""Increments, connection fee, longest prefix and the one rounding of a charge."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import money
from domain.billing import rating

SECOND = 1_000_000
AT = datetime(2026, 11, 20, tzinfo=UTC)


def rate(
    minimum: int = 1, increment: int = 1, per_minute: str = "0.60", fee: str = "0", prefix: str = ""
) -> rating.Rate:
    return rating.Rate(prefix, Decimal(per_minute), Decimal(fee), minimum, increment)


def card(*rates: rating.Rate, places: int = 6) -> rating.Card:
    rows = {
        rate.prefix: [rating.RateRevision(rating.FIRST_EFFECTIVE_FROM, 1, rate)] for rate in rates
    }
    return rating.Card(1, "EUR", money.Rounding.HALF_UP, places, rating.ListedRates(rows))


@pytest.mark.parametrize(
    ("minimum", "increment", "talked", "billed"),
    [
        *((30, 6, 7, 30), (30, 6, 30, 30), (30, 6, 31, 36), (30, 6, 57, 60), (30, 6, 61, 66)),
        *((45, 30, 46, 75), (60, 60, 1, 60), (60, 60, 60, 60), (60, 60, 61, 120)),
        *((1, 1, 1, 1), (1, 1, 59, 59), (0, 6, 1, 6), (0, 6, 6, 6), (30, 6, 0, 0)),
    ],
)
def test_talk_time_is_billed_by_minimum_and_increment(
    minimum: int, increment: int, talked: int, billed: int
) -> None:
    assert rating.billed_seconds(talked * SECOND, rate(minimum, increment)) == billed


def test_a_31_second_call_on_30_6_bills_36_seconds() -> None:
    assert rating.billed_seconds(31 * SECOND, rate(30, 6)) == 36


def test_one_microsecond_beyond_a_second_bills_the_next_second() -> None:
    assert rating.billed_seconds(30 * SECOND + 1, rate(30, 6)) == 36
    assert rating.billed_seconds(1, rate(1, 1)) == 1


talks = st.integers(0, 10**6 * 90_000)
rates = st.builds(
    rating.Rate,
    prefix=st.just(""),
    per_minute=st.decimals(0, 100, places=6),
    connect_fee=st.decimals(0, 10, places=4),
    minimum=st.integers(0, 120),
    increment=st.integers(1, 120),
    round_up_seconds=st.booleans(),
)


@given(talks, rates)
def test_billed_seconds_exceed_the_talk_time_by_less_than_an_increment(
    talk_us: int, at: rating.Rate
) -> None:
    billed = rating.billed_seconds(talk_us, at)
    if talk_us == 0:
        assert billed == 0
        return
    assert billed * SECOND >= talk_us
    assert (billed - at.minimum) % at.increment == 0
    assert billed == at.minimum or (billed - at.increment) * SECOND < talk_us


@given(talks, rates, st.integers(0, 12), st.sampled_from(money.Rounding))
def test_a_charge_is_the_exact_amount_rounded_once(
    talk_us: int, at: rating.Rate, places: int, rounding: money.Rounding
) -> None:
    billed = rating.billed_seconds(talk_us, at)
    exact = Fraction(at.connect_fee) + Fraction(at.per_minute) * billed / 60
    charged = Fraction(rating.charge(billed, at, places, rounding))
    step = Fraction(1, 10**places)
    match rounding:
        case money.Rounding.HALF_UP:
            assert charged == ((exact / step + Fraction(1, 2)) // 1) * step
        case money.Rounding.HALF_EVEN:
            assert charged == round(exact / step) * step
        case money.Rounding.UP:
            assert charged == ceil(exact / step) * step
        case money.Rounding.DOWN:
            assert charged == (exact // step) * step


@given(st.sets(st.text("0123456789", max_size=6), max_size=30), st.text("0123456789", max_size=12))
def test_the_longest_prefix_rates_a_number(prefixes: set[str], number: str) -> None:
    match = card(*(rate(prefix=prefix) for prefix in prefixes)).match("+" + number, AT)
    matching = [prefix for prefix in prefixes if number.startswith(prefix)]
    assert (match.prefix if match else None) == (max(matching, key=len) if matching else None)


def test_price_per_minute_and_connection_fee_are_charged_together() -> None:
    rated = rating.charge_by_card(
        61 * SECOND, "+15550100", AT, card(rate(30, 6, "0.10", "0.05", "1"))
    )
    assert rated == rating.LegCharge("CARD", 66, Decimal("0.160000"), "1", 1, 1, Decimal("0.10"))


def test_a_call_without_talk_time_is_rated_and_costs_nothing() -> None:
    rates_ = card(rate(30, 6, fee="1", prefix="1"))
    assert rating.charge_by_card(0, "15550100", AT, rates_) == rating.LegCharge(
        "CARD", 0, Decimal(0), "1", 1, 1, Decimal("0.60")
    )
    assert rating.charge_by_card(0, "4416", AT, rates_) == rating.LegCharge(
        "CARD", 0, Decimal(0), "", None
    )
    assert rating.charge_by_card(0, "4416", AT, None).charge == 0


def test_talk_time_without_a_matching_prefix_is_unrated() -> None:
    assert rating.charge_by_card(SECOND, "4416", AT, card(rate(prefix="1"))) == rating.NOT_CHARGED
    assert rating.charge_by_card(SECOND, "4416", AT, None).charge is None


def test_a_charge_set_by_the_switch_is_stored_with_whole_seconds() -> None:
    amount = Decimal("0.0123")
    assert rating.charge_by_switch(1_500_000, amount, None) == rating.LegCharge("SWITCH", 2, amount)
    assert rating.charge_by_switch(1_500_000, amount, 60) == rating.LegCharge("SWITCH", 60, amount)
