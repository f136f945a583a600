from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import periods
from domain.periods import Granularity, RowKey
from domain.refusals import Refusal

instants = st.datetimes(
    datetime(1990, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-56, 56).map(lambda q: timezone(timedelta(minutes=15 * q))),
)
granularities = st.sampled_from(Granularity)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(instants)
def test_an_hour_starts_at_its_full_hour_in_utc(instant: datetime) -> None:
    utc = instant.astimezone(UTC)
    hour = periods.hour_of(instant)
    assert (hour, hour.tzinfo) == (utc.replace(minute=0, second=0, microsecond=0), UTC)


@settings(deadline=None)
@given(granularities, instants)
def test_an_instant_belongs_to_exactly_one_period(
    granularity: Granularity, instant: datetime
) -> None:
    period = periods.period_containing(granularity, instant)
    assert period.start <= instant < period.end
    assert periods.period_containing(granularity, period.start) == period
    assert periods.period_containing(granularity, period.end).start == period.end
    assert period.start.tzinfo is UTC


def test_weeks_start_on_monday_across_the_end_of_a_year() -> None:
    week = periods.period_containing(Granularity.WEEKLY, at("2027-01-02T23:59:59"))
    assert week == periods.Period(at("2026-12-28"), at("2027-01-04"))


def test_february_of_a_leap_year_has_29_days() -> None:
    month = periods.period_containing(Granularity.MONTHLY, at("2028-02-29T12:00"))
    assert len(month.hours()) == 29 * 24


def test_a_row_is_open_until_the_instant_of_its_end() -> None:
    day = periods.period_containing(Granularity.DAILY, at("2026-11-20"))
    assert day.is_open(at("2026-11-20T23:59:59.999999"))
    assert not day.is_open(at("2026-11-21"))


def test_live_is_the_open_hour_and_the_23_before_it_newest_first() -> None:
    rows = periods.live_periods(at("2026-11-20T09:30"))
    assert [row.start for row in rows] == [
        at("2026-11-20T09:00") - timedelta(hours=n) for n in range(24)
    ]


def test_an_instant_without_a_zone_has_no_period() -> None:
    with pytest.raises(ValueError, match="zone"):
        periods.period_containing(Granularity.DAILY, datetime(2026, 11, 20))  # noqa: DTZ001


@settings(deadline=None)
@given(st.none() | st.integers(1, 2**63 - 1), granularities, instants)
def test_a_row_key_can_be_restored_from_its_parts(
    customer: int | None, granularity: Granularity, instant: datetime
) -> None:
    key = RowKey(7, customer, granularity, periods.period_containing(granularity, instant).start)
    assert RowKey.of(7, [str(part) for part in key.parts()]) == key


@pytest.mark.parametrize(
    "parts",
    [
        (),
        ("1", "DAILY"),
        ("x", "DAILY", "2026112000"),
        ("1", "HOURLY", "2026112000"),
        ("1", "DAILY", "2026112001"),
        ("1", "WEEKLY", "2026112000"),
        ("01", "DAILY", "2026112000"),
        ("-1", "DAILY", "2026113200"),
        ("1", "DAILY", "99999999999999"),
        (str(2**63), "DAILY", "2026112000"),
    ],
)
def test_an_invalid_row_key_is_refused(parts: tuple[str, ...]) -> None:
    with pytest.raises(Refusal) as refused:
        RowKey.of(7, parts)
    assert refused.value.code == "NOT_FOUND"
