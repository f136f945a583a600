"""Amounts are exact; amounts that are too long or infinite are refused."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import money, refusals

amounts = st.decimals(
    min_value=0, max_value=Decimal("999999999999999999"), places=12, allow_nan=False
)


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "sNaN", "Infinity", "-Infinity", "", "1,5", "one", "-1", "1_000", "１２", "1\n"),
        *("1E2", "1E+18", "1E+999999999", "1E-999999999", "+1", ".5", "5.", "9" * 5_000),
    ],
)
def test_a_value_that_is_not_a_finite_amount_is_refused(text: str) -> None:
    with pytest.raises(refusals.Refusal) as error:
        money.parse(text, "charge")
    assert (error.value.code, error.value.field) == ("BAD_AMOUNT", "charge")


@pytest.mark.parametrize("text", ["1" * 19, "0.0000000000001", "0." + "0" * 900 + "1", "9" * 900])
def test_an_amount_that_is_too_long_is_refused(text: str) -> None:
    with pytest.raises(refusals.Refusal, match="18 digits before the point and 12 after"):
        money.parse(text, "charge")


@pytest.mark.parametrize(
    "text", ["0", "0.10", "0012", "999999999999999999.999999999999", "0.5000000000000000"]
)
def test_an_amount_of_18_and_12_digits_is_accepted_unchanged(text: str) -> None:
    assert money.parse(text, "charge") == Decimal(text)


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [("HALF_UP", "0.13"), ("HALF_EVEN", "0.12"), ("UP", "0.13"), ("DOWN", "0.12")],
)
def test_a_tie_is_rounded_by_the_named_rule(rounding: str, expected: str) -> None:
    assert money.round_to(Decimal("0.125"), 2, money.Rounding(rounding)) == Decimal(expected)


@given(st.lists(amounts, max_size=50))
def test_a_sum_is_exact(parts: list[Decimal]) -> None:
    assert Fraction(money.add(parts)) == sum(map(Fraction, parts), Fraction(0))


@given(amounts, amounts)
def test_percentage_and_difference_are_exact(first: Decimal, second: Decimal) -> None:
    assert Fraction(money.percent(first, second)) == Fraction(first) * Fraction(second) / 100
    assert Fraction(money.subtract(first, second)) == Fraction(first) - Fraction(second)


@given(amounts)
def test_equal_amounts_have_the_same_text(amount: Decimal) -> None:
    text = money.plain(amount)
    assert Decimal(text) == amount
    assert money.plain(Decimal(f"{amount:f}000")) == text
    assert "E" not in text


def test_a_total_rounds_to_the_minor_unit_of_its_currency() -> None:
    amount = Decimal("12.3456")
    rounded = {code: money.to_minor_unit(amount, code) for code in ("EUR", "JPY", "KWD")}
    assert rounded == {"EUR": Decimal("12.35"), "JPY": Decimal("12"), "KWD": Decimal("12.346")}


@given(amounts, st.integers(0, 10**9), amounts)
def test_a_product_and_its_sum_with_an_amount_are_exact(
    amount: Decimal, by: int, more: Decimal
) -> None:
    exact = Fraction(amount) * by + Fraction(more)
    assert Fraction(money.multiply_add(amount, by, more)) == exact
