"""Days of call records, written into statements as literals.

PostgreSQL prunes partitions at planning only by constants. By a parameter, a generic plan locks
every partition before it prunes, and a join does the same in every plan.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

MAX_DAYS = 7  # that a statement reads

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Instants `start <= t < end`, aware."""

    start: datetime
    end: datetime

    def holds(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def condition(self, column: str = "setup_at") -> str:
        """SQL: the setup is on a UTC day of which the span holds a part."""
        first, end = midnight(self.start), midnight(self.end - timedelta(microseconds=1)) + _DAY
        return f"{column} >= '{first.isoformat()}' AND {column} < '{end.isoformat()}'"


def midnight(instant: datetime) -> datetime:
    """The start of its UTC day."""
    return datetime.combine(instant.astimezone(UTC).date(), time(), UTC)


def spans(instants: Iterable[datetime]) -> list[Span]:
    """Whole days, at most `MAX_DAYS` in a span, that together hold the instants; in order."""
    found: list[Span] = []
    for day in sorted({midnight(instant) for instant in instants}):
        if found and day - found[-1].start < _DAY * MAX_DAYS:
            found[-1] = Span(found[-1].start, day + _DAY)
        else:
            found.append(Span(day, day + _DAY))
    return found


def slices(start: datetime, end: datetime) -> Iterator[Span]:
    """The period in parts of at most `MAX_DAYS` days each, in order."""
    while start < end:
        last = min(end, midnight(start) + _DAY * MAX_DAYS)
        yield Span(start, last)
        start = last
