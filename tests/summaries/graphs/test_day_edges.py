from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from domain import epoch
from domain.summaries import day_edges, intervals

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Kiritimati")
_STARTS = st.integers(0, 3_650 * 24 * 60).map(
    lambda minutes: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
_DAYS = (intervals.Interval.DAY, intervals.Interval.WEEK, intervals.Interval.MONTH)


@given(
    start=_STARTS,
    length=st.timedeltas(_HOUR, timedelta(days=100)),
    interval=st.sampled_from(_DAYS),
    zone=st.sampled_from(_ZONES),
    offsets=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=10),
)
def test_a_call_counts_once_in_the_bucket_that_contains_it(
    start: datetime,
    length: timedelta,
    interval: intervals.Interval,
    zone: str,
    offsets: list[float],
) -> None:
    buckets = intervals.buckets(start, start + length, interval, ZoneInfo(zone))
    edges = [bucket.start for bucket in buckets] + [buckets[-1].end]
    midnights, differences = day_edges.split(edges)
    begin, end = edges[0] - _DAY, edges[-1] + _DAY
    for call in (begin + (end - begin) * offset for offset in offsets):
        counts = [0] * (len(edges) + 1)  # the last one: outside
        day = epoch.floor(call, _DAY)
        for number in range(len(buckets)):
            counts[number] += midnights[number] <= day < midnights[number + 1]
        for difference in differences:
            if difference.start <= call < difference.end:
                counts[difference.edge - 1] += difference.sign
                counts[difference.edge] -= difference.sign
        expected = [bucket.start <= call < bucket.end for bucket in buckets]
        assert counts[: len(buckets)] == expected


@given(
    start=_STARTS,
    zone=st.sampled_from(_ZONES),
)
def test_a_difference_is_at_most_half_a_day(start: datetime, zone: str) -> None:
    buckets = intervals.buckets(start, start + _DAY, intervals.Interval.DAY, ZoneInfo(zone))
    _, differences = day_edges.split([bucket.start for bucket in buckets])
    assert all(difference.end - difference.start <= _DAY / 2 for difference in differences)
