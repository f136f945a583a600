import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import backlog
import days
import pytest
from backlog import ONE
from conftest import TestServices
from redis.asyncio import Redis

from domain import rebuild_order
from domain.rebuild_order import Place
from models import db, hours, marks
from models.hours import Hour
from workers import jobs, rebuilding

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
CURRENT = NOW.replace(minute=0)
LAST_WEEK = CURRENT - timedelta(days=7)
A, B = 1, 2


@pytest.fixture
async def tools(database: str, redis: Redis) -> jobs.Tools:
    """Of a worker in a database with account A with three customers and B with one."""
    await backlog.prepare({A: 3, B: 1}, NOW)
    return jobs.Tools(redis, backlog.clock(NOW), records_days=400, partitions_ahead_days=3)


def imported(count: int) -> list[Hour]:
    """Of A's customers 1 and 2, the newest a month old."""
    return backlog.before(CURRENT - timedelta(days=30), count, (1, 2), A)


async def rebuild(tools: jobs.Tools) -> None:
    await jobs.rebuild_marked({"tools": tools})


async def failures() -> dict[Hour, tuple[int, datetime]]:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT account_id, customer_id, hour, failures, retry_at FROM hour_failures"
        )
    return {Hour(*row[:3]): (row[3], row[4]) for row in rows}


async def test_live_hours_and_late_corrections_come_before_the_bulk_of_an_import(
    tools: jobs.Tools,
) -> None:
    await backlog.store(imported(300), NOW - ONE)
    live = [Hour(A, 1, CURRENT), Hour(B, 1, CURRENT), Hour(B, 1, CURRENT - ONE)]
    corrected = [Hour(A, 3, LAST_WEEK), Hour(B, 1, LAST_WEEK), Hour(A, 1, LAST_WEEK)]
    await backlog.store([*live, *corrected], NOW)
    await rebuild(tools)
    order = await backlog.rebuilt()
    assert len(order) == 306
    assert set(order[:3]) == set(live)
    assert max(map(order.index, corrected)) < 3 + rebuild_order.OLDER_SHARE.total
    assert not await backlog.waiting()


async def test_what_is_marked_while_an_import_is_rebuilt_does_not_wait_for_its_end(
    tools: jobs.Tools,
) -> None:
    await backlog.store(imported(300), NOW - ONE)
    late = [Hour(B, 1, CURRENT), Hour(A, 3, CURRENT), Hour(A, 3, LAST_WEEK), Hour(B, 1, LAST_WEEK)]
    rebuilds = iter(range(10**6))

    async def meanwhile(of: int, place: Place) -> rebuilding.Outcome:
        if next(rebuilds) == 100:
            await backlog.store(late, NOW)
        return await jobs._rebuild(tools, of, place)

    await rebuilding.run_rounds(tools.turns, tools.clock, meanwhile, seconds=60)
    order = await backlog.rebuilt()
    a_round = rebuild_order.OLDER_SHARE.total
    assert max(map(order.index, late)) < 100 + 2 * a_round + len(late)
    assert not await backlog.waiting()


async def test_an_account_with_few_older_hours_is_served_beside_one_with_many(
    tools: jobs.Tools,
) -> None:
    await backlog.store(imported(200), NOW - ONE)
    few = backlog.before(LAST_WEEK, 10, (1,), B)
    await backlog.store(few, NOW)
    await backlog.store(backlog.before(LAST_WEEK, 200, (1, 2, 3), A), NOW)  # newer than B's
    await rebuild(tools)
    order = await backlog.rebuilt()
    assert max(map(order.index, few)) < 2 * rebuild_order.OLDER_SHARE.total


async def test_a_failing_hour_keeps_no_other_waiting_and_is_rebuilt_once_its_cause_is_gone(
    tools: jobs.Tools,
) -> None:
    failing = Hour(A, 1, CURRENT)
    await backlog.fail(failing)
    await backlog.store([failing, *imported(40), Hour(A, 2, CURRENT), Hour(B, 1, CURRENT)], NOW)
    await rebuild(tools)
    assert await backlog.waiting() == {failing}
    assert len(await backlog.rebuilt()) == 42
    await backlog.mend()
    tools.clock = backlog.clock(NOW + timedelta(seconds=14))
    await rebuild(tools)
    assert await backlog.waiting() == {failing}  # not before its time
    tools.clock = backlog.clock(NOW + timedelta(seconds=16))
    await rebuild(tools)
    assert not await backlog.waiting()
    assert await failures() == {}
    assert (await backlog.rebuilt())[-1] == failing


async def test_an_account_whose_hours_all_fail_keeps_no_other_account_waiting(
    tools: jobs.Tools,
) -> None:
    await backlog.fail_account(A)
    await backlog.store([*imported(250), Hour(A, 1, CURRENT)], NOW - ONE)
    live = [Hour(B, 1, CURRENT), Hour(B, 1, LAST_WEEK)]
    await backlog.store(live, NOW)
    await rebuild(tools)
    assert await backlog.rebuilt() == live
    assert len(await failures()) == 251


