"""What carriers are paid for calls, and what is left of the charges."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from domain import money

Amounts = Mapping[str, Decimal]  # by currency


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of every leg, by currency of its carrier. `uncosted`: answered legs whose cost is not
    known; the amounts do not include them."""

    amounts: Amounts = field(default_factory=dict)
    uncosted: int = 0

    @property
    def currencies(self) -> set[str]:
        """Of the amounts other than 0."""
        return {currency for currency, amount in self.amounts.items() if amount}


def currencies(charges: Amounts, costs: Costs) -> set[str]:
    """The currencies of the amounts other than 0."""
    return {currency for currency, charge in charges.items() if charge} | costs.currencies


def profit(charges: Amounts, costs: Costs) -> Decimal | None:
    """Charges − costs. None if a cost is not known, or if there are several currencies."""
    if costs.uncosted or len(currencies(charges, costs)) > 1:
        return None
    return money.subtract(money.add(charges.values()), money.add(costs.amounts.values()))


def currency_of_profit(charges: Amounts, costs: Costs) -> str | None:
    """The currency of the amounts; if all are 0, that of the charges. None without a single one."""
    candidates = currencies(charges, costs) or charges.keys()
    return next(iter(candidates)) if len(candidates) == 1 else None


def margin_percent(charges: Amounts, costs: Costs) -> Fraction | None:
    """100 × profit ÷ charge. None without a profit, and if the charge is 0."""
    amount, charge = profit(charges, costs), money.add(charges.values())
    return 100 * Fraction(amount) / Fraction(charge) if amount is not None and charge else None
