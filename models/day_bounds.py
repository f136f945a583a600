"""Days of call records, written into statements as literals.

PostgreSQL prunes partitions at planning only by constants. By a parameter, a generic plan locks
every partition before it prunes, and a join does the same in every plan.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

T = TypeVar("T")

MAX_DAYS = 7  # that a statement reads

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Instants `start <= t < end`, aware."""

    start: datetime
    end: datetime

    def condition(self, column: str = "setup_at") -> str:
        """SQL: the setup is on a UTC day of which the span holds a part."""
        first, end = midnight(self.start).isoformat(), _midnight_after(self.end).isoformat()
        return f"{column} >= '{first}' AND {column} < '{end}'"


def midnight(instant: datetime) -> datetime:
    """The start of its UTC day."""
    return datetime.combine(instant.astimezone(UTC).date(), time(), UTC)


def _midnight_after(instant: datetime) -> datetime:
    """Its own if it is one; years end with 9999."""
    day = midnight(instant)
    return day if day == instant else day + min(_DAY, datetime.max.replace(tzinfo=UTC) - day)


def grouped(items: Iterable[T], setup: Callable[[T], datetime]) -> list[tuple[Span, list[T]]]:
    """The items in order of their setups, by whole days, at most `MAX_DAYS` in a span."""
    groups: list[list[T]] = []
    limit = datetime.min.replace(tzinfo=UTC)
    for item in sorted(items, key=setup):
        if setup(item) >= limit:
            groups.append([])
            limit = midnight(setup(item)) + _DAY * MAX_DAYS
        groups[-1].append(item)
    return [(_days(setup(group[0]), setup(group[-1])), group) for group in groups]


def _days(first: datetime, last: datetime) -> Span:
    return Span(midnight(first), midnight(last) + _DAY)


def slices(start: datetime, end: datetime, days: Iterable[date]) -> Iterator[Span]:
    """The period in parts, in order, each with at most `MAX_DAYS` days that have a partition.

    A part without any is as long as there is none.
    """
    midnights = (datetime.combine(day, time(), UTC) for day in days)
    within = [day for day in midnights if midnight(start) <= day < end]
    for span, _ in grouped(within, lambda day: day):
        first, last = max(span.start, start), min(span.end, end)
        if start < first:
            yield Span(start, first)
        yield Span(first, last)
        start = last
    if start < end:
        yield Span(start, end)
