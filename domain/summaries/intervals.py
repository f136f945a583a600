"""The points of a graph: which instants separate them, in the time zone of its reader."""

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from domain import epoch, periods, refusals
from domain.summaries import minutes

MAX_POINTS = 2_000
MAX_DAYS = 731  # two years, one of which may be a leap year

_MAX_RANGE = timedelta(days=MAX_DAYS)
_EARLIEST = epoch.EPOCH
_LATEST = datetime(3000, 1, 1, tzinfo=UTC)


class Interval(StrEnum):
    """How long a point lasts, from the finest to the coarsest.

    Minutes, quarter-hours and hours are those of UTC; days, weeks (from Monday) and months are
    those of the reader's wall clock, so a day of a clock change has 23 or 25 hours.
    """

    MINUTE = "MINUTE"
    FIVE_MINUTES = "FIVE_MINUTES"
    QUARTER_HOUR = "QUARTER_HOUR"
    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"

    @property
    def typical_length(self) -> timedelta:
        """Without clock changes; of a month, the shortest."""
        return _LENGTHS[self]

    @property
    def is_of_minutes(self) -> bool:
        """Whether it is made of sums by minute, which are stored for 30 days."""
        return self in (Interval.MINUTE, Interval.FIVE_MINUTES)

    @property
    def is_of_days(self) -> bool:
        """Whether its edges are those of days of a wall clock."""
        return self.typical_length >= _LENGTHS[Interval.DAY]


_LENGTHS = {
    Interval.MINUTE: timedelta(minutes=1),
    Interval.FIVE_MINUTES: timedelta(minutes=5),
    Interval.QUARTER_HOUR: timedelta(minutes=15),
    Interval.HOUR: periods.HOUR,
    Interval.DAY: timedelta(days=1),
    Interval.WEEK: timedelta(days=7),
    Interval.MONTH: timedelta(days=28),
}


def buckets(
    start: datetime, end: datetime, interval: Interval, zone: ZoneInfo
) -> list[periods.Period]:
    """The whole intervals that overlap [start, end), in order, as UTC.

    Refuses an empty range and one of more than MAX_DAYS days (BAD_RANGE), and more than MAX_POINTS
    points (TOO_MANY_POINTS).
    """
    if not (_EARLIEST <= start < end <= _LATEST):
        raise refusals.Refusal(
            "BAD_RANGE", "`from` must be before `to`, both from 1970 to 2999.", "from"
        )
    if end - start > _MAX_RANGE:
        raise refusals.Refusal(
            "BAD_RANGE",
            "A graph covers at most {most} days. Select a shorter period.",
            "to",
            most=MAX_DAYS,
        )
    if _count(start, end, interval) > MAX_POINTS:
        raise refusals.Refusal(
            "TOO_MANY_POINTS",
            "A graph has at most {most} points. Select the interval {interval} or a shorter"
            " period.",
            "interval",
            most=MAX_POINTS,
            interval=_next_coarser(start, end, interval).value,
        )
    if not interval.is_of_days:
        edges = _edges_of_utc(start, interval.typical_length)
    else:
        edges = _edges_of_wall_clock(start.astimezone(zone).date(), interval, zone)
    return _between(edges, end)


def require_stored(start: datetime, end: datetime, interval: Interval, now: datetime) -> None:
    """Refuses NO_MINUTES if the interval needs minutes that are no longer stored."""
    if interval.is_of_minutes and start < now - minutes.SHOWN_FOR:
        raise refusals.Refusal(
            "NO_MINUTES",
            "Minutes are shown for {days} days. Select the interval {interval} or a later period.",
            "interval",
            days=minutes.SHOWN_FOR.days,
            interval=_next_coarser(start, end, Interval.FIVE_MINUTES).value,
        )


def _count(start: datetime, end: datetime, interval: Interval) -> float:
    """The number of points: exact for intervals of UTC, approximate for others."""
    length = interval.typical_length
    return (end - epoch.floor(start, length)) / length


def _next_coarser(start: datetime, end: datetime, interval: Interval) -> Interval:
    """The first interval after this one with few enough points."""
    coarser = list(Interval)[list(Interval).index(interval) + 1 :]
    return next(each for each in coarser if _count(start, end, each) <= MAX_POINTS)


def _between(edges: Iterator[datetime], end: datetime) -> list[periods.Period]:
    buckets: list[periods.Period] = []
    for first, last in itertools.pairwise(edges):
        if last > first:  # equal: a zone that crosses the date line skips a whole day
            buckets.append(periods.Period(first, last))
        if last >= end:
            break
    return buckets


def _edges_of_utc(start: datetime, length: timedelta) -> Iterator[datetime]:
    first = epoch.floor(start, length)
    return (first + length * number for number in itertools.count())


def _edges_of_wall_clock(day: date, interval: Interval, zone: ZoneInfo) -> Iterator[datetime]:
    """The starts of the intervals, from the one that contains the day."""
    match interval:
        case Interval.WEEK:
            day -= timedelta(days=day.weekday())
        case Interval.MONTH:
            day = day.replace(day=1)
    while True:
        yield _midnight(day, zone)
        day = _next_start(day, interval)


def _next_start(day: date, interval: Interval) -> date:
    if interval is Interval.MONTH:
        return (day + timedelta(days=31)).replace(day=1)
    return day + interval.typical_length


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a wall-clock day, as UTC.

    If a clock change skips midnight, the offset before the change results in the time of the
    change, at which that day begins.
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
