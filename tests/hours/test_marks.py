import json
from typing import Any

import backlog
import pytest
from backlog import CURRENT, NOW, ONE, A, B

from domain.rebuild_order import Place
from models import db, marks
from models.hours import Hour


@pytest.fixture(autouse=True)
async def _a_year_is_marked(database: str) -> None:
    await backlog.prepare({A: 3, B: 1}, NOW)
    await mark_a_year()


async def test_the_accounts_with_marks_are_found_without_a_look_at_the_others() -> None:
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO accounts (name, created_at)"
            " SELECT 'Idle', $1 FROM generate_series(1, 999)",
            NOW,
        )
    await backlog.store([Hour(B, 1, CURRENT)], NOW)
    assert await marks.accounts() == [A, B]
    assert await buffers(marks._ACCOUNTS) < 20


async def test_the_choice_reads_no_more_of_a_year_of_marks_than_it_takes() -> None:
    part = await marks.walk(A, Place(CURRENT, 0), marks.AFTER_ALL, NOW, 12)
    assert len(part.steps) == 12
    walk = (A, CURRENT, 0, marks.AFTER_ALL, NOW, 500, 12)
    assert await buffers(marks._WALK, *walk) < 12 * 12
    assert await buffers(marks._NEWEST, A, 40, CURRENT, NOW, 12) < 60


async def test_a_thousand_failing_hours_are_passed_in_a_few_steps() -> None:
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
    async with db.connection() as conn:
        found = await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *values)
    plan = json.loads(found)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
