"""How an alert rule reacts to any sequence of readings."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import refusals
from domain.alerting import evaluation
from domain.alerting.alert_rules import Recipient, RuleDefinition, validate
from domain.alerting.evaluation import (
    METRIC,
    METRICS,
    Kind,
    Level,
    Metric,
    Operator,
    Reading,
    Rule,
    Scope,
)
from domain.messaging import texts
from domain.messaging.messages import Channel
from domain.summaries import ratios
from workers import readings

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TICK = timedelta(seconds=10)


def seconds(least: int, most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(least, most).map(lambda n: timedelta(seconds=n))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Any valid rule."""
    operator = draw(st.sampled_from(Operator))
    threshold, distance = draw(st.integers(-5, 15)), draw(st.integers(0, 5))
    reset = threshold + distance if operator is Operator.BELOW else threshold - distance
    cool_down = draw(seconds(0, 90))
    return Rule(
        Metric.ASR,
        operator,
        Decimal(threshold),
        Decimal(reset),
        draw(st.integers(1, 5)),
        cool_down,
        draw(st.none() | seconds(0, 60).map(lambda more: cool_down + more)),
    )


# Readings around the thresholds, ten seconds apart; sometimes none, or with few samples.
courses = st.lists(
    st.builds(
        Reading,
        st.none() | st.integers(-12, 22).map(Decimal),
        st.integers(0, 8),
    ),
    max_size=60,
)
Happened = list[tuple[datetime, Reading, evaluation.Transition]]


def run(rule: Rule, course: Sequence[Reading]) -> Happened:
    state, happened = evaluation.State(), []
    for number, read in enumerate(course):
        at = NOW + number * TICK
        if step := evaluation.evaluate(rule, state, read, at):
            state = step.state
            happened.append((at, read, step))
    return happened


@given(rules(), courses)
def test_a_missing_value_or_too_few_samples_neither_raise_nor_clear_an_alert(
    rule: Rule, course: list[Reading]
) -> None:
    for _, read, _ in run(rule, course):
        assert read.value is not None
        assert read.samples >= rule.minimum_sample


@given(rules(), courses)
def test_an_alert_is_raised_first_and_then_alternates_between_cleared_and_raised(
    rule: Rule, course: list[Reading]
) -> None:
    """Repeated only within the sequence."""
    is_raised = False
    for _, _, step in run(rule, course):
        assert is_raised is (step.kind is not Kind.RAISED)
        is_raised = step.kind is not Kind.CLEARED
        assert (step.state.raised_at is not None) is is_raised


@given(rules(), courses)
def test_an_alert_is_raised_beyond_the_threshold_and_cleared_at_the_reset_threshold(
    rule: Rule, course: list[Reading]
) -> None:
    sign = 1 if rule.operator is Operator.BELOW else -1
    for _, read, step in run(rule, course):
        assert read.value is not None
        if step.kind is Kind.RAISED:
            assert sign * read.value < sign * rule.threshold
        elif step.kind is Kind.CLEARED:
            assert sign * read.value >= sign * rule.reset_threshold
        else:
            assert sign * read.value < sign * rule.reset_threshold


@given(rules(), st.lists(st.integers(0, 9), max_size=20), st.booleans())
def test_between_threshold_and_reset_threshold_an_alert_keeps_its_state(
    rule: Rule, tenths: list[int], is_raised: bool
) -> None:
    """A value that wanders there does not flap."""
    width = rule.reset_threshold - rule.threshold
    within = [rule.threshold + width * tenth / 10 for tenth in tenths]
    if width == 0 and is_raised:
        within = []  # there is nothing between them
    beyond = rule.threshold - 1 if rule.operator is Operator.BELOW else rule.threshold + 1
    course = [Reading(beyond, 9)] * is_raised + [Reading(value, 9) for value in within]
    kinds = [step.kind for _, _, step in run(rule, course) if step.kind is not Kind.REPEATED]
    assert kinds == [Kind.RAISED] * is_raised


@given(rules(), courses)
def test_notifications_that_an_alert_was_raised_respect_the_cool_down(
    rule: Rule, course: list[Reading]
) -> None:
    notified_at = [
        at for at, _, step in run(rule, course) if step.is_notified and step.kind != Kind.CLEARED
    ]
    for earlier, later in itertools.pairwise(notified_at):
        assert later - earlier >= rule.cool_down


