"""The rule of the channel history: which stored periods make up the points of a graph."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import epoch
from domain.periods import Period
from domain.summaries import channel_history, intervals
from domain.summaries.channel_history import ALL_CARRIERS, LENGTH, Channels, History, Level, Scope
from domain.summaries.intervals import Interval

DAY = datetime(2026, 10, 24, tzinfo=UTC)
MINUTE = channel_history.MINUTE
EDGES = st.lists(st.integers(0, 3_000), min_size=2, max_size=12, unique=True).map(sorted)


def at(minute: float) -> datetime:
    return DAY + timedelta(minutes=minute)


@given(EDGES, st.integers(0, 700), st.integers(0, 60))
def test_stored_periods_cover_every_minute_once_and_contain_no_edge(
    minutes: list[int], five_minutes: int, hours: int
) -> None:
    folded = {Level.FIVE_MINUTES: at(5 * five_minutes), Level.HOURS: at(60 * hours)}
    edges = [at(minute) for minute in minutes]

    segments = channel_history.segments(edges, folded)

    covered: list[datetime] = []
    for level, periods in segments.items():
        for period in periods:
            for edge in (period.start, period.end):
                assert edge == epoch.floor(edge, LENGTH[level])
            assert period.end <= folded.get(level, period.end)
            starts = _starts(period, LENGTH[level])
            assert not any(
                start < edge < start + LENGTH[level] for start in starts for edge in edges
            )
            covered += _starts(period, MINUTE)
    assert sorted(covered) == _starts(Period(edges[0], edges[-1]), MINUTE)


def _starts(period: Period, length: timedelta) -> list[datetime]:
    return [period.start + n * length for n in range((period.end - period.start) // length)]


def test_days_are_read_from_hours_and_the_ends_of_kathmandus_from_5_minutes() -> None:
    folded = dict.fromkeys((Level.FIVE_MINUTES, Level.HOURS), at(100_000))

    def count(zone: str) -> dict[Level, int]:
        buckets = intervals.buckets(DAY, DAY + timedelta(days=9), Interval.DAY, ZoneInfo(zone))
        edges = [bucket.start for bucket in buckets] + [buckets[-1].end]
        segments = channel_history.segments(edges, folded)
        return {level: len(periods) for level, periods in segments.items()}

    assert count("Europe/Berlin") == {Level.MINUTES: 0, Level.FIVE_MINUTES: 0, Level.HOURS: 1}
    assert count("Asia/Kathmandu") == {Level.MINUTES: 0, Level.FIVE_MINUTES: 11, Level.HOURS: 10}


def test_what_is_not_folded_yet_is_read_from_minutes() -> None:
    folded = {Level.FIVE_MINUTES: at(115), Level.HOURS: at(60)}
    assert channel_history.segments([at(0), at(180)], folded) == {
        Level.HOURS: [Period(at(0), at(60))],
        Level.FIVE_MINUTES: [Period(at(60), at(115))],
        Level.MINUTES: [Period(at(115), at(180))],
    }
    assert channel_history.segments([at(0), at(180)], {})[Level.MINUTES] == [Period(at(0), at(180))]


@pytest.mark.parametrize(
    ("seconds", "slot"), [(0, 0), (9.999999, 0), (10, 1), (59.999999, 5), (60, 0)]
)
def test_a_minute_has_a_sample_every_10_seconds(seconds: float, slot: int) -> None:
    assert channel_history.slot_of(DAY + timedelta(seconds=seconds)) == slot


def test_the_calls_of_carriers_add_up_to_their_customer_and_to_the_account() -> None:
    counts = [(0, [(1, 3), (0, 1)]), (7, [(1, 3)]), (8, [(0, 1)]), (9, [])]
    assert channel_history.calls_by_scope(counts) == {
        Scope(0, 1): 3, Scope(0, 0): 1, Scope(0): 4,
        Scope(7, 1): 3, Scope(7): 3, Scope(8, 0): 1, Scope(8): 1,
    }  # fmt: skip


def test_no_sample_is_not_0_calls() -> None:
    history = History(samples={0: 6}, calls={})
    assert history.of_all(0) == Channels(0, 0, 6)
    assert history.of_all(1) is None


def test_the_mean_is_over_all_samples_and_not_only_those_with_calls() -> None:
    history = History(samples={0: 6}, calls={(0, ALL_CARRIERS): (5, 9), (0, 1): (5, 9)})
    channels = history.of_all(0)
    assert channels is not None
    assert channels.mean == Fraction(3, 2)


def test_the_maximum_of_several_carriers_is_unknown_and_their_means_add_up() -> None:
    history = History(samples={0: 6}, calls={(0, 1): (4, 12), (0, 2): (3, 6)})
    assert history.of_carriers(0, [1]) == Channels(4, 12, 6)
    assert history.of_carriers(0, [1, 2]) == Channels(None, 18, 6)
    assert history.of_carriers(0, [1, 3]) == Channels(4, 12, 6)
    assert history.of_carriers(0, []) == Channels(0, 0, 6)
