"""The history of active calls: samples every 10 s, stored by minute, 5 minutes and hour.

A period without a sample has no data, which is not 0 calls. In a period with samples, a customer
or carrier without a row had no calls.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from domain import epoch
from domain.periods import Period

WHOLE_ACCOUNT = 0  # in place of a customer's id
ALL_CARRIERS = -1  # in place of a carrier's id; 0 stands for no carrier
SAMPLE_INTERVAL = timedelta(seconds=10)
MINUTE = timedelta(minutes=1)
SAMPLES_PER_MINUTE = MINUTE // SAMPLE_INTERVAL


class Level(StrEnum):
    """The lengths of stored periods."""

    MINUTES = "MINUTES"
    FIVE_MINUTES = "FIVE_MINUTES"
    HOURS = "HOURS"


LENGTH = {
    Level.MINUTES: MINUTE,
    Level.FIVE_MINUTES: timedelta(minutes=5),
    Level.HOURS: timedelta(hours=1),
}
_COARSE_FIRST = (Level.HOURS, Level.FIVE_MINUTES)


class Scope(NamedTuple):
    """A customer or the account, and a carrier of it or all carriers."""

    customer_id: int = WHOLE_ACCOUNT
    carrier_id: int = ALL_CARRIERS


@dataclass(frozen=True, slots=True)
class Channels:
    """Active calls in a period. `total` is the sum over its `samples`, at least one.

    `maximum` None: of several carriers together, whose maxima are of different times.
    """

    maximum: int | None
    total: int
    samples: int

    @property
    def mean(self) -> Fraction:
        return Fraction(self.total, self.samples)


@dataclass(frozen=True, slots=True)
class History:
    """The history of a customer or of the account, by bucket.

    `calls`: maximum and total of each carrier, or of ALL_CARRIERS, that had calls.
    """

    samples: dict[int, int] = field(default_factory=dict)
    calls: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    @property
    def carriers(self) -> set[int]:
        """The carriers with calls; 0 for calls without a carrier."""
        return {carrier for _, carrier in self.calls} - {ALL_CARRIERS}

    def of_all(self, bucket: int) -> Channels | None:
        """None without a sample."""
        return self.of_carriers(bucket, (ALL_CARRIERS,))

    def of_carriers(self, bucket: int, carrier_ids: Sequence[int]) -> Channels | None:
        """None without a sample."""
        samples = self.samples.get(bucket)
        if samples is None:
            return None
        calls = [
            self.calls[bucket, carrier]
            for carrier in carrier_ids
            if (bucket, carrier) in self.calls
        ]
        maximum = None if len(calls) > 1 else max((maximum for maximum, _ in calls), default=0)
        return Channels(maximum, sum(total for _, total in calls), samples)


class Calls(NamedTuple):
    """Active calls of a carrier, or of all carriers, in a minute. `last`: in its last sample."""

    maximum: int = 0
    total: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Minute:
    """`calls` by carrier, or ALL_CARRIERS; a missing carrier had none. Without samples, the calls
    are unknown."""

    start: datetime
    samples: int
    calls: Mapping[int, Calls]


def slot_of(instant: datetime) -> int:
    """The number of its sample in the minute, 0 to 5."""
    return (instant - epoch.floor(instant, MINUTE)) // SAMPLE_INTERVAL


def calls_by_scope(
    counts: Iterable[tuple[int, Sequence[tuple[int, int]]]],
) -> dict[Scope, int]:
    """The calls of each scope that has any, from (customer, [(carrier, calls), …]) pairs.

    The account is a customer of them, WHOLE_ACCOUNT.
    """
    scopes: dict[Scope, int] = {}
    for customer_id, by_carrier in counts:
        for carrier_id, calls in by_carrier:
            scopes[Scope(customer_id, carrier_id)] = calls
        scopes[Scope(customer_id)] = sum(calls for _, calls in by_carrier)
    return {scope: calls for scope, calls in scopes.items() if calls}


def segments(
    edges: Sequence[datetime], folded_until: Mapping[Level, datetime]
) -> dict[Level, list[Period]]:
    """Which stored periods make up the buckets between `edges`, each instant covered once.

    The coarsest ones that do not contain an edge and are already computed: those of a level end at
    `folded_until`, an edge of that level (missing: there are none). Minutes cover the rest.
    """
    result: dict[Level, list[Period]] = {level: [] for level in Level}
    longest = max(end - start for start, end in pairwise(edges))
    levels = [level for level in _COARSE_FIRST if LENGTH[level] <= longest]
    coarsest = LENGTH[levels[0]] if levels else MINUTE
    if not any((edge - epoch.EPOCH) % coarsest for edge in edges):
        edges = (edges[0], edges[-1])  # no edge is within a stored period
    for start, end in pairwise(edges):
        for level, period in _split(Period(start, end), levels, folded_until):
            periods = result[level]
            if periods and periods[-1].end == period.start:
                periods[-1] = Period(periods[-1].start, period.end)
            else:
                periods.append(period)
    return result


def _split(
    period: Period, levels: Sequence[Level], folded_until: Mapping[Level, datetime]
) -> Iterator[tuple[Level, Period]]:
    if not levels:
        yield Level.MINUTES, period
        return
    level, *finer = levels
    start = epoch.ceil(period.start, LENGTH[level])
    end = min(epoch.floor(period.end, LENGTH[level]), folded_until.get(level, period.start))
    if start >= end:
        yield from _split(period, finer, folded_until)
        return
    if period.start < start:
        yield from _split(Period(period.start, start), finer, folded_until)
    yield level, Period(start, end)
    if end < period.end:
        yield from _split(Period(end, period.end), finer, folded_until)
