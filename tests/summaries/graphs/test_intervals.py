"""The points of a graph: their edges, and how many there may be."""

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.refusals import Refusal
from domain.summaries import intervals
from domain.summaries.intervals import Interval

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu",
    "Australia/Lord_Howe", "America/Sao_Paulo", "America/Havana", "Pacific/Apia",
    "Pacific/Chatham", "Africa/Casablanca", "Asia/Gaza",
]  # fmt: skip
SLOT = timedelta(minutes=15)


def days(zone: str, start: str, end: str) -> list[float]:
    """Hours of each local day that touches the range, given in wall time."""
    place = ZoneInfo(zone)
    edges = [datetime.fromisoformat(text).replace(tzinfo=place) for text in (start, end)]
    buckets = intervals.buckets(*edges, Interval.DAY, place)
    return [(bucket.end - bucket.start) / timedelta(hours=1) for bucket in buckets]


def test_days_of_a_clock_change_have_23_or_25_hours() -> None:
    assert days("Europe/Berlin", "2026-03-28", "2026-03-31") == [24, 23, 24]
    assert days("Europe/Berlin", "2026-10-24", "2026-10-27") == [24, 25, 24]


def test_lord_howe_shifts_its_clocks_by_half_an_hour() -> None:
    assert days("Australia/Lord_Howe", "2026-10-03", "2026-10-06") == [24, 23.5, 24]
    assert days("Australia/Lord_Howe", "2026-04-04", "2026-04-07") == [24, 24.5, 24]


def test_a_day_whose_midnight_is_skipped_begins_at_the_change() -> None:
    assert days("America/Sao_Paulo", "2018-11-03T12:00", "2018-11-06") == [24, 23, 24]


def test_a_day_skipped_at_the_date_line_is_left_out() -> None:
    assert days("Pacific/Apia", "2011-12-29", "2012-01-01") == [24, 24]


def test_a_day_in_kathmandu_begins_at_a_quarter_past_in_utc() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    (day,) = intervals.buckets(noon, noon + SLOT, Interval.DAY, ZoneInfo("Asia/Kathmandu"))
    assert day.start == datetime(2026, 11, 19, 18, 15, tzinfo=UTC)


def test_hours_follow_utc_in_every_zone() -> None:
    start = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    hours = intervals.buckets(
        start, start + timedelta(hours=1), Interval.HOUR, ZoneInfo("Asia/Kathmandu")
    )
    assert [hour.start.hour for hour in hours] == [9, 10]
    assert {hour.start.minute for hour in hours} == {0}


STARTS = st.integers(0, 50_000_000).map(lambda m: datetime(1975, 1, 1, tzinfo=UTC) + m * SLOT / 15)


@settings(deadline=None)
@given(st.sampled_from(ZONES), st.sampled_from(Interval), STARTS, st.integers(1, 1_052_640))
def test_buckets_are_consecutive_cover_the_range_and_consist_of_whole_slots(
    zone: str, interval: Interval, start: datetime, minutes: int
) -> None:
    longest = interval.typical_length * (intervals.MAX_POINTS - 1)
    end = start + min(timedelta(minutes=minutes), longest)
    buckets = intervals.buckets(start, end, interval, ZoneInfo(zone))
    assert len(buckets) <= intervals.MAX_POINTS
    assert buckets[0].start <= start < buckets[0].end
    assert buckets[-1].start < end <= buckets[-1].end
    assert all(a.end == b.start for a, b in itertools.pairwise(buckets))
    assert all(bucket.start < bucket.end for bucket in buckets)
    if start.year >= 2000:
        assert all(
            (b.start - datetime(2000, 1, 1, tzinfo=UTC)) % SLOT == timedelta(0) for b in buckets
        )


def first_of(day: date, interval: Interval) -> tuple[int, ...]:
    """What all days of one interval have in common."""
    match interval:
        case Interval.WEEK:
            return day.isocalendar()[:2]
        case Interval.MONTH:
            return day.year, day.month
    return day.year, day.month, day.day


@settings(deadline=None)
@given(
    st.sampled_from(ZONES),
    st.sampled_from([Interval.DAY, Interval.WEEK, Interval.MONTH]),
    STARTS,
    st.integers(1, 731),
)
def test_days_weeks_and_months_begin_with_the_first_instant_of_the_readers_wall_clock(
    zone: str, interval: Interval, start: datetime, days: int
) -> None:
    place = ZoneInfo(zone)
    for bucket in intervals.buckets(start, start + timedelta(days=days), interval, place):
        instants = (
            bucket.start - timedelta(microseconds=1),
            bucket.start,
            bucket.end - timedelta(microseconds=1),
            bucket.end,
        )
        before, first, last, after = (
            first_of(instant.astimezone(place).date(), interval) for instant in instants
        )
        assert before != first == last != after


def test_a_week_begins_on_monday_and_lasts_an_hour_longer_when_the_clocks_go_back() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    sunday = datetime(2026, 10, 25, 12, tzinfo=berlin)
    (week,) = intervals.buckets(sunday, sunday + SLOT, Interval.WEEK, berlin)
    assert week.start == datetime(2026, 10, 19, tzinfo=berlin)
    assert (week.end - week.start) / timedelta(hours=1) == 7 * 24 + 1


@pytest.mark.parametrize(
    ("interval", "days", "coarser"),
    [
        (Interval.QUARTER_HOUR, 21, "HOUR"),
        (Interval.QUARTER_HOUR, 84, "DAY"),
        (Interval.HOUR, 84, "DAY"),
        (Interval.HOUR, 731, "DAY"),
    ],
)
def test_too_many_points_are_refused_with_the_next_interval_that_fits(
    interval: Interval, days: int, coarser: str
) -> None:
    start, utc = datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("UTC")
    with pytest.raises(
        Refusal, match=f"at most 2,?000 points. Select the interval {coarser}"
    ) as refused:
        intervals.buckets(start, start + timedelta(days=days), interval, utc)
    assert refused.value.code == "TOO_MANY_POINTS"
    assert intervals.buckets(start, start + timedelta(days=days), Interval[coarser], utc)


def test_2000_points_and_two_years_are_not_too_many() -> None:
    start, utc = datetime(2027, 1, 1, tzinfo=UTC), ZoneInfo("UTC")
    hours = intervals.buckets(start, start + timedelta(hours=2_000), Interval.HOUR, utc)
    assert len(hours) == intervals.MAX_POINTS
    days = intervals.buckets(start, datetime(2029, 1, 1, tzinfo=UTC), Interval.DAY, utc)
    assert len(days) == 731


def test_more_than_two_years_are_refused() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(Refusal, match="731 days") as refused:
        intervals.buckets(start, start + timedelta(days=732), Interval.MONTH, ZoneInfo("UTC"))
    assert (refused.value.code, refused.value.field) == ("BAD_RANGE", "to")


@pytest.mark.parametrize("days", [0, -1, -800_000])
def test_an_invalid_range_is_refused(days: int) -> None:
    end = datetime(2999, 1, 1, tzinfo=UTC)
    with pytest.raises(Refusal) as refused:
        intervals.buckets(end - timedelta(days=days), end, Interval.DAY, ZoneInfo("UTC"))
    assert refused.value.code == "BAD_RANGE"
