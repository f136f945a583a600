from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from domain.summaries import row_costs
from domain.summaries.row_costs import Costs

amounts = st.dictionaries(
    st.sampled_from(["EUR", "USD"]), st.decimals(-(10**9), 10**9, places=12), max_size=2
)
costs = st.builds(Costs, amounts, st.integers(0, 2))


@given(amounts, costs)
def test_profit_is_charge_minus_cost_if_both_are_known_and_in_one_currency(
    charges: dict[str, Decimal], costs: Costs
) -> None:
    nonzero = {currency for each in (charges, costs.amounts) for currency in each if each[currency]}
    profit = row_costs.profit(charges, costs)
    assert (profit is None) is (costs.uncosted > 0 or len(nonzero) > 1)
    if profit is not None:
        charge, cost = (Fraction(sum(each.values())) for each in (charges, costs.amounts))
        assert Fraction(profit) == charge - cost
        assert row_costs.margin_percent(charges, costs) == (
            100 * (charge - cost) / charge if charge else None
        )
    else:
        assert row_costs.margin_percent(charges, costs) is None


def test_a_profit_has_the_currency_of_its_amounts_or_of_charges_of_0() -> None:
    nothing, euros = {"EUR": Decimal(0)}, Costs({"EUR": Decimal(0)})
    assert row_costs.currency_of_profit(nothing, euros) == "EUR"
    assert row_costs.currency_of_profit(nothing, Costs({"USD": Decimal(1)})) == "USD"
    assert row_costs.currency_of_profit({}, euros) is None
    assert row_costs.currency_of_profit({"EUR": Decimal(1)}, Costs({"USD": Decimal(1)})) is None
