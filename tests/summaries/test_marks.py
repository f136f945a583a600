import json
from math import ceil
from typing import Any

import pytest

from domain.summaries import rebuild_order
from domain.summaries.rebuild_order import Place
from models import db
from models.records import unrated_calls
from models.summaries import frozen_hours, marks
from models.summaries.hours import Hour
from tests.support.summaries import backlog
from tests.support.summaries.backlog import CURRENT, NOW, ONE, A, B


@pytest.fixture(autouse=True)
async def _a_year_is_marked(database: str) -> None:
    await backlog.prepare({A: 3, B: 1}, NOW)
    await mark_a_year()


async def test_accounts_with_marks_are_found_without_reading_the_others() -> None:
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO accounts (name, created_at)"
            " SELECT 'Idle', $1 FROM generate_series(1, 999)",
            NOW,
        )
    await backlog.store([Hour(B, 1, CURRENT)], NOW)
    assert await marks.accounts_with_marks() == [A, B]
    assert await buffers(marks._ACCOUNTS) < 20


async def test_selecting_hours_reads_only_as_many_marks_of_a_year_as_it_takes() -> None:
    part = await marks.walk(A, Place(CURRENT, 0), marks.AFTER_ALL, NOW, 12)
    assert len(part.steps) == 12
    walk = (A, CURRENT, 0, marks.AFTER_ALL, NOW, 500, 12)
    assert await buffers(marks._WALK, *walk) < 12 * 12
    assert await buffers(marks._NEWEST, A, 40, CURRENT, NOW, 12) < 60


async def test_a_thousand_failing_hours_are_skipped_in_a_few_steps() -> None:
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO hour_failures SELECT DISTINCT account_id, customer_id, hour, 1, $1::"
            "timestamptz, $1::timestamptz + interval '1 h', 'x' FROM hour_marks WHERE hour >= $2",
            NOW,
            CURRENT - 400 * ONE,
        )
    after, parts, due = Place(CURRENT, 0), 0, list[Place]()
    while not due:
        part = await marks.walk(A, after, marks.AFTER_ALL, NOW, 12)
        after, parts, due = part.steps[-1].place, parts + 1, part.due
    assert parts == 3  # 1,200 hours wait
    assert max(place.hour for place in due) < CURRENT - 400 * ONE


async def test_the_other_hours_of_a_day_are_found_by_reading_only_its_marks() -> None:
    place = Place(CURRENT - 200 * ONE, 2)
    midnight = place.hour.replace(hour=0)
    day = [midnight + n * ONE for n in range(23, -1, -1)]
    others = await marks.others_of_day(A, place, NOW)
    assert others == [hour for hour in day if hour != place.hour]
    values = (A, 2, midnight, midnight + 24 * ONE, place.hour, NOW)
    assert await marks_read(marks._OF_DAY, *values) == 3 * 24


async def test_the_other_hours_of_an_older_hour_include_no_recent_hour() -> None:
    older = rebuild_order.recent_from(NOW) - ONE
    others = await marks.others_of_day(A, Place(older, 1), NOW)
    assert others == [older - n * ONE for n in range(1, older.hour + 1)]


@pytest.mark.parametrize(
    ("whose", "customer"), [("$2::bigint IS NULL", None), ("customer_id = $2", 1)]
)
async def test_finding_the_days_with_unrated_calls_reads_one_mark_per_day(
    whose: str, customer: int | None
) -> None:
    ever, never = unrated_calls._MIN_TIME, unrated_calls._MAX_TIME
    assert (
        await marks_read(unrated_calls._DAYS.format(customer=whose), A, customer, ever, never)
        <= 402
    )
    start = CURRENT - 100 * ONE
    period = (A, customer, start, start + ONE)
    # PostgreSQL before 18 rounds one row in two loops to none.
    assert await marks_read(unrated_calls._DAYS.format(customer=whose), *period) <= 1


@pytest.mark.parametrize("statement", [frozen_hours._OPEN, frozen_hours.IS_OPEN])
async def test_dropping_a_day_does_not_read_the_marks_of_other_days(statement: str) -> None:
    midnight = (CURRENT - 1000 * ONE).replace(hour=0)
    day = (midnight, midnight + 24 * ONE)
    assert 1 <= await marks_read(statement, [A, B], *day) <= 24 * 3 * 3
    assert 1 <= await marks_read(frozen_hours.NEEDED, A, *day, None) <= 24 * 3 * 3


async def mark_a_year() -> None:
    """28,800 hours of A's three customers, three marks each."""
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO hour_marks (account_id, customer_id, hour, marked_at)"
            " SELECT $1, c, $2::timestamptz - h * interval '1 h', $2 FROM generate_series(1, 3) m,"
            " generate_series(1, 9600) h, generate_series(1, 3) c",
            *(A, CURRENT),
        )
        await conn.execute("ANALYZE hour_marks")


async def buffers(statement: str, *values: Any) -> int:
    plan = await _plan(statement, *values)
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def marks_read(statement: str, *values: Any) -> int:
    """Rows or index entries."""
    return _marks_read(await _plan(statement, *values))


def _marks_read(plan: dict[str, Any]) -> int:
    own = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    reads = plan.get("Relation Name") == "hour_marks"
    below = sum(map(_marks_read, plan.get("Plans", [])))
    return below + (ceil(own * plan["Actual Loops"]) if reads else 0)


async def _plan(statement: str, *values: Any) -> dict[str, Any]:
    async with db.connection() as conn:
        found = await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *values)
    plan: dict[str, Any] = json.loads(found)[0]["Plan"]
    return plan
