"""What alert rules make of any course of readings."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import alerts, refusals, stats, texts
from domain.alert_rules import Recipient, Wanted, checked
from domain.alerts import MEASURE, MEASURES, Kind, Level, Metric, Operator, Reading, Rule, Scope
from domain.messages import Channel
from workers import readings

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TICK = timedelta(seconds=10)


def seconds(least: int, most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(least, most).map(lambda n: timedelta(seconds=n))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Any rule that makes sense."""
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


# Readings about the thresholds, ten seconds apart; sometimes none, or of few samples.
courses = st.lists(
    st.builds(
        Reading,
        st.none() | st.integers(-12, 22).map(Decimal),
        st.integers(0, 8),
    ),
    max_size=60,
)
Happened = list[tuple[datetime, Reading, alerts.Step]]


def run(rule: Rule, course: Sequence[Reading]) -> Happened:
    state, happened = alerts.State(), []
    for number, read in enumerate(course):
        at = NOW + number * TICK
        if step := alerts.step(rule, state, read, at):
            state = step.state
            happened.append((at, read, step))
    return happened


@given(rules(), courses)
def test_nothing_is_raised_or_cleared_by_no_value_or_too_few_samples(
    rule: Rule, course: list[Reading]
) -> None:
    for _, read, _ in run(rule, course):
        assert read.value is not None
        assert read.samples >= rule.minimum_sample


@given(rules(), courses)
def test_raised_and_cleared_take_turns_and_the_first_is_raised(
    rule: Rule, course: list[Reading]
) -> None:
    """Repeated in between alone."""
    is_raised = False
    for _, _, step in run(rule, course):
        assert is_raised is (step.kind is not Kind.RAISED)
        is_raised = step.kind is not Kind.CLEARED
        assert (step.state.raised_at is not None) is is_raised


@given(rules(), courses)
def test_it_is_raised_beyond_the_threshold_alone_and_cleared_from_the_reset_on(
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
def test_between_threshold_and_reset_what_is_raised_stays_so_and_what_is_not_too(
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
def test_no_two_messages_of_a_raising_come_within_the_cool_down(
    rule: Rule, course: list[Reading]
) -> None:
    told = [at for at, _, step in run(rule, course) if step.is_told and step.kind != Kind.CLEARED]
    for earlier, later in itertools.pairwise(told):
        assert later - earlier >= rule.cool_down


@given(rules(), courses)
def test_who_was_told_of_a_raising_is_told_of_its_end_and_nobody_else(
    rule: Rule, course: list[Reading]
) -> None:
    knows = False
    for _, _, step in run(rule, course):
        if step.kind is Kind.CLEARED:
            assert step.is_told is knows
            knows = False
        else:
            knows = knows or step.is_told
            assert step.state.is_told is knows


@given(rules(), st.integers(1, 40))
def test_one_that_stays_raised_is_told_once_and_then_as_often_as_it_repeats(
    rule: Rule, ticks: int
) -> None:
    beyond = rule.threshold - 1 if rule.operator is Operator.BELOW else rule.threshold + 1
    happened = run(rule, [Reading(beyond, rule.minimum_sample)] * ticks)
    [_, *repeats] = [at for at, _, step in happened if step.is_told]
    if rule.repeat is None:
        assert repeats == []
    else:
        every = max(TICK, -(-rule.repeat // TICK) * TICK)  # ticks are what it can be told at
        last = NOW + (ticks - 1) * TICK
        assert repeats == [NOW + n * every for n in range(1, (last - NOW) // every + 1)]


def test_one_raised_again_within_the_cool_down_is_told_when_that_is_over() -> None:
    rule = Rule(
        Metric.ASR, Operator.BELOW, Decimal(40), Decimal(50), cool_down=timedelta(seconds=35)
    )
    low, high = Reading(Decimal(30)), Reading(Decimal(60))
    told = [(step.kind, step.is_told) for _, _, step in run(rule, [low, high, low, low, low, high])]
    assert told == [
        (Kind.RAISED, True),
        (Kind.CLEARED, True),
        (Kind.RAISED, False),
        (Kind.REPEATED, True),
        (Kind.CLEARED, True),
    ]
    short = [(step.kind, step.is_told) for _, _, step in run(rule, [low, high, low, high])]
    assert short[2:] == [(Kind.RAISED, False), (Kind.CLEARED, False)]


@given(rules(), courses, st.integers(0, 100))
def test_a_reading_older_than_the_last_change_changes_nothing(
    rule: Rule, course: list[Reading], older: int
) -> None:
    for _, _, step in run(rule, course):
        assert step.state.changed_at is not None
        at = step.state.changed_at - timedelta(seconds=older)
        for read in course:
            assert alerts.step(rule, step.state, read, at) is None


# Metrics -----------------------------------------------------------------------------------------


def test_every_metric_is_in_the_registry_once_and_can_be_read() -> None:
    assert sorted(MEASURE) == sorted(Metric)
    assert len(MEASURES) == len(Metric)
    assert {one.metric for one in MEASURES if not one.sampled} == readings.OF_THE_MOMENT
    for measure in MEASURES:
        if measure.sampled:
            assert alerts.reading(measure.metric, alerts.Ended()) == Reading(None, 0)


def test_readings_are_what_page_one_says_they_are_and_of_so_many_samples() -> None:
    sums = stats.Sums(attempts=10, answered=3, talk_us=100_000_000, pdd_us=7_000_000, pdd_count=6)
    ended = alerts.Ended(sums, {200: 3, 486: 1, 503: 4, 302: 2}, failures=4)
    assert {one: alerts.reading(one, ended) for one in Metric if MEASURE[one].sampled} == {
        Metric.ASR: Reading(Decimal("30.0000"), 10),
        Metric.ACD: Reading(Decimal("33.3333"), 3),
        Metric.PDD: Reading(Decimal("1166.6667"), 6),
        Metric.NER: Reading(Decimal("50.0000"), 8),
        Metric.CONSECUTIVE_FAILURES: Reading(Decimal(4), 10),
    }


# Rules that make no sense ------------------------------------------------------------------------

SENSE = Wanted(
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


def test_a_rule_that_makes_sense_is_kept_with_each_recipient_once_as_it_is_written_to() -> None:
    twice = (
        Recipient(Channel.EMAIL, "ops@ACME.example"),
        Recipient(Channel.EMAIL, "ops@acme.example", "de"),
        Recipient(Channel.SMS, "+44 1632 960000"),
        Recipient(Channel.WEBHOOK, "http://127.0.0.1:8080/hook?a=b"),
    )
    assert checked(replace(SENSE, recipients=twice))["recipients"] == [
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
def test_a_rule_that_makes_no_sense_is_refused_with_its_field(
    changes: dict[str, object], code: str, field: str
) -> None:
    with pytest.raises(refusals.Refusal) as refused:
        checked(replace(SENSE, **changes))  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.field) == (code, field)
    for language in texts.LANGUAGES:
        assert "{" not in refused.value.said(language)
