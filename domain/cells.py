"""Sum and averages of selected cells of the summary (page 3 of the design, "Attempts and legs")."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal

from domain import money, periods, refusals

AVERAGE_PLACES = 20
_MICRO = Decimal("0.000001")
_ROUND = Context(prec=120, rounding=ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Row:
    """A summary row's sums. `charges` is by currency: a customer has one, an account any number."""

    key: periods.RowKey
    version: int = 0
    attempts: int = 0
    answered: int = 0
    talk_us: int = 0
    billed_seconds: int = 0
    charges: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def charge(self) -> Decimal:
        return money.add(self.charges.values())


@dataclass(frozen=True, slots=True)
class Column:
    """A column's value in a row is `top / bottom`; without `bottom` it is additive."""

    name: str
    top: Callable[[Row], Decimal]
    bottom: Callable[[Row], Decimal] | None = None
    money: bool = False


def talk_seconds(row: Row) -> Decimal:
    return money.multiply(_MICRO, row.talk_us)


COLUMNS = (
    Column("ATTEMPTS", lambda r: Decimal(r.attempts)),
    Column("ANSWERED", lambda r: Decimal(r.answered)),
    Column("ASR", lambda r: Decimal(100 * r.answered), lambda r: Decimal(r.attempts)),
    Column("ACD_SECONDS", talk_seconds, lambda r: Decimal(r.answered)),
    Column("TALK_SECONDS", talk_seconds),
    Column("BILLED_SECONDS", lambda r: Decimal(r.billed_seconds)),
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


def distinct(keys: Sequence[periods.RowKey]) -> list[periods.RowKey]:
    """The selected rows, each once. Refuses (MIXED_ROWS) rows of several tables."""
    rows = list(dict.fromkeys(keys))
    if len({(k.account_id, k.customer_id, k.granularity) for k in rows}) > 1:
        raise _mixed("Select rows of one customer (or of the account) and of one granularity.")
    return rows


def select(column: Column, rows: Sequence[Row]) -> Selection:
    """Over distinct rows. Refuses (MIXED_ROWS) a sum of money in several currencies."""
    if column.money and len({c for row in rows for c in row.charges}) > 1:
        raise _mixed("These rows are in several currencies; select rows of one currency.")
    tops = [column.top(row) for row in rows]
    if column.bottom is None:
        total = money.add(tops)
        return Selection(len(rows), money.plain(total), _quotient(total, Decimal(len(rows))), None)
    pairs = [(t, b) for t, b in zip(tops, map(column.bottom, rows), strict=True) if b]
    values = [money.divide(top, bottom) for top, bottom in pairs]
    average = _quotient(money.add(values), Decimal(len(values)))
    weighted = _quotient(money.add(t for t, _ in pairs), money.add(b for _, b in pairs))
    return Selection(len(rows), None, average, weighted)


def _mixed(template: str) -> refusals.Refusal:
    return refusals.Refusal("MIXED_ROWS", template, "rowIds")


def _quotient(top: Decimal, bottom: Decimal) -> str | None:
    if not bottom:
        return None
    quotient = money.divide(top, bottom)
    return money.plain(_ROUND.quantize(quotient, Decimal(1).scaleb(-AVERAGE_PLACES)))
