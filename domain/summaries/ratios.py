"""Sums of calls and the ratios derived from them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from domain import periods

NO_CODE = 0  # stands for a leg of which no SIP code was reported
EFFECTIVE_CODES = (200, 480, 486, 600, 603)
REDIRECTION_CODES = range(300, 400)
_SECOND, _MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)


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


@dataclass(frozen=True, slots=True)
class GraphSums(Sums):
    """`charges` by the customers' currencies, `costs` by those of carriers.

    `costs` has None for legs of which the currency is not known.
    """

    billed_seconds: int = 0
    effective: int = 0
    redirected: int = 0
    released_caller: int = 0
    released_callee: int = 0
    released_other: int = 0
    charges: Mapping[str, Decimal] = field(default_factory=dict)
    costs: Mapping[str | None, Decimal] = field(default_factory=dict)


_COUNTS = tuple(f.name for f in fields(GraphSums) if f.name not in ("charges", "costs"))


def merge(parts: Sequence[GraphSums]) -> GraphSums:
    if len(parts) == 1:
        return parts[0]
    charges: dict[str, Decimal] = {}
    costs: dict[str | None, Decimal] = {}
    for part in parts:
        for currency, amount in part.charges.items():
            charges[currency] = charges.get(currency, Decimal(0)) + amount
        for place, amount in part.costs.items():
            costs[place] = costs.get(place, Decimal(0)) + amount
    counts = {name: sum(getattr(part, name) for part in parts) for name in _COUNTS}
    return GraphSums(**counts, charges=charges, costs=costs)


def total(sums: Iterable[Sums]) -> Sums:
    return sum(sums, Sums())


def ratio(numerator: int, denominator: int) -> Fraction | None:
    return Fraction(numerator, denominator) if denominator else None


@dataclass(frozen=True, slots=True)
class Statistic:
    """A ratio that is derived from sums and never stored.

    `name` and `description` are those of the field of the API that shows it. The functions take
    `Sums`, or anything that has the sums which they read.
    """

    name: str
    description: str
    numerator: Callable[[Any], int]
    denominator: Callable[[Any], int]

    def of(self, sums: object) -> Fraction | None:
        """None if the denominator is 0."""
        return ratio(self.numerator(sums), self.denominator(sums))


ASR = Statistic(
    "asr", "Percent: 100 × answered ÷ attempts.", lambda s: 100 * s.answered, lambda s: s.attempts
)
ACD_SECONDS = Statistic(
    "acd_seconds",
    "Average talk time of answered attempts, in seconds.",
    lambda s: s.talk_us,
    lambda s: 1_000_000 * s.answered,
)
DTMF_PERCENT = Statistic(
    "dtmf_percent",
    "Percent of the answered attempts that sent at least one DTMF digit.",
    lambda s: 100 * s.dtmf_answered,
    lambda s: s.answered,
)
PDD_MS = Statistic(
    "pdd_ms",
    "Average milliseconds from setup to the first 18x, over the attempts that had one.",
    lambda s: s.pdd_us,
    lambda s: 1_000 * s.pdd_count,
)
NER = Statistic(
    "ner",
    "Percent: 100 × (200, 480, 486, 600, 603) ÷ (attempts − 3xx), the SEER of RFC 6076.",
    lambda s: 100 * s.effective,
    lambda s: s.attempts - s.redirected,
)
# Each is a field of every point of a graph.
STATISTICS = (ASR, ACD_SECONDS, DTMF_PERCENT, PDD_MS, NER)
# Each is a field and a column of every row of the summary.
ROW_STATISTICS = (ASR, ACD_SECONDS, NER, PDD_MS, DTMF_PERCENT)
LEGS_PDD_MS = Statistic(
    "legs_pdd_ms",
    "Average milliseconds from the offer of a leg to its first 18x, over the legs that had one.",
    lambda s: s.legs_pdd_us,
    lambda s: 1_000 * s.legs_pdd_count,
)


@dataclass(frozen=True, slots=True)
class CodeSums:
    """Attempts, and those of them that were effective and redirected by their SIP code."""

    attempts: int
    effective: int
    redirected: int


def ner(attempts: Mapping[int, int]) -> Fraction | None:
    """NER from attempts by SIP code. An attempt is effective if it was answered, or if the called
    party was busy, away or declined (RFC 6076 §4.8). None without a denominator."""
    effective = sum(attempts.get(code, 0) for code in EFFECTIVE_CODES)
    redirected = sum(count for code, count in attempts.items() if code in REDIRECTION_CODES)
    return NER.of(CodeSums(sum(attempts.values()), effective, redirected))


def cps(sums: Sums, bucket: periods.Period, now: datetime) -> Fraction:
    """Attempts per second of the interval; of an open one, per second that has passed, at least 1.

    An interval can have calls before it begins, because clocks differ. Its whole length counts.
    """
    end = min(now, bucket.end) if now > bucket.start else bucket.end
    passed = max(end - bucket.start, _SECOND)
    return Fraction(sums.attempts * 1_000_000, passed // _MICROSECOND)