@given(rules(), courses)
def test_only_recipients_notified_of_an_alert_are_notified_that_it_was_cleared(
    rule: Rule, course: list[Reading]
) -> None:
    notified = False
    for _, _, step in run(rule, course):
        if step.kind is Kind.CLEARED:
            assert step.is_notified is notified
            notified = False
        else:
            notified = notified or step.is_notified
            assert step.state.is_notified is notified


@given(rules(), st.integers(1, 40))
def test_an_active_alert_is_notified_once_and_then_at_its_repeat_interval(
    rule: Rule, ticks: int
) -> None:
    beyond = rule.threshold - 1 if rule.operator is Operator.BELOW else rule.threshold + 1
    happened = run(rule, [Reading(beyond, rule.minimum_sample)] * ticks)
    [_, *repeats] = [at for at, _, step in happened if step.is_notified]
    if rule.repeat is None:
        assert repeats == []
    else:
        every = max(TICK, -(-rule.repeat // TICK) * TICK)  # ticks at which it can be notified
        last = NOW + (ticks - 1) * TICK
        assert repeats == [NOW + n * every for n in range(1, (last - NOW) // every + 1)]


def test_an_alert_raised_again_within_the_cool_down_is_notified_after_it() -> None:
    rule = Rule(
        Metric.ASR, Operator.BELOW, Decimal(40), Decimal(50), cool_down=timedelta(seconds=35)
    )
    low, high = Reading(Decimal(30)), Reading(Decimal(60))
    notified_at = [
        (step.kind, step.is_notified) for _, _, step in run(rule, [low, high, low, low, low, high])
    ]
    assert notified_at == [
        (Kind.RAISED, True),
        (Kind.CLEARED, True),
        (Kind.RAISED, False),
        (Kind.REPEATED, True),
        (Kind.CLEARED, True),
    ]
    short = [(step.kind, step.is_notified) for _, _, step in run(rule, [low, high, low, high])]
    assert short[2:] == [(Kind.RAISED, False), (Kind.CLEARED, False)]


@given(rules(), courses, st.integers(0, 100))
def test_a_reading_older_than_the_last_change_changes_nothing(
    rule: Rule, course: list[Reading], older: int
) -> None:
    for _, _, step in run(rule, course):
        assert step.state.changed_at is not None
        at = step.state.changed_at - timedelta(seconds=older)
        for read in course:
            assert evaluation.evaluate(rule, step.state, read, at) is None


# Metrics -----------------------------------------------------------------------------------------


def test_every_metric_is_registered_once_and_can_be_read() -> None:
    assert sorted(METRIC) == sorted(Metric)
    assert len(METRICS) == len(Metric)
    assert {
        metric.metric for metric in METRICS if not metric.is_sampled
    } == readings.PRESENT_METRICS
    for measure in METRICS:
        if measure.is_sampled:
            assert evaluation.compute_reading(measure.metric, evaluation.EndedCalls()) == Reading(
                None, 0
            )


def test_readings_and_their_sample_counts_follow_the_definitions() -> None:
    sums = ratios.Sums(attempts=10, answered=3, talk_us=100_000_000, pdd_us=7_000_000, pdd_count=6)
    ended = evaluation.EndedCalls(sums, {200: 3, 486: 1, 503: 4, 302: 2}, failures=4)
    assert {
        metric: evaluation.compute_reading(metric, ended)
        for metric in Metric
        if METRIC[metric].is_sampled
    } == {
        Metric.ASR: Reading(Decimal("30.0000"), 10),
        Metric.ACD: Reading(Decimal("33.3333"), 3),
        Metric.PDD: Reading(Decimal("1166.6667"), 6),
        Metric.NER: Reading(Decimal("50.0000"), 8),
        Metric.CONSECUTIVE_FAILURES: Reading(Decimal(4), 10),
    }


# Invalid rules ----------------------------------------------------------------------------------

SENSE = RuleDefinition(
    title="Few calls are answered",
    metric=Metric.ASR,
    scope=Scope.CUSTOMER,
    operator=Operator.BELOW,
    threshold=Decimal(40),
    reset_threshold=Decimal(50),
    sample_minutes=5,
    minimum_sample=20,
    cool_down_seconds=300,
    repeat_seconds=None,
    level=Level.WARNING,
    recipients=(Recipient(Channel.EMAIL, "Ops@acme.example"),),
)
OF_THE_MOMENT = {"metric": Metric.CHANNELS, "sample_minutes": None, "minimum_sample": 1}


def test_a_valid_rule_is_stored_with_each_recipient_once_in_canonical_form() -> None:
    twice = (
        Recipient(Channel.EMAIL, "ops@ACME.example"),
        Recipient(Channel.EMAIL, "ops@acme.example", "de"),
        Recipient(Channel.SMS, "+44 1632 960000"),
        Recipient(Channel.WEBHOOK, "http://127.0.0.1:8080/hook?a=b"),
    )
    assert validate(replace(SENSE, recipients=twice))["recipients"] == [
        {"channel": "EMAIL", "to": "ops@acme.example", "language": "de"},
        {"channel": "SMS", "to": "+441632960000", "language": "en"},
        {"channel": "WEBHOOK", "to": "http://127.0.0.1:8080/hook?a=b", "language": "en"},
    ]


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"metric": Metric.BALANCE, "scope": Scope.ACCOUNT}, "BAD_SCOPE", "metric"),
        ({"metric": Metric.BALANCE, "scope": Scope.CARRIER}, "BAD_SCOPE", "metric"),
        ({**OF_THE_MOMENT, "metric": Metric.CPS, "scope": Scope.CARRIER}, "BAD_SCOPE", "metric"),
        ({"threshold": Decimal(-1)}, "BAD_THRESHOLD", "threshold"),
        ({"reset_threshold": Decimal(101)}, "BAD_THRESHOLD", "resetThreshold"),
        ({"metric": Metric.NER, "threshold": Decimal(101)}, "BAD_THRESHOLD", "threshold"),
        ({"reset_threshold": Decimal(39)}, "BAD_RESET", "resetThreshold"),
        ({"operator": Operator.ABOVE}, "BAD_RESET", "resetThreshold"),
        ({"sample_minutes": 0}, "BAD_SAMPLE", "sampleMinutes"),
        ({"sample_minutes": 16}, "BAD_SAMPLE", "sampleMinutes"),
        ({"sample_minutes": None}, "BAD_SAMPLE", "sampleMinutes"),
        ({"minimum_sample": 0}, "BAD_SAMPLE", "minimumSample"),
        ({**OF_THE_MOMENT, "sample_minutes": 5}, "BAD_SAMPLE", "sampleMinutes"),
        ({**OF_THE_MOMENT, "minimum_sample": 2}, "BAD_SAMPLE", "minimumSample"),
        ({"cool_down_seconds": -1}, "BAD_COOL_DOWN", "coolDownSeconds"),
        ({"cool_down_seconds": 604_801}, "BAD_COOL_DOWN", "coolDownSeconds"),
        ({"repeat_seconds": 299}, "BAD_REPEAT", "repeatSeconds"),
        ({"repeat_seconds": 59, "cool_down_seconds": 0}, "BAD_REPEAT", "repeatSeconds"),
        ({"title": " "}, "INVALID", "title"),
        ({"recipients": (Recipient(Channel.EMAIL, "nobody"),)}, "INVALID", "recipients"),
        ({"recipients": (Recipient(Channel.SMS, "12"),)}, "INVALID", "recipients"),
        ({"recipients": (*SENSE.recipients,) * 21}, "BAD_RECIPIENT", "recipients"),
        *[
            ({"recipients": (Recipient(Channel.WEBHOOK, url),)}, "BAD_RECIPIENT", "recipients")
            for url in ("ftp://acme.example", "https://me:secret@acme.example/", "https://", "x")
        ],
        *[
            ({"recipients": (Recipient(Channel.WEBHOOK, url),)}, "BAD_RECIPIENT", "recipients")
            for url in ("https://[::1", "https:///x", "http://:80/", "https://acme.example:65536/")
        ],
    ],
)
def test_an_invalid_rule_is_refused_with_its_field(
    changes: dict[str, object], code: str, field: str
) -> None:
    with pytest.raises(refusals.Refusal) as error:
        validate(replace(SENSE, **changes))  # type: ignore[arg-type]
    assert (error.value.code, error.value.field) == (code, field)
    for language in texts.LANGUAGES:
        assert "{" not in error.value.translate(language)
