from datetime import datetime, timedelta
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis.asyncio import Redis

from models import db
from models.summaries.hours import Hour
from tests.support.service_urls import TestServices
from tests.support.summaries import backlog, days
from tests.support.summaries.backlog import CURRENT, LAST_WEEK, NOW, ONE, A, B, imported, rebuild
from workers import jobs


@pytest.fixture
async def tools(database: str, redis: Redis) -> jobs.Tools:
    return await backlog.tools(redis)


async def failures() -> dict[Hour, tuple[int, datetime]]:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT account_id, customer_id, hour, failures, retry_at FROM hour_failures"
        )
    return {Hour(*row[:3]): (row[3], row[4]) for row in rows}


async def test_a_failing_hour_delays_no_other_and_is_rebuilt_once_its_cause_is_gone(
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


async def test_only_the_failing_hour_of_a_day_is_set_aside(
    tools: jobs.Tools,
) -> None:
    day = backlog.before(LAST_WEEK.replace(hour=0), 24, (1,), A)
    failing = day[11]
    await backlog.fail(failing)
    await backlog.store(day, NOW)
    await rebuild(tools)
    assert set(await failures()) == await backlog.waiting() == {failing}
    assert set(await backlog.rebuilt()) == set(day) - {failing}
    assert await day_sums() == [(23, 23)]
    await backlog.mend()
    tools.clock = backlog.clock(NOW + timedelta(seconds=16))
    await rebuild(tools)
    assert not await backlog.waiting()
    assert await day_sums() == [(24, 24)]
    assert await backlog.versions() == {1}


async def day_sums() -> list[tuple[int, int]]:
    """The attempts of each day and of its hours."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT d.attempts, (SELECT sum(h.attempts) FROM hours h"
            " WHERE h.hour >= d.day AND h.hour < d.day + interval '1 day') FROM day_sums d"
        )
    return [tuple(row) for row in rows]


async def test_an_account_whose_hours_all_fail_delays_no_other_account(
    tools: jobs.Tools,
) -> None:
    await backlog.fail_account(A)
    await backlog.store([*imported(250), Hour(A, 1, CURRENT)], NOW - ONE)
    live = [Hour(B, 1, CURRENT), Hour(B, 1, LAST_WEEK)]
    await backlog.store(live, NOW)
    await rebuild(tools)
    assert await backlog.rebuilt() == live
    assert len(await failures()) == 251


async def test_each_failure_has_a_longer_delay_which_no_new_record_shortens(
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


async def test_staff_see_why_an_hour_failed_without_values_of_its_records(
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


async def test_an_hour_that_breaks_its_connection_is_set_aside(tools: jobs.Tools) -> None:
    cut = Hour(A, 1, CURRENT)
    await backlog.cut_connections(cut)
    await backlog.store([cut, *imported(10)], NOW)
    await rebuild(tools)
    assert set(await failures()) == await backlog.waiting() == {cut}


async def test_an_unavailable_database_does_not_lengthen_the_delay_of_an_hour(
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
