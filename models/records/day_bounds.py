"""Days of call records, written into statements as literals.

While planning, PostgreSQL prunes partitions only by constants. With a parameter, a generic plan
locks every partition before it prunes, and so does every plan of a join.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

T = TypeVar("T")

MAX_DAYS = 7  # read by one statement
# With statistics older than the calls, PostgreSQL may compare every call in a statement's period
# with every key: 5,000 keys took more than 30 s. A few keys in a short period take milliseconds
# with any plan.
_MAX_ITEMS = 500

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """A period `start <= t < end` of aware times."""

    start: datetime
    end: datetime

    def condition(self, column: str = "setup_at") -> str:
        """A SQL condition: the setup is on a UTC day that overlaps the span."""
        first, end = midnight(self.start).isoformat(), _midnight_after(self.end).isoformat()
        return f"{column} >= '{first}' AND {column} < '{end}'"


def midnight(instant: datetime) -> datetime:
    """The start of the UTC day that contains the instant."""
    return datetime.combine(instant.astimezone(UTC).date(), time(), UTC)


def _midnight_after(instant: datetime) -> datetime:
    """The next midnight, or the instant itself if it is one; at most the end of year 9999."""
    day = midnight(instant)
    return day if day == instant else day + min(_DAY, datetime.max.replace(tzinfo=UTC) - day)


def grouped(items: Iterable[T], setup: Callable[[T], datetime]) -> list[tuple[Span, list[T]]]:
    """The items by setup, grouped into spans of whole days.

    Each has at most `MAX_DAYS` days and `_MAX_ITEMS` items; consecutive groups may share a day.
    """
    groups: list[list[T]] = []
    limit = datetime.min.replace(tzinfo=UTC)
    for item in sorted(items, key=setup):
        if setup(item) >= limit or len(groups[-1]) == _MAX_ITEMS:
            groups.append([])
            limit = midnight(setup(item)) + _DAY * MAX_DAYS
        groups[-1].append(item)
    return [(_days(setup(group[0]), setup(group[-1])), group) for group in groups]


def _days(first: datetime, last: datetime) -> Span:
    return Span(midnight(first), midnight(last) + _DAY)


def slices(start: datetime, end: datetime, days: Iterable[date]) -> Iterator[Span]:
    """Splits a period into parts, each with at most `MAX_DAYS` days that have a partition.

    A gap without partitions is one part.
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