async def test_each_failure_is_followed_by_a_longer_delay_which_no_new_record_shortens(
    tools: jobs.Tools,
) -> None:
    failing = Hour(A, 1, CURRENT)
    await backlog.fail(failing)
    now = NOW
    for number, delay in enumerate((15, 30, 60, 120), start=1):
        await backlog.store([failing], now, call=f"call-{number}")
        tools.clock = backlog.clock(now)
        await rebuild(tools)
        ((count, retry_at),) = (await failures()).values()
        assert count == number
        assert retry_at - now - timedelta(seconds=delay) < timedelta(milliseconds=1)
        await backlog.store([failing], now, call=f"another-{number}")
        await rebuild(tools)
        assert (await failures())[failing] == (count, retry_at)
        now = retry_at


async def test_staff_see_why_an_hour_failed_but_no_values_of_its_records(
    tools: jobs.Tools,
) -> None:
    await backlog.store([Hour(A, 1, CURRENT)], NOW)
    async with db.connection() as conn:
        await conn.execute("ALTER TABLE hours ADD CONSTRAINT none CHECK (attempts < 1)")
    await rebuild(tools)
    async with db.connection() as conn:
        error = await conn.fetchval("SELECT error FROM hour_failures")
    assert error == (
        'CheckViolationError: new row for relation "hours" violates check constraint "none"'
    )


async def test_an_hour_that_takes_too_long_is_set_aside(tools: jobs.Tools) -> None:
    failing = Hour(A, 1, CURRENT)
    await backlog.fail(failing, state="57014")  # what the server raises for a statement_timeout
    await backlog.store([failing, Hour(B, 1, CURRENT)], NOW)
    await rebuild(tools)
    assert set(await failures()) == {failing}
    assert await backlog.rebuilt() == [Hour(B, 1, CURRENT)]


async def test_an_hour_that_costs_its_connection_is_set_aside(tools: jobs.Tools) -> None:
    cut = Hour(A, 1, CURRENT)
    await backlog.cut_connections(cut)
    await backlog.store([cut, *imported(10)], NOW)
    await rebuild(tools)
    assert set(await failures()) == await backlog.waiting() == {cut}


async def test_no_hour_waits_longer_because_the_database_was_away(
    tools: jobs.Tools, services: TestServices, database: str
) -> None:
    await backlog.cut_connections(Hour(A, 1, CURRENT))
    await backlog.store([Hour(A, 1, CURRENT)], NOW)
    name = urlsplit(database).path[1:]
    async with days.session(services.database_url) as other:
        await other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        with pytest.raises(asyncpg.PostgresError, match="not currently accepting connections"):
            await rebuild(tools)
        await other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert await failures() == {}
    await backlog.mend()
    await rebuild(tools)
    assert not await backlog.waiting()


async def test_an_hour_that_another_worker_rebuilds_is_left_to_it(
    tools: jobs.Tools, database: str
) -> None:
    taken = Hour(A, 1, CURRENT)
    await backlog.store([taken, Hour(A, 2, CURRENT), *imported(50)], NOW)
    async with days.session(database) as other, hours._locked(other, taken, wait=True):
        await rebuild(tools)
        assert taken in await backlog.waiting()
        assert Hour(A, 2, CURRENT) in await backlog.rebuilt()
        assert {hour.customer_id for hour in await backlog.waiting()} == {1}
    await rebuild(tools)
    assert not await backlog.waiting()


async def test_rounds_tell_whether_hours_are_left_for_want_of_time(tools: jobs.Tools) -> None:
    await backlog.store([Hour(B, 1, CURRENT)], NOW)

    async def rounds(seconds: float) -> bool:
        return await rebuilding.run_rounds(tools.turns, tools.clock, _rebuild, seconds)

    async def _rebuild(account: int, place: Place) -> rebuilding.Outcome:
        return await jobs._rebuild(tools, account, place)

    assert await rounds(seconds=-1)
    assert not await rounds(seconds=60)
    assert not await backlog.waiting()


async def test_the_accounts_with_marks_are_found_without_a_look_at_the_others(
    tools: jobs.Tools,
) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO accounts (name, created_at)"
            " SELECT 'Idle', $1 FROM generate_series(1, 999)",
            NOW,
        )
    await mark_a_year()
    await backlog.store([Hour(B, 1, CURRENT)], NOW)
    assert await marks.accounts() == [A, B]
    assert await buffers(marks._ACCOUNTS) < 20


async def test_the_choice_reads_no_more_of_a_year_of_marks_than_it_takes(
    tools: jobs.Tools,
) -> None:
    await mark_a_year()
    part = await marks.walk(A, Place(CURRENT, 0), marks.AFTER_ALL, NOW, 12)
    assert len(part.steps) == 12
    walk = (A, CURRENT, 0, marks.AFTER_ALL, NOW, 500, 12)
    assert await buffers(marks._WALK, *walk) < 12 * 12
    assert await buffers(marks._NEWEST, A, 40, CURRENT, NOW, 12) < 60


async def test_a_thousand_failing_hours_are_passed_in_a_few_steps(tools: jobs.Tools) -> None:
    await mark_a_year()
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
