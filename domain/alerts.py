"""Alerts: what a rule says of a reading, and what has happened by it.

A rule is raised when a reading passes its threshold, and cleared when one has come back to its
reset threshold; in between nothing changes, so that a value about the threshold does not flap. A
reading without a value, or of fewer samples than the rule's minimum, says nothing: it neither
raises nor clears.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from domain import money, stats
from domain.money import Rounding


class Metric(StrEnum):
    BALANCE = "BALANCE"
    ASR = "ASR"
    ACD = "ACD"
    PDD = "PDD"
    NER = "NER"
    CPS = "CPS"
    CHANNELS = "CHANNELS"
    CONSECUTIVE_FAILURES = "CONSECUTIVE_FAILURES"


class Scope(StrEnum):
    """What a rule is about."""

    ACCOUNT = "ACCOUNT"
    CUSTOMER = "CUSTOMER"
    CARRIER = "CARRIER"


class Operator(StrEnum):
    """On which side of the threshold it is raised; the threshold itself is not."""

    BELOW = "BELOW"
    ABOVE = "ABOVE"


class Level(StrEnum):
    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class Kind(StrEnum):
    """What has happened. REPEATED: it is told again, or now for the first time, since its cool-down
    was not over when it was raised."""

    RAISED = "RAISED"
    REPEATED = "REPEATED"
    CLEARED = "CLEARED"


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric: its unit ("" none, money: the customer's currency), the scopes in which it means
    something, between which values it lies, and whether it is taken from calls that ended in a
    sample period, else of the moment."""

    metric: Metric
    unit: str
    scopes: frozenset[Scope]
    sampled: bool
    least: Decimal | None = Decimal(0)
    most: Decimal | None = None


MONEY = "money"
_EVERY = frozenset(Scope)

# Every metric there is: another is one more entry here, and its reading in workers/readings.py.
# What is up and what starts is not counted by its carrier a second, only by customer.
MEASURES: tuple[Measure, ...] = (
    Measure(Metric.BALANCE, MONEY, frozenset({Scope.CUSTOMER}), False, least=None),
    Measure(Metric.ASR, "%", _EVERY, True, most=Decimal(100)),
    Measure(Metric.ACD, "s", _EVERY, True),
    Measure(Metric.PDD, "ms", _EVERY, True),
    Measure(Metric.NER, "%", _EVERY, True, most=Decimal(100)),
    Measure(Metric.CPS, "/s", _EVERY - {Scope.CARRIER}, False),
    Measure(Metric.CHANNELS, "", _EVERY, False),
    Measure(Metric.CONSECUTIVE_FAILURES, "", _EVERY, True),
)
MEASURE: Mapping[Metric, Measure] = {measure.metric: measure for measure in MEASURES}


# Readings --------------------------------------------------------------------------------------

PLACES = 4  # of a ratio: compared as it is shown


@dataclass(frozen=True, slots=True)
class Reading:
    """`value` None: there is none. `samples` are the calls it was taken from, 1 for what is of the
    moment."""

    value: Decimal | None
    samples: int = 1


@dataclass(frozen=True, slots=True)
class Ended:
    """What ended in a sample period: attempts of an account or a customer, legs of a carrier.

    `codes` are numbers of them by SIP code; `failures` are those since the last that did not fail:
    see `FAILS_NOT`.
    """

    sums: stats.Sums = field(default_factory=stats.Sums)
    codes: Mapping[int, int] = field(default_factory=dict)
    failures: int = 0


# A call answered, or which the called one did not take, is no failure of who carries it; nor is a
# redirection. As NER has it (RFC 6076), so that a row of failures is one of NER's.
FAILS_NOT = (*stats.EFFECTIVE_CODES, *range(300, 400))


def reading(metric: Metric, ended: Ended) -> Reading:
    """Of a metric that is sampled."""
    sums, counted = ended.sums, sum(ended.codes.values())
    match metric:
        case Metric.ASR:
            return _ratio(stats.asr(sums.attempts, sums.answered), sums.attempts)
        case Metric.ACD:
            return _ratio(stats.acd_seconds(sums.answered, sums.talk_us), sums.answered)
        case Metric.PDD:
            return _ratio(stats.pdd_ms(sums), sums.pdd_count)
        case Metric.NER:
            redirected = sum(n for code, n in ended.codes.items() if 300 <= code < 400)
            return _ratio(stats.ner(ended.codes), counted - redirected)
        case Metric.CONSECUTIVE_FAILURES:
            return Reading(Decimal(ended.failures) if counted else None, counted)
    raise ValueError(f"{metric} is not sampled")


def _ratio(value: Fraction | None, samples: int) -> Reading:
    if value is None:
        return Reading(None, samples)
    exact = money.divide(Decimal(value.numerator), value.denominator)
    shown = money.plain(money.rounded(exact, PLACES, Rounding.HALF_EVEN))
    return Reading(Decimal(shown), samples)


# Rules -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """What decides. `repeat` None: it is told once; else no sooner than `cool_down` allows."""

    metric: Metric
    operator: Operator
    threshold: Decimal
    reset_threshold: Decimal
    minimum_sample: int = 1
    cool_down: timedelta = timedelta(0)
    repeat: timedelta | None = None

    def passes(self, value: Decimal) -> bool:
        below = self.operator is Operator.BELOW
        return value < self.threshold if below else value > self.threshold

    def recovers(self, value: Decimal) -> bool:
        below = self.operator is Operator.BELOW
        return value >= self.reset_threshold if below else value <= self.reset_threshold


@dataclass(frozen=True, slots=True)
class State:
    """Of a rule. `raised_at` None: it is not raised; `is_told`: its recipients know that it is;
    `told_at`: when they were last told of it or of an earlier one; `changed_at`: of the reading by
    which this was last changed."""

    raised_at: datetime | None = None
    is_told: bool = False
    told_at: datetime | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What has happened, the state after it, and whether the recipients are told."""

    kind: Kind
    state: State
    is_told: bool


def step(rule: Rule, state: State, read: Reading, at: datetime) -> Step | None:
    """What a reading of that instant does; None: nothing, as with one that is older than the last
    change.

    Within the cool-down nobody is told of a raising; one still raised when it is over is told
    then. Who was told of a raising is told of its end.
    """
    if read.value is None or read.samples < rule.minimum_sample:
        return None
    if state.changed_at is not None and at <= state.changed_at:
        return None
    if state.raised_at is None:
        return _raised(rule, state, at) if rule.passes(read.value) else None
    if rule.recovers(read.value):
        after = State(told_at=state.told_at, changed_at=at)
        return Step(Kind.CLEARED, after, state.is_told)
    return _repeated(rule, state, state.raised_at, at)


def _raised(rule: Rule, state: State, at: datetime) -> Step:
    tells = _is_cool(rule, state, at)
    told_at = at if tells else state.told_at
    return Step(Kind.RAISED, State(at, tells, told_at, at), tells)


def _repeated(rule: Rule, state: State, raised_at: datetime, at: datetime) -> Step | None:
    if not _is_cool(rule, state, at):
        return None
    if state.is_told and not _is_due(rule, state, at):
        return None
    return Step(Kind.REPEATED, State(raised_at, True, at, at), True)


def _is_cool(rule: Rule, state: State, at: datetime) -> bool:
    return state.told_at is None or at - state.told_at >= rule.cool_down


def _is_due(rule: Rule, state: State, at: datetime) -> bool:
    return (
        rule.repeat is not None and state.told_at is not None and at - state.told_at >= rule.repeat
    )
