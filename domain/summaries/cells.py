"""Sum and averages of selected cells of the summary (page 3 of the design, "Attempts and legs")."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

from domain import money, periods, refusals
from domain.summaries import ratios

AVERAGE_PLACES = 20
_MICRO = Decimal("0.000001")
_HALF_UP = Context(prec=120, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Row:
    """A summary row's sums. `charges` is by currency: a customer has one, an account any number."""

    key: periods.RowKey
    version: int = 0
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
    charges: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def charge(self) -> Decimal:
        return money.add(self.charges.values())


@dataclass(frozen=True, slots=True)
class Column:
    """A column's value in a row is `numerator ÷ denominator`; additive without a denominator."""

    name: str
    numerator: Callable[[Row], Decimal]
    denominator: Callable[[Row], Decimal] | None = None
    money: bool = False

    def value(self, row: Row) -> Fraction | None:
        """The exact cell. None if the denominator is 0."""
        numerator = Fraction(self.numerator(row))
        if self.denominator is None:
            return numerator
        denominator = Fraction(self.denominator(row))
        return numerator / denominator if denominator else None

    def currencies(self, row: Row) -> Collection[str]:
        """Those of the cell's amounts."""
        return row.charges.keys() if self.money else ()


def talk_seconds(row: Row) -> Decimal:
    return money.multiply(_MICRO, row.talk_us)


def _ratio(statistic: ratios.Statistic) -> Column:
    return Column(
        statistic.name.upper(),
        lambda row: Decimal(statistic.numerator(row)),
        lambda row: Decimal(statistic.denominator(row)),
    )


COLUMNS = (
    Column("ATTEMPTS", lambda r: Decimal(r.attempts)),
    Column("ANSWERED", lambda r: Decimal(r.answered)),
    *map(_ratio, ratios.ROW_STATISTICS),
    Column("TALK_SECONDS", talk_seconds),
    Column("BILLED_SECONDS", lambda r: Decimal(r.billed_seconds)),
    Column("UNRATED_CALLS", lambda r: Decimal(r.unrated)),
    Column("CHARGE", lambda r: r.charge, money=True),
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Decimal texts. `sum` is exact and None for ratios; averages are rounded half up to 20 places
    and None where no cell has a value; `weighted_average` is None for additive columns.
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
    numerators = [column.numerator(row) for row in rows]
    if column.denominator is None:
        total = money.add(numerators)
        return Selection(len(rows), money.plain(total), _quotient(total, Decimal(len(rows))), None)
    pairs = [(n, d) for n, d in zip(numerators, map(column.denominator, rows), strict=True) if d]
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
