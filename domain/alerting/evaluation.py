"""Evaluation of alert rules: the transition that a reading causes.

A reading beyond the threshold raises an alert; a reading at or beyond the reset threshold clears
it. Between the two nothing changes, so that a value near the threshold does not flap. A reading
without a value, or with fewer samples than the rule's minimum, neither raises nor clears.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from domain import money
from domain.money import Rounding
from domain.summaries import ratios


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
    """The kind of object that a rule is about."""

    ACCOUNT = "ACCOUNT"
    CUSTOMER = "CUSTOMER"
    CARRIER = "CARRIER"


class Operator(StrEnum):
    """The side of the threshold on which an alert is raised. The threshold itself raises none."""

    BELOW = "BELOW"
    ABOVE = "ABOVE"


class Level(StrEnum):
    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class Kind(StrEnum):
    """The event. REPEATED: a further notification of a raised alert, or its first one if the alert
    was raised within the cool-down."""

    RAISED = "RAISED"
    REPEATED = "REPEATED"
    CLEARED = "CLEARED"


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A metric with its unit ("" if none, MONEY for the customer's currency), scopes and range.

    A sampled metric is computed from calls that ended in a sample period; others are present ones.
    """

    metric: Metric
    unit: str
    scopes: frozenset[Scope]
    is_sampled: bool
    minimum: Decimal | None = Decimal(0)
    maximum: Decimal | None = None


MONEY = "money"
_ALL_SCOPES = frozenset(Scope)

# All metrics. A new one needs an entry here and its reading in workers/readings.py. CPS is counted
# by customer only, not by carrier.
METRICS: tuple[MetricDefinition, ...] = (
    MetricDefinition(Metric.BALANCE, MONEY, frozenset({Scope.CUSTOMER}), False, minimum=None),
    MetricDefinition(Metric.ASR, "%", _ALL_SCOPES, True, maximum=Decimal(100)),
    MetricDefinition(Metric.ACD, "s", _ALL_SCOPES, True),
    MetricDefinition(Metric.PDD, "ms", _ALL_SCOPES, True),
    MetricDefinition(Metric.NER, "%", _ALL_SCOPES, True, maximum=Decimal(100)),
    MetricDefinition(Metric.CPS, "/s", _ALL_SCOPES - {Scope.CARRIER}, False),
    MetricDefinition(Metric.CHANNELS, "", _ALL_SCOPES, False),
    MetricDefinition(Metric.CONSECUTIVE_FAILURES, "", _ALL_SCOPES, True),
)
METRIC: Mapping[Metric, MetricDefinition] = {measure.metric: measure for measure in METRICS}


# Readings --------------------------------------------------------------------------------------

RATIO_PLACES = 4  # of a ratio, compared as it is shown


@dataclass(frozen=True, slots=True)
class Reading:
    """`value` is None if it is undefined. `samples` is the number of calls that it was computed
    from; 1 for metrics that are not sampled."""

    value: Decimal | None
    samples: int = 1


@dataclass(frozen=True, slots=True)
class EndedCalls:
    """Calls that ended in a sample period: attempts of an account or customer, legs of a carrier.

    `codes` counts them by SIP code. `failures` counts those after the last call that did not fail
    (`NON_FAILURE_CODES`).
    """

    sums: ratios.Sums = field(default_factory=ratios.Sums)
    codes: Mapping[int, int] = field(default_factory=dict)
    failures: int = 0


# An answered, refused or redirected call is not a failure of the network. These are the codes that
# NER counts as effective or leaves out (RFC 6076), so that consecutive failures agree with NER.
NON_FAILURE_CODES = (*ratios.EFFECTIVE_CODES, *range(300, 400))


def compute_reading(metric: Metric, ended: EndedCalls) -> Reading:
    """The reading of a sampled metric. Raises ValueError for other metrics."""
    sums, attempts = ended.sums, sum(ended.codes.values())
    match metric:
        case Metric.ASR:
            return _ratio(ratios.ASR.of(sums), sums.attempts)
        case Metric.ACD:
            return _ratio(ratios.ACD_SECONDS.of(sums), sums.answered)
        case Metric.PDD:
            return _ratio(ratios.PDD_MS.of(sums), sums.pdd_count)
        case Metric.NER:
            redirected = sum(n for code, n in ended.codes.items() if 300 <= code < 400)
            return _ratio(ratios.ner(ended.codes), attempts - redirected)
        case Metric.CONSECUTIVE_FAILURES:
            return Reading(Decimal(ended.failures) if attempts else None, attempts)
    raise ValueError(f"{metric} is not sampled")


def _ratio(value: Fraction | None, samples: int) -> Reading:
    if value is None:
        return Reading(None, samples)
    exact = money.divide(Decimal(value.numerator), value.denominator)
    text = money.plain(money.round_to(exact, RATIO_PLACES, Rounding.HALF_EVEN))
    return Reading(Decimal(text), samples)


# Rules -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """The values that decide about transitions. `repeat` is None if an alert is notified once."""

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
    """The state of a rule.

    `raised_at` is None if no alert is raised. `is_notified`: the recipients were notified of it.
    `notified_at`: the last notification of this or an earlier alert. `changed_at`: the time of the
    reading that caused the last transition.
    """

    raised_at: datetime | None = None
    is_notified: bool = False
    notified_at: datetime | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """The event, the state after it, and whether the recipients are notified."""

    kind: Kind
    state: State
    is_notified: bool


def evaluate(rule: Rule, state: State, reading: Reading, at: datetime) -> Transition | None:
    """The transition that a reading causes; None if it causes none, or is not newer than the last.

    An alert that is raised within the cool-down is notified at its end, if it is still raised.
    Recipients who were notified of an alert are notified when it clears.
    """
    if reading.value is None or reading.samples < rule.minimum_sample:
        return None
    if state.changed_at is not None and at <= state.changed_at:
        return None
    if state.raised_at is None:
        return _raise(rule, state, at) if rule.passes(reading.value) else None
    if rule.recovers(reading.value):
        after = State(notified_at=state.notified_at, changed_at=at)
        return Transition(Kind.CLEARED, after, state.is_notified)
    return _repeat(rule, state, state.raised_at, at)


def _raise(rule: Rule, state: State, at: datetime) -> Transition:
    notifies = _is_cooled_down(rule, state, at)
    notified_at = at if notifies else state.notified_at
    return Transition(Kind.RAISED, State(at, notifies, notified_at, at), notifies)


def _repeat(rule: Rule, state: State, raised_at: datetime, at: datetime) -> Transition | None:
    if not _is_cooled_down(rule, state, at):
        return None
    if state.is_notified and not _is_repeat_due(rule, state, at):
        return None
    return Transition(Kind.REPEATED, State(raised_at, True, at, at), True)


def _is_cooled_down(rule: Rule, state: State, at: datetime) -> bool:
    return state.notified_at is None or at - state.notified_at >= rule.cool_down


def _is_repeat_due(rule: Rule, state: State, at: datetime) -> bool:
    return (
        rule.repeat is not None
        and state.notified_at is not None
        and at - state.notified_at >= rule.repeat
    )
