"""Sums of calls and the ratios derived from them; points of a graph in a contact's time zone."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from zoneinfo import ZoneInfo

from domain import periods, refusals

MAX_POINTS = 1_500  # 62 days of hours
NO_CODE = 0  # stands for a leg of which no SIP code was reported
EFFECTIVE_CODES = (200, 480, 486, 600, 603)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(3000, 1, 1, tzinfo=UTC)


class Interval(StrEnum):
    HOUR = "HOUR"
    DAY = "DAY"


@dataclass(frozen=True, slots=True)
class Sums:
    """Additive sums of the customer view (final legs), then of the carrier view (every leg).

    Every ratio is derived from them.
    """

    attempts: int = 0
    answered: int = 0
    talk_us: int = 0
    dtmf_answered: int = 0
    pdd_us: int = 0
    pdd_count: int = 0
    legs: int = 0
    legs_answered: int = 0
    legs_pdd_us: int = 0
    legs_pdd_count: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Sums)))


def total(sums: Iterable[Sums]) -> Sums:
    return sum(sums, Sums())


def ratio(numerator: int, denominator: int) -> Fraction | None:
    return Fraction(numerator, denominator) if denominator else None


def asr(attempts: int, answered: int) -> Fraction | None:
    """Answered of a hundred attempts; None without attempts."""
    return ratio(100 * answered, attempts)


def acd_seconds(answered: int, talk_us: int) -> Fraction | None:
    """Seconds of talk per answered attempt; None without answers."""
    return ratio(talk_us, 1_000_000 * answered)


def dtmf_percent(sums: Sums) -> Fraction | None:
    """Of a hundred answered attempts, those with at least one digit."""
    return ratio(100 * sums.dtmf_answered, sums.answered)


def pdd_ms(sums: Sums) -> Fraction | None:
    """Milliseconds from setup to the first 18x, over the attempts that had one."""
    return ratio(sums.pdd_us, 1_000 * sums.pdd_count)


def legs_pdd_ms(sums: Sums) -> Fraction | None:
    """Milliseconds from a leg's offer to its first 18x, over the legs that had one."""
    return ratio(sums.legs_pdd_us, 1_000 * sums.legs_pdd_count)


def ner(attempts: Mapping[int, int]) -> Fraction | None:
    """Effective of a hundred attempts that were not redirected (3xx), from attempts by SIP code.

    RFC 6076's SEER: effective is an answer, and that the called one was busy, away or declined.
    None without a denominator.
    """
    effective = sum(attempts.get(code, 0) for code in EFFECTIVE_CODES)
    redirected = sum(count for code, count in attempts.items() if 300 <= code < 400)
    return ratio(100 * effective, sum(attempts.values()) - redirected)


def cps(sums: Sums, bucket: periods.Period) -> Fraction:
    """Attempts per second of the whole interval."""
    return Fraction(sums.attempts) / Fraction((bucket.end - bucket.start).total_seconds())


def buckets(
    start: datetime, end: datetime, interval: Interval, zone: ZoneInfo
) -> list[periods.Period]:
    """The whole hours (UTC) or days (of `zone`, so of 23 to 25 hours) that touch [start, end).

    Refuses an empty range (BAD_RANGE) and one of more than MAX_POINTS points (TOO_MANY_POINTS).
    """
    if not (_EARLIEST <= start < end <= _LATEST):
        raise refusals.Refusal(
            "BAD_RANGE", "`from` must be before `to`, both from 1970 to 2999.", "from"
        )
    longest = timedelta(hours=1) if interval is Interval.HOUR else timedelta(days=1)
    if (end - start) / longest > MAX_POINTS:
        raise refusals.Refusal(
            "TOO_MANY_POINTS",
            "At most {most} points are answered at once; ask for a shorter time"
            " or a longer interval.",
            "to",
            most=MAX_POINTS,
        )
    edges = _hour_edges(start, end) if interval is Interval.HOUR else _day_edges(start, end, zone)
    return [periods.Period(a, b) for a, b in itertools.pairwise(edges)]


def _hour_edges(start: datetime, end: datetime) -> list[datetime]:
    edges = [periods.hour_of(start)]
    while edges[-1] < end:
        edges.append(edges[-1] + periods.HOUR)
    return edges


def _day_edges(start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    day = start.astimezone(zone).date()
    edges = [_midnight(day.year, day.month, day.day, zone)]
    while edges[-1] < end:
        day += timedelta(days=1)
        edge = _midnight(day.year, day.month, day.day, zone)
        if edge > edges[-1]:  # a zone that crosses the date line leaves a whole day out
            edges.append(edge)
    return edges


def _midnight(year: int, month: int, day: int, zone: ZoneInfo) -> datetime:
    """The first instant of a wall-clock day, as UTC.

    Where midnight itself is skipped by a clock change, the offset before the change puts it at
    the change, which is when that day begins.
    """
    return datetime(year, month, day, tzinfo=zone).astimezone(UTC)
