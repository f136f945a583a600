"""Amounts are exact, and long or endless ones are refused."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import money, refusals

amounts = st.decimals(
    min_value=0, max_value=Decimal("999999999999999999"), places=12, allow_nan=False
)


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity", "", "1,5", "one", "-1"])
def test_what_is_not_a_finite_amount_is_refused(text: str) -> None:
    with pytest.raises(refusals.Refusal) as refused:
        money.parse(text, "charge")
    assert (refused.value.code, refused.value.field) == ("BAD_AMOUNT", "charge")


@pytest.mark.parametrize(
    "text", ["1" * 19, "0.0000000000001", "1E+18", "1E+999999999", "1E-999999999", "9" * 5_000]
)
def test_an_over_long_amount_is_refused(text: str) -> None:
    with pytest.raises(refusals.Refusal, match="18 digits before the point and 12 after"):
        money.parse(text, "charge")


@pytest.mark.parametrize(
    "text", ["0", "0.10", "1E2", "999999999999999999.999999999999", "0.5000000000000000"]
)
def test_an_amount_of_18_and_12_digits_is_taken_as_it_is(text: str) -> None:
    assert money.parse(text, "charge") == Decimal(text)


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [("HALF_UP", "0.13"), ("HALF_EVEN", "0.12"), ("UP", "0.13"), ("DOWN", "0.12")],
)
def test_a_tie_is_settled_by_the_named_rule(rounding: str, expected: str) -> None:
    assert money.rounded(Decimal("0.125"), 2, money.Rounding(rounding)) == Decimal(expected)


@given(st.lists(amounts, max_size=50))
def test_a_sum_loses_nothing(parts: list[Decimal]) -> None:
    assert Fraction(money.add(parts)) == sum(map(Fraction, parts), Fraction(0))


@given(amounts, amounts)
def test_percent_and_difference_are_exact(one: Decimal, other: Decimal) -> None:
    assert Fraction(money.percent(one, other)) == Fraction(one) * Fraction(other) / 100
    assert Fraction(money.subtract(one, other)) == Fraction(one) - Fraction(other)


@given(amounts)
def test_equal_amounts_are_written_alike(amount: Decimal) -> None:
    text = money.plain(amount)
    assert Decimal(text) == amount
    assert money.plain(Decimal(f"{amount:f}000")) == text
    assert "E" not in text


def test_a_total_rounds_to_the_minor_unit_of_its_currency() -> None:
    amount = Decimal("12.3456")
    rounded = {code: money.to_minor_unit(amount, code) for code in ("EUR", "JPY", "KWD")}
    assert rounded == {"EUR": Decimal("12.35"), "JPY": Decimal("12"), "KWD": Decimal("12.346")}
