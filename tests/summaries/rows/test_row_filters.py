from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import periods
from domain.billing.row_invoicing import State
from domain.periods import Granularity
from domain.refusals import Refusal
from domain.summaries.row_filters import MAX_DAYS, Filter

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
instants = st.integers(0, 3 * 366 * 24 * 60).map(lambda n: START + timedelta(minutes=n))
long = st.sampled_from([Granularity.DAILY, Granularity.WEEKLY, Granularity.MONTHLY])


def code(call: object) -> str:
    with pytest.raises(Refusal) as refused:
        call()  # type: ignore[operator]
    return refused.value.code


@given(long, instants, st.timedeltas(timedelta(microseconds=1), 400 * DAY), instants, instants)
def test_a_filter_matches_the_periods_that_start_in_its_range(
    kind: Granularity, start: datetime, length: timedelta, instant: datetime, now: datetime
) -> None:
    period = periods.period_containing(kind, instant)
    matches = start <= period.start < start + length
    for is_open in (None, True, False):
        starts = Filter(start, start + length, is_open).starts(kind, now)
        has_state = is_open is None or period.is_open(now) is is_open
        assert (starts.start <= period.start < starts.end) is (matches and has_state)


def test_without_restrictions_every_period_matches() -> None:
    starts = Filter().starts(Granularity.DAILY, NOW)
    assert starts.start.year == 1
    assert starts.end.year == 9999


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NOW, NOW),
        (NOW, NOW - DAY),
        (datetime(1969, 12, 31, tzinfo=UTC), NOW),
        (NOW, datetime(3000, 1, 2, tzinfo=UTC)),
        (datetime(3000, 1, 1, tzinfo=UTC), None),
    ],
)
def test_an_empty_reversed_or_impossible_range_is_refused(
    start: datetime, end: datetime | None
) -> None:
    assert code(lambda: Filter(start, end)) == "BAD_RANGE"


def test_a_selection_of_no_state_is_refused() -> None:
    assert code(lambda: Filter(invoicing=frozenset())) == "EMPTY_SELECTION"
    assert Filter(invoicing=frozenset({State.NONE})).invoicing == {State.NONE}


def test_a_bounded_range_has_at_most_two_years() -> None:
    longest = Filter(START, START + MAX_DAYS * DAY)
    longest.require_bounded(Granularity.DAILY, NOW)
    Filter(NOW - MAX_DAYS * DAY).require_bounded(Granularity.MONTHLY, NOW)
    too_long = Filter(START, START + MAX_DAYS * DAY + timedelta(microseconds=1))
    for unbounded in (Filter(), Filter(end=NOW), too_long, Filter(NOW - (MAX_DAYS + 1) * DAY)):
        assert code(lambda: unbounded.require_bounded(Granularity.DAILY, NOW)) == "BAD_RANGE"  # noqa: B023
        unbounded.require_bounded(Granularity.LIVE, NOW)
