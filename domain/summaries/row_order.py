"""The order of the rows of a summary, and the pages of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

from domain import epoch, periods, refusals
from domain.periods import Granularity, Period
from domain.summaries import cells


class Position(NamedTuple):
    """The place of a row in an order: the value of the column and the start of the period."""

    value: Fraction | None
    start: datetime


@dataclass(frozen=True, slots=True)
class Order:
    """By a column, rows without a value last, equal ones newest first; None: by period."""

    column: cells.Column | None = None
    is_ascending: bool = False

    def position(self, row: cells.Row) -> Position:
        value = None if self.column is None else self.column.value(row)
        return Position(value, row.key.start)

    def key(self, position: Position) -> tuple[bool, Fraction, int]:
        """Increases from row to row."""
        value, start = position.value, epoch.to_microseconds(position.start)
        is_oldest_first = self.column is None and self.is_ascending
        if value is not None and not self.is_ascending:
            value = -value
        return value is None, value or Fraction(), start if is_oldest_first else -start

    def page(
        self, rows: Iterable[cells.Row], after: Position | None, limit: int
    ) -> list[cells.Row]:
        """The first rows after a position, in order."""
        keyed = [(self.key(self.position(row)), row) for row in rows]
        if after is not None:
            last = self.key(after)
            keyed = [(key, row) for key, row in keyed if key > last]
        keyed.sort(key=lambda pair: pair[0])
        return [row for _, row in keyed[:limit]]

    def require_one_currency(self, rows: Sequence[cells.Row]) -> None:
        """Refuses MIXED_CURRENCIES an order of amounts in several currencies."""
        if self.column is None:
            return
        if len({currency for row in rows for currency in self.column.currencies(row)}) > 1:
            raise refusals.Refusal(
                "MIXED_CURRENCIES",
                "These rows are in several currencies. Order them by another column.",
                "orderBy",
            )


def rest(
    between: Period, last: datetime, granularity: Granularity, *, is_ascending: bool
) -> Period:
    """The part of `between` that follows the period that starts at `last`, in the order of
    periods."""
    if not is_ascending:
        return Period(min(between.start, last), min(between.end, last))
    following = periods.period_containing(granularity, last).end
    return Period(max(between.start, following), max(between.end, following))
