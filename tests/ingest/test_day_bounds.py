"""Days as they are written into statements."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from models import day_bounds
from models.day_bounds import MAX_DAYS, Span

DAY = timedelta(days=1)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)
instants = st.builds(
    lambda seconds, zone: (FIRST + timedelta(seconds=seconds)).astimezone(zone),
    st.integers(0, 60 * 86_400),
    st.sampled_from([UTC, timezone(timedelta(hours=8))]),
)


def test_an_hour_is_bounded_by_its_utc_day() -> None:
    berlin = timezone(timedelta(hours=1))
    hour = datetime(2026, 11, 2, 0, tzinfo=berlin)
    assert Span(hour, hour + timedelta(hours=1)).condition("r.setup_at") == (
        "r.setup_at >= '2026-11-01T00:00:00+00:00' AND r.setup_at < '2026-11-02T00:00:00+00:00'"
    )


def test_a_span_that_ends_at_midnight_does_not_reach_the_next_day() -> None:
    assert "< '2026-11-03T00:00:00+00:00'" in Span(FIRST, FIRST + 2 * DAY).condition()


@given(st.lists(instants))
def test_spans_hold_every_instant_once_and_have_at_most_7_days(found: list[datetime]) -> None:
    spans = day_bounds.spans(found)
    assert all(sum(span.holds(instant) for span in spans) == 1 for instant in found)
    assert all(DAY <= span.end - span.start <= DAY * MAX_DAYS for span in spans)
    assert [span.start for span in spans] == sorted(span.start for span in spans)


@given(instants, instants)
def test_slices_make_up_the_period(one: datetime, other: datetime) -> None:
    start, end = sorted((one, other))
    slices = list(day_bounds.slices(start, end))
    edges = [start, *(part.end for part in slices)]
    assert [(part.start, part.end) for part in slices] == list(pairwise(edges))
    assert edges[-1] == end
    days = {day_bounds.midnight(part.start) for part in slices}
    assert len(days) == len(slices)
    assert all(part.end - part.start <= DAY * MAX_DAYS for part in slices)
