"""Sum and averages of selected cells of the summary (page 3 of the design, "Attempts and legs")."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

from domain import money, periods, refusals
from domain.summaries import ratios, row_costs

AVERAGE_PLACES = 20
_MICRO = Decimal("0.000001")
_HALF_UP = Context(prec=120, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums of calls. `charges` is by currency: a customer has one, an account any number. `costs`
    None: not read."""

    attempts: int = 0
    answered: int = 0
    talk_us: int = 0
    billed_seconds: int = 0
    unrated: int = 0
    dtmf_answered: int = 0
    pdd_us: int = 0
    pdd_count: int = 0
    effective: int = 0
    redirected: int = 0
    charges: row_costs.Amounts = field(default_factory=dict)
    costs: row_costs.Costs | None = None

    @property
    def charge(self) -> Decimal:
        return money.add(self.charges.values())


@dataclass(frozen=True, slots=True)
class Row(Sums):
    """A summary row's sums."""

    key: periods.RowKey
    version: int = 0


Value = Decimal | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column's value in a row is `numerator ÷ denominator`; additive without a denominator.

    A cell has no value if the denominator is 0 or the numerator None. `currencies`: those of its
    amounts. `is_cost`: it reads the costs, which not every caller may see.
    """

    name: str
    numerator: Callable[[Row], Value]
    denominator: Callable[[Row], Decimal] | None = None
    currencies: Callable[[Row], Collection[str]] = lambda row: ()
    is_cost: bool = False

    def value(self, row: Row) -> Fraction | None:
        """The exact cell."""
        numerator = self.numerator(row)
        if numerator is None or self.denominator is None:
            return None if numerator is None else Fraction(numerator)
        denominator = self.denominator(row)
        return Fraction(numerator) / Fraction(denominator) if denominator else None


def talk_seconds(row: Sums) -> Decimal:
    return money.multiply(_MICRO, row.talk_us)


def _ratio(statistic: ratios.Statistic) -> Column:
    return Column(
        statistic.name.upper(),
        lambda row: Decimal(statistic.numerator(row)),
        lambda row: Decimal(statistic.denominator(row)),
    )


def _costs(row: Row) -> row_costs.Costs:
    assert row.costs is not None, "the costs were not read"
    return row.costs


def _cost(row: Row) -> Decimal:
    return money.add(_costs(row).amounts.values())


def _profit(row: Row) -> Value:
    return row_costs.profit(row.charges, _costs(row))


def _profit_percent(row: Row) -> Value:
    profit = _profit(row)
    return None if profit is None else money.multiply(profit, 100)


def _currencies(row: Row) -> Collection[str]:
    return row_costs.currencies(row.charges, _costs(row))


COLUMNS = (
    Column("ATTEMPTS", lambda r: Decimal(r.attempts)),
    Column("ANSWERED", lambda r: Decimal(r.answered)),
    *map(_ratio, ratios.ROW_STATISTICS),
    Column("TALK_SECONDS", talk_seconds),
    Column("BILLED_SECONDS", lambda r: Decimal(r.billed_seconds)),
    Column("UNRATED_CALLS", lambda r: Decimal(r.unrated)),
    Column("CHARGE", lambda r: r.charge, currencies=lambda r: r.charges.keys()),
    Column("COST", _cost, currencies=lambda r: _costs(r).currencies, is_cost=True),
    Column("PROFIT", _profit, currencies=_currencies, is_cost=True),
    Column("MARGIN_PERCENT", _profit_percent, lambda r: r.charge, _currencies, is_cost=True),
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Decimal texts. `sum` is exact, and None for ratios and if a cell has no value; averages are
    rounded half up to 20 places and None where no cell has a value; `weighted_average` is None for
    additive columns.
    """

    count: int
    sum: str | None
    cell_average: str | None
    weighted_average: str | None


def distinct_rows(keys: Sequence[periods.RowKey]) -> list[periods.RowKey]:
    """The selected rows, each once. Refuses (MIXED_ROWS) rows of several tables."""
    rows = list(dict.fromkeys(keys))
    if len({(k.account_id, k.customer_id, k.granularity) for k in rows}) > 1:
        raise _mixed("Select rows of one customer (or of the account) and of one granularity.")
    return rows


def select(column: Column, rows: Sequence[Row]) -> Selection:
    """Over distinct rows. Refuses (MIXED_ROWS) a sum of money in several currencies."""
    if len({currency for row in rows for currency in column.currencies(row)}) > 1:
        raise _mixed("These rows are in several currencies. Select rows of one currency.")
    cells = [(column.numerator(row), row) for row in rows]
    defined = [(numerator, row) for numerator, row in cells if numerator is not None]
    if column.denominator is None:
        total = money.add(numerator for numerator, _ in defined)
        is_complete = len(defined) == len(rows)
        average = _quotient(total, Decimal(len(defined)))
        return Selection(len(rows), money.plain(total) if is_complete else None, average, None)
    pairs = [(n, d) for n, row in defined if (d := column.denominator(row))]
    values = [money.divide(n, d) for n, d in pairs]
    average = _quotient(money.add(values), Decimal(len(values)))
    weighted = _quotient(money.add(n for n, _ in pairs), money.add(d for _, d in pairs))
    return Selection(len(rows), None, average, weighted)


def _mixed(template: str) -> refusals.Refusal:
    return refusals.Refusal("MIXED_ROWS", template, "rowIds")


def _quotient(numerator: Decimal, denominator: Decimal) -> str | None:
    if not denominator:
        return None
    quotient = money.divide(numerator, denominator)
    return money.plain(_HALF_UP.quantize(quotient, Decimal(1).scaleb(-AVERAGE_PLACES)))
