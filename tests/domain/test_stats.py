import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import stats
from domain.periods import Period
from domain.refusals import Refusal
from domain.stats import Interval, Sums

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
    buckets = stats.buckets(*edges, Interval.DAY, place)
    return [(bucket.end - bucket.start) / timedelta(hours=1) for bucket in buckets]


def test_days_of_a_clock_change_have_23_or_25_hours() -> None:
    assert days("Europe/Berlin", "2026-03-28", "2026-03-31") == [24, 23, 24]
    assert days("Europe/Berlin", "2026-10-24", "2026-10-27") == [24, 25, 24]


def test_lord_howe_shifts_its_clocks_by_half_an_hour() -> None:
    assert days("Australia/Lord_Howe", "2026-10-03", "2026-10-06") == [24, 23.5, 24]
    assert days("Australia/Lord_Howe", "2026-04-04", "2026-04-07") == [24, 24.5, 24]


def test_a_day_whose_midnight_is_skipped_begins_at_the_change() -> None:
    assert days("America/Sao_Paulo", "2018-11-03T12:00", "2018-11-06") == [24, 23, 24]


def test_a_day_that_the_date_line_took_is_left_out() -> None:
    assert days("Pacific/Apia", "2011-12-29", "2012-01-01") == [24, 24]


def test_a_day_in_kathmandu_begins_at_a_quarter_past_in_utc() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    (day,) = stats.buckets(noon, noon + SLOT, Interval.DAY, ZoneInfo("Asia/Kathmandu"))
    assert day.start == datetime(2026, 11, 19, 18, 15, tzinfo=UTC)


def test_hours_step_in_utc_whatever_the_zone() -> None:
    start = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
    hours = stats.buckets(
        start, start + timedelta(hours=1), Interval.HOUR, ZoneInfo("Asia/Kathmandu")
    )
    assert [hour.start.hour for hour in hours] == [9, 10]
    assert {hour.start.minute for hour in hours} == {0}


@settings(deadline=None)
@given(
    st.sampled_from(ZONES),
    st.sampled_from(Interval),
    st.integers(0, 50_000_000).map(lambda m: datetime(1975, 1, 1, tzinfo=UTC) + m * SLOT / 15),
    st.integers(1, 80_000),
)
def test_buckets_follow_each_other_cover_the_range_and_are_made_of_whole_slots(
    zone: str, interval: Interval, start: datetime, minutes: int
) -> None:
    end = start + timedelta(minutes=minutes)
    buckets = stats.buckets(start, end, interval, ZoneInfo(zone))
    assert buckets[0].start <= start < buckets[0].end
    assert buckets[-1].start < end <= buckets[-1].end
    assert all(a.end == b.start for a, b in itertools.pairwise(buckets))
    if start.year >= 2000:
        assert all(
            (b.start - datetime(2000, 1, 1, tzinfo=UTC)) % SLOT == timedelta(0) for b in buckets
        )


def test_too_many_points_are_refused_and_the_limit_is_named() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert len(stats.buckets(start, start + timedelta(days=62), Interval.HOUR, ZoneInfo("UTC")))
    with pytest.raises(Refusal, match=str(stats.MAX_POINTS)) as refused:
        stats.buckets(start, start + timedelta(days=63), Interval.HOUR, ZoneInfo("UTC"))
    assert refused.value.code == "TOO_MANY_POINTS"


@pytest.mark.parametrize("days", [0, -1, -800_000])
def test_a_range_that_is_none_is_refused(days: int) -> None:
    end = datetime(2999, 1, 1, tzinfo=UTC)
    with pytest.raises(Refusal) as refused:
        stats.buckets(end - timedelta(days=days), end, Interval.DAY, ZoneInfo("UTC"))
    assert refused.value.code == "BAD_RANGE"


def test_ratios_are_null_without_a_denominator() -> None:
    none = Sums()
    assert stats.asr(0, 0) is None
    assert stats.acd_seconds(0, 0) is None
    assert stats.dtmf_percent(none) is None
    assert stats.pdd_ms(none) is None
    assert stats.legs_pdd_ms(none) is None
    assert stats.ner({}) is None
    assert stats.ner({302: 5}) is None


def test_ratios_are_what_page_1_says() -> None:
    sums = Sums(
        attempts=8, answered=3, talk_us=10_000_000, dtmf_answered=1, pdd_us=4_500, pdd_count=2
    )
    hour = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=UTC))
    assert stats.asr(sums.attempts, sums.answered) == Fraction(75, 2)
    assert stats.acd_seconds(sums.answered, sums.talk_us) == Fraction(10, 3)
    assert stats.dtmf_percent(sums) == Fraction(100, 3)
    assert stats.pdd_ms(sums) == Fraction(9, 4)
    assert stats.cps(sums, hour) == Fraction(8, 3600)
    assert stats.legs_pdd_ms(Sums(legs_pdd_us=7_000, legs_pdd_count=2)) == Fraction(7, 2)
    assert stats.ner({stats.NO_CODE: 1, 200: 4, 302: 2, 404: 3, 486: 1, 503: 1}) == Fraction(50)


counts = st.integers(0, 10**12)


@settings(deadline=None)
@given(st.lists(st.builds(Sums, counts, counts, counts, counts, counts, counts), max_size=5))
def test_sums_add_column_by_column(parts: list[Sums]) -> None:
    assert stats.total(parts).talk_us == sum(part.talk_us for part in parts)
    assert stats.total(parts).pdd_count == sum(part.pdd_count for part in parts)


@settings(deadline=None)
@given(st.lists(st.sampled_from([stats.NO_CODE, 200, 300, 399, 400, 404, 480, 486, 503, 600, 603])))
def test_ner_is_the_share_of_effective_codes_among_those_not_redirected(codes: list[int]) -> None:
    ner = stats.ner(Counter(codes))
    counted = [code for code in codes if code // 100 != 3]
    effective = [code for code in counted if code in {200, 480, 486, 600, 603}]
    assert (ner is None) == (not counted)
    if ner is not None:
        assert ner * len(counted) == 100 * len(effective)
        assert 0 <= ner <= 100
