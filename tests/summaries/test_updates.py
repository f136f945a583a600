"""summaryUpdated resumed from a time: rows that changed since then arrive first."""

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from live import bus, topics
from models import db
from models.identity import accounts
from models.summaries import hours
from schema.engine import base
from tests.support.fact_streams import FactStream, following
from tests.support.summaries import days, reader
from tests.support.summaries.days import ACCOUNT, HOUR, Leg
from tests.support.summaries.reader import Asker

NOW = HOUR + timedelta(minutes=30)
UPDATES = """subscription ($customer: ID!, $granularity: Granularity!, $since: DateTime) {
  summaryUpdated(customerId: $customer, granularity: $granularity, since: $since) {
    periodStart version attempts } }"""


@pytest.fixture
async def asker(database: str, redis: Redis) -> Asker:
    await accounts.insert("A carrier", NOW)
    await days.prepare()
    return Asker(reader.staff(ACCOUNT), NOW, redis)


async def store(leg: Leg, at: datetime) -> None:
    await days.put([leg])
    for which in await hours.marked_hours(10):
        await hours.rebuild(*which, at)


def updates(
    asker: Asker,
    *,
    now: datetime = NOW,
    resume_after: int | None = None,
    granularity: str = "DAILY",
    since: str | None = None,
) -> AbstractAsyncContextManager[FactStream]:
    values = {"granularity": granularity, "since": since}
    return following(
        asker.caller,
        asker.redis,
        UPDATES,
        now=now,
        resume_after=resume_after,
        customer=base.encode_id("Customer", ACCOUNT, 1),
        **values,
    )


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


async def days_told(told: FactStream, count: int) -> list[tuple[str, int]]:
    return [(row["periodStart"][:10], row["attempts"]) for row in await told.take(count)]


async def test_rows_that_changed_since_arrive_first_and_then_new_changes(asker: Asker) -> None:
    await store(Leg("old", setup=HOUR - timedelta(days=3)), at=ago(hours=3))
    await store(Leg("late", setup=HOUR - timedelta(days=9)), at=ago(hours=1))
    await store(Leg("new"), at=ago(minutes=30))
    await store(Leg("another's", customer=2), at=ago(minutes=30))
    async with updates(asker, since=ago(hours=2).isoformat()) as told:
        assert await days_told(told, 2) == [("2026-11-11", 1), ("2026-11-20", 1)]
        assert await told.silent()
        await store(Leg("newer"), at=NOW)
        await bus.publish(asker.redis, topics.rows(ACCOUNT, 1), 2)
        assert await days_told(told, 1) == [("2026-11-20", 2)]
    async with updates(asker, since=ago(hours=4).isoformat(), granularity="LIVE") as told:
        assert await days_told(told, 1) == [("2026-11-20", 2)]
        assert await told.silent()


async def test_rows_stamped_shortly_before_also_arrive_because_they_may_commit_later(
    asker: Asker,
) -> None:
    await store(Leg("a"), at=ago(minutes=61))
    async with updates(asker, since=ago(minutes=60).isoformat()) as told:
        assert await days_told(told, 1) == [("2026-11-20", 1)]


async def test_a_resumed_connection_receives_all_changes_since_its_last_complete_push(
    asker: Asker,
) -> None:
    for n in range(3):
        await store(Leg(f"call-{n}", setup=HOUR - timedelta(days=n)), at=ago(hours=5))
    async with updates(asker, since=ago(hours=6).isoformat(), now=ago(hours=4)) as told:
        assert len(await told.take(3)) == 3
    *within, last = told.marks
    await store(Leg("meanwhile"), at=ago(hours=3))
    for mark in within:  # until the third has come the first two are not all
        async with updates(asker, resume_after=mark) as told:
            assert len(await told.take(3)) == 3
    async with updates(asker, resume_after=last) as told:
        assert await days_told(told, 1) == [("2026-11-20", 2)]
        assert await told.silent()
    async with updates(asker, resume_after=last, since=ago(hours=6).isoformat()) as told:
        assert await days_told(told, 1) == [("2026-11-20", 2)]
        assert await told.silent()


@pytest.mark.parametrize(
    "values",
    [
        {"since": ago(days=31, seconds=1).isoformat()},
        {"since": ago(minutes=-6).isoformat()},
        {"resume_after": 5},
        {"resume_after": 2**53 - 1},
        {"resume_after": 10**30},
    ],
)
async def test_a_time_too_long_ago_or_in_the_future_is_refused(
    asker: Asker, values: dict[str, Any]
) -> None:
    async with updates(asker, **values) as told:
        assert await told.code() == "BAD_SINCE"


async def test_a_client_with_a_fast_clock_misses_nothing(asker: Asker) -> None:
    async with updates(asker, since=ago(minutes=-4).isoformat()) as told:
        assert await told.silent()
        await store(Leg("a"), at=NOW)
        await bus.publish(asker.redis, topics.rows(ACCOUNT, 1), 1)
        assert await days_told(told, 1) == [("2026-11-20", 1)]


async def test_subscribers_stay_connected_while_the_database_is_unavailable(asker: Asker) -> None:
    async with updates(asker) as told:
        await store(Leg("a"), at=NOW)
        async with db.connection() as conn:
            await conn.execute(
                "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await bus.publish(asker.redis, topics.rows(ACCOUNT, 1), 1)
        assert await days_told(told, 1) == [("2026-11-20", 1)]
