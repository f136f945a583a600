"""The sums that rows of a summary and their parts have in common, and their costs."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import strawberry

from domain.summaries import cells, ratios, row_costs
from schema.engine import base, permissions
from schema.summaries import statistic_fields


@permissions.open_type
@strawberry.type
@statistic_fields.add(ratios.ROW_STATISTICS)
class CallSums:
    attempts: base.Long = strawberry.field(description="Number of attempts.")
    answered: base.Long = strawberry.field(
        description="Number of attempts that have an answer time."
    )
    talk_seconds: base.Long = strawberry.field(
        description="Talk time in whole seconds, rounded half up. `talkTime` is exact."
    )
    talk_time: Decimal = strawberry.field(
        description="Talk time (answer to end) in seconds, exact to the microsecond."
    )
    billed_seconds: base.Long = strawberry.field(
        description="Talk time after the customer's billing increments, in seconds."
    )
    unrated_calls: base.Long = strawberry.field(
        description="Calls that no rate matched. The charge does not include them."
    )


def values(sums: cells.Sums) -> dict[str, Any]:
    """The values of the fields of CallSums."""
    return {
        "attempts": sums.attempts,
        "answered": sums.answered,
        "talk_seconds": (sums.talk_us + 500_000) // 1_000_000,
        "talk_time": cells.talk_seconds(sums),
        "billed_seconds": sums.billed_seconds,
        "unrated_calls": sums.unrated,
        **statistic_fields.values(ratios.ROW_STATISTICS, sums),
    }


def amounts(by_currency: Mapping[str, Decimal]) -> list[base.Money]:
    """In the order of the currencies."""
    return [base.Money.of(by_currency[currency], currency) for currency in sorted(by_currency)]


@permissions.open_type
@strawberry.type(
    description="What carriers are paid for calls, of every leg, and what is left of the charge."
)
class SummaryCost:
    amounts: list[base.Money] = strawberry.field(
        description="Costs, one sum per currency of the carriers. They do not include"
        " `uncostedLegs`."
    )
    uncosted_legs: base.Long = strawberry.field(
        description="Answered legs whose cost is not known."
    )
    profit: base.Money | None = strawberry.field(
        description="Charge − cost. Null if a cost is not known, or if the charge and the costs are"
        " in several currencies. Like the charge, it does not include `unratedCalls`."
    )
    margin_percent: float | None = strawberry.field(
        description="Percent: 100 × profit ÷ charge. Null without a profit, and if the charge is 0."
    )

    @classmethod
    def of(
        cls, charges: row_costs.Amounts, costs: row_costs.Costs, currency: str | None
    ) -> "SummaryCost":
        """`currency`: of the customer; None: of the amounts."""
        profit = row_costs.profit(charges, costs)
        unit = row_costs.currency_of_profit(charges, costs) or currency
        return cls(
            amounts=amounts(costs.amounts),
            uncosted_legs=costs.uncosted,
            profit=None if profit is None or unit is None else base.Money.of(profit, unit),
            margin_percent=statistic_fields.as_float(row_costs.margin_percent(charges, costs)),
        )
