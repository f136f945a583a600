import asyncio

import pytest
from redis.asyncio import Redis

from domain.summaries import rebuild_order
from domain.summaries.rebuild_order import Place
from models.summaries import rebuild_lock
from models.summaries.hours import Hour
from tests.support.summaries import backlog, days
from tests.support.summaries.backlog import CURRENT, LAST_WEEK, NOW, ONE, A, B, imported, rebuild
from workers import jobs, rebuilding


@pytest.fixture
async def tools(database: str, redis: Redis) -> jobs.Tools:
    return await backlog.tools(redis)


async def test_live_hours_and_late_corrections_are_rebuilt_before_most_of_an_import(
    tools: jobs.Tools,
) -> None:
    await backlog.store(imported(1_000), NOW - ONE)
    live = [Hour(A, 1, CURRENT), Hour(B, 1, CURRENT), Hour(B, 1, CURRENT - ONE)]
    corrected = [Hour(A, 3, LAST_WEEK), Hour(B, 1, LAST_WEEK), Hour(A, 1, LAST_WEEK)]
    await backlog.store([*live, *corrected], NOW)
    await rebuild(tools)
    order = await backlog.rebuilt()
    assert len(order) == 1_006
    assert set(order[:3]) == set(live)
    positions = [await backlog.position(hour) for hour in corrected]
    assert max(positions) < 3 + rebuild_order.OLDER_SHARE.total < len(await backlog.transactions())
    assert not await backlog.waiting()


async def test_hours_marked_during_an_import_do_not_wait_for_its_end(
    tools: jobs.Tools,
) -> None:
    await backlog.store(imported(1_000), NOW - ONE)
    late = [Hour(B, 1, CURRENT), Hour(A, 3, CURRENT), Hour(A, 3, LAST_WEEK), Hour(B, 1, LAST_WEEK)]
    rebuilds = iter(range(10**6))

    async def meanwhile(of: int, place: Place, with_day: bool) -> dict[Place, bool] | None:
        if next(rebuilds) == 20:
            await backlog.store(late, NOW)
        return await jobs._rebuild(tools, of, place, with_day)

    await rebuilding.run_rounds(tools.turns, tools.clock, meanwhile, seconds=60)
    a_round = rebuild_order.OLDER_SHARE.total
    positions = [await backlog.position(hour) for hour in late]
    assert max(positions) < 20 + a_round + len(late) < len(await backlog.transactions())
    assert not await backlog.waiting()


async def test_an_account_with_few_older_hours_does_not_wait_for_one_with_many(
    tools: jobs.Tools,
) -> None:
    await backlog.store(imported(100), NOW - ONE)
    few = backlog.before(LAST_WEEK, 10, (1,), B)
    await backlog.store(few, NOW)
    await backlog.store(backlog.before(LAST_WEEK, 100, (1, 2, 3), A), NOW)  # newer than B's
    await rebuild(tools)
    positions = [await backlog.position(hour) for hour in few]
    assert max(positions) < rebuild_order.OLDER_SHARE.total


async def test_an_hour_that_another_worker_is_rebuilding_is_skipped(
    tools: jobs.Tools, database: str
) -> None:
    taken = Hour(A, 1, CURRENT)
    await backlog.store([taken, Hour(A, 2, CURRENT), *imported(50)], NOW)
    async with days.session(database) as other, rebuild_lock.hold(other, A, 1, wait=True):
        await rebuild(tools)
        assert taken in await backlog.waiting()
        assert Hour(A, 2, CURRENT) in await backlog.rebuilt()
        assert {hour.customer_id for hour in await backlog.waiting()} == {1}
    await rebuild(tools)
    assert not await backlog.waiting()


async def test_rounds_report_whether_hours_are_left_for_lack_of_time(tools: jobs.Tools) -> None:
    await backlog.store([Hour(B, 1, CURRENT)], NOW)

    async def rounds(seconds: float) -> bool:
        return await rebuilding.run_rounds(tools.turns, tools.clock, _rebuild, seconds)

    async def _rebuild(account: int, place: Place, with_day: bool) -> dict[Place, bool] | None:
        return await jobs._rebuild(tools, account, place, with_day)

    assert await rounds(seconds=-1)
    assert not await rounds(seconds=60)
    assert not await backlog.waiting()


async def test_two_workers_share_the_work_and_rebuild_each_hour_once(
    tools: jobs.Tools, redis: Redis
) -> None:
    await backlog.store([*imported(100), Hour(B, 1, CURRENT)], NOW)
    await asyncio.gather(rebuild(tools), rebuild(backlog.worker(redis)))
    await rebuild(tools)  # what each had left to the other
    assert not await backlog.waiting()
    assert await backlog.versions() == {1}


async def test_older_hours_of_one_customer_and_day_are_rebuilt_together(
    tools: jobs.Tools,
) -> None:
    midnight = LAST_WEEK.replace(hour=0)
    day = backlog.before(midnight, 24, (1,), A)
    others = [*backlog.before(midnight, 24, (2,), A), *backlog.before(midnight, 24, (1,), B)]
    await backlog.store([*day, *others, Hour(A, 1, midnight)], NOW)
    await rebuild(tools)
    done = await backlog.transactions()
    assert len(done) < 73 / 3  # a slow machine cuts a day into several
    for together in done:
        assert len({(*which[:2], which.hour.date()) for which in together}) == 1


async def test_a_recent_hour_is_rebuilt_in_its_own_transaction(tools: jobs.Tools) -> None:
    await backlog.store(backlog.before(CURRENT + ONE, 4, (1,), A), NOW)
    await rebuild(tools)
    assert [len(hours) for hours in await backlog.transactions()] == [1] * 4


async def test_no_hour_joins_a_transaction_that_has_taken_long(tools: jobs.Tools) -> None:
    day = backlog.before(LAST_WEEK.replace(hour=0), 24, (1,), A)
    await backlog.slow_down(day[3])
    await backlog.store(day[::-1], NOW)
    await rebuild(tools)
    [slow] = [hours for hours in await backlog.transactions() if day[3] in hours]
    assert not slow & set(day[4:])
    assert set(await backlog.rebuilt()) == set(day)
    assert await backlog.versions() == {1}
