import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from redis.asyncio import Redis

from domain.records import calls
from live import channels, topics, wake
from models import db
from models.identity import accounts
from models.records import partitions
from models.summaries import hours
from tests.support.programs import Program
from tests.support.summaries import days
from tests.support.summaries.days import ACCOUNT, HOUR, Leg
from workers import jobs, main

NOW = HOUR + timedelta(minutes=30)


@pytest.fixture
async def tools(database: str, redis: Redis) -> jobs.Tools:
    """Of a worker whose clock says NOW, in a database with one account and its customers."""
    await accounts.insert("A carrier", NOW)
    await days.prepare()
    return jobs.Tools(redis, lambda: NOW, records_days=2, partitions_ahead_days=3)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


async def rebuilt(customer: int = 1, within: float = 5) -> int:
    """The hour's version, as soon as no mark is left."""

    async def settled() -> bool:
        return not await hours.marked_hours(1)

    await until(settled, within)
    async with db.connection() as conn:
        (head,) = await hours.lock(conn, ACCOUNT, customer, [HOUR])
    return head.version


async def alive(redis: Redis) -> None:
    async def beats() -> bool:
        return bool(await redis.exists(main.HEARTBEAT))

    await until(beats, 15)


async def test_a_worker_rebuilds_within_a_second_of_a_notification(
    tools: jobs.Tools, worker: Program, redis: Redis
) -> None:
    await alive(redis)
    for version in (1, 2, 3):
        await days.put([Leg(f"call-{version}")])
        await wake.wake(redis)
        assert await rebuilt(within=5) == version  # a slow machine's second


async def test_a_worker_without_a_notification_finds_the_mark_at_its_next_tick(
    tools: jobs.Tools, worker: Program
) -> None:
    await days.put([Leg("a")])
    assert await rebuilt(within=25) == 1  # its look at the start, which no second mark meets
    await days.put([Leg("b")])
    assert await rebuilt(within=25) == 2


async def test_a_killed_worker_loses_nothing_and_its_successor_continues_immediately(
    tools: jobs.Tools, worker: Program, redis: Redis
) -> None:
    await alive(redis)
    worker.kill()
    await days.put([Leg("a"), Leg("b", customer=2)])
    worker.start()
    assert (await rebuilt(within=15), await rebuilt(customer=2)) == (1, 1)


async def test_a_worker_survives_the_loss_of_its_redis_connections(
    tools: jobs.Tools, worker: Program, redis: Redis
) -> None:
    await alive(redis)
    await days.put([Leg("a")])
    await redis.client_kill_filter(_type="normal", skipme=True)
    assert await rebuilt(within=60) == 1
    assert worker.process is not None
    assert worker.process.poll() is None


async def test_a_worker_survives_the_loss_of_its_database_connections(
    tools: jobs.Tools, worker: Program, redis: Redis
) -> None:
    await alive(redis)
    await days.put([Leg("a")])
    await wake.wake(redis)
    assert await rebuilt() == 1
    async with db.connection() as conn:
        await conn.execute(
            "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await conn.execute(
            "INSERT INTO hour_marks (account_id, customer_id, hour, marked_at)"
            " SELECT account_id, customer_id, hour, $1 FROM hours",
            NOW,
        )
    await wake.wake(redis)
    assert await rebuilt(within=25) == 1  # at the latest with the next tick
    assert worker.process is not None
    assert worker.process.poll() is None


async def test_a_stopped_worker_exits_with_0_and_removes_its_heartbeat(
    tools: jobs.Tools, worker: Program, redis: Redis
) -> None:
    await alive(redis)
    worker.stop()
    assert worker.process is not None
    assert worker.process.returncode == 0
    assert not await redis.exists(main.HEARTBEAT)


async def test_only_committed_changes_are_published(tools: jobs.Tools, redis: Redis) -> None:
    async with redis.pubsub() as heard:
        await heard.subscribe(topics.rows(ACCOUNT, 1))
        await heard.get_message(timeout=5)
        for _ in range(2):  # the second rebuild finds no difference
            await days.put([Leg("a")] if _ == 0 else [])
            async with db.transaction() as conn:
                await days.mark(conn, [Leg("a")])
            await jobs.rebuild_marked({"tools": tools})
        assert (await heard.get_message(ignore_subscribe_messages=True, timeout=5))["data"] == b"1"
        assert await heard.get_message(ignore_subscribe_messages=True, timeout=0.05) is None


async def test_an_hour_that_fails_does_not_stop_the_others(tools: jobs.Tools) -> None:
    await days.put([Leg("a", charge=Decimal("1")), Leg("b", customer=2)])
    async with db.connection() as conn:
        await conn.execute("ALTER TABLE hours ADD CHECK (charge < 1)")
    await jobs.rebuild_marked({"tools": tools})
    assert [which.customer_id for which in await hours.marked_hours(10)] == [1]


async def test_partitions_are_created_in_advance_and_dropped_after_their_retention(
    database: str, redis: Redis
) -> None:
    tools = jobs.Tools(redis, lambda: NOW, records_days=2, partitions_ahead_days=3)
    old, today = date(2026, 11, 17), NOW.date()
    await partitions.create_missing([old])
    await jobs.create_partitions({"tools": tools})
    await jobs.drop_partitions({"tools": tools})
    made = [today + timedelta(days=n) for n in range(-1, 4)]
    assert await partitions.existing_days() == made


async def test_a_call_whose_lease_expired_is_listed_for_staff(
    tools: jobs.Tools, redis: Redis
) -> None:
    setup = datetime(2026, 11, 20, 5, tzinfo=UTC)
    start = calls.LiveEvent(
        type=calls.EventType.START, switch="edge-1", call_id="a", leg=0, customer_id=1,
        carrier_id=1, at=setup, setup_at=setup, final=True, event_number=None, lease_seconds=60,
    )  # fmt: skip
    await channels.apply(redis, ACCOUNT, [start], setup)
    await jobs.sweep_leases({"tools": tools})
    async with db.connection() as conn:
        row = await conn.fetchrow("SELECT call_id, reason, noticed_at FROM unknown_ends")
    assert tuple(row) == ("a", "LEASE", NOW)
