"""The bounds of days in statements."""

import ast
import re
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from models.records import day_bounds
from models.records.day_bounds import MAX_DAYS, Span
from runtime.settings import ROOT

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


def test_a_period_that_ends_at_midnight_does_not_include_the_next_day() -> None:
    assert "< '2026-11-03T00:00:00+00:00'" in Span(FIRST, FIRST + 2 * DAY).condition()


@given(st.lists(instants))
def test_items_are_grouped_by_at_most_7_days_in_order(setups: list[datetime]) -> None:
    groups = day_bounds.grouped(setups, lambda setup: setup)
    assert [setup for _, group in groups for setup in group] == sorted(setups)
    for span, group in groups:
        assert all(span.start <= setup < span.end for setup in group)
        assert DAY <= span.end - span.start <= DAY * MAX_DAYS
    assert all(days.end <= other.start for (days, _), (other, _) in pairwise(groups))


def test_a_group_has_at_most_500_items() -> None:
    setups = [FIRST + timedelta(seconds=number) for number in range(1_201)]
    groups = day_bounds.grouped(setups, lambda setup: setup)
    assert [len(group) for _, group in groups] == [500, 500, 201]
    assert [setup for _, group in groups for setup in group] == setups


@given(instants, instants, st.sets(st.integers(-5, 70)))
def test_slices_cover_the_period_with_at_most_7_partitions_each(
    first_instant: datetime, second_instant: datetime, partitions: set[int]
) -> None:
    start, end = sorted((first_instant, second_instant))
    days = [FIRST + DAY * day for day in partitions]
    slices = list(day_bounds.slices(start, end, [day.date() for day in days]))
    edges = [start, *(part.end for part in slices)]
    assert [(part.start, part.end) for part in slices] == list(pairwise(edges))
    assert edges[-1] == end
    for part in slices:
        assert sum(part.start < day + DAY and day < part.end for day in days) <= MAX_DAYS


def test_a_period_of_all_time_is_one_slice_except_for_the_days_with_a_partition() -> None:
    last = datetime(9999, 12, 31, 23, tzinfo=UTC)
    slices = list(day_bounds.slices(datetime(1, 1, 1, tzinfo=UTC), last, [FIRST.date()]))
    assert len(slices) == 3
    assert "< '9999-12-31T23:59:59.999999+00:00'" in slices[-1].condition()


def test_every_statement_on_call_records_names_its_days() -> None:
    bare = []
    for path in sorted(Path(ROOT, "models").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        inner = {
            id(part)
            for node in ast.walk(tree)
            if isinstance(node, ast.JoinedStr)
            for part in node.values
        }
        for node in ast.walk(tree):
            text = isinstance(node, ast.Constant | ast.JoinedStr) and ast.unparse(node)
            if id(node) in inner or not text or not _READS.search(text):
                continue
            if not re.search(r"\{+days\}+|\.condition\(\)", text):
                bare.append((path.name, text))
    assert bare == []


_READS = re.compile(r"(FROM|JOIN|UPDATE|DELETE FROM) call_records\b")
