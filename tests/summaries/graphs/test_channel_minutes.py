"""channelMinutes: every minute of the active calls once, in order, after its end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from redis.asyncio import Redis

from domain.summaries import channel_history
from live import bus as live_bus
from live import topics
from models import db
from models.directory import carriers
from models.identity import accounts
from models.summaries import channel_samples
from resolvers.summaries import channel_minutes
from runtime.settings import Settings
from schema.engine import base
from tests.support.fact_streams import following
from tests.support.summaries import days, reader
from tests.support.summaries.days import ACCOUNT
from tests.support.summaries.reader import Asker

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
MINUTE = channel_history.MINUTE
MINUTES = """subscription ($customer: ID, $since: DateTime) {
  channelMinutes(customerId: $customer, since: $since) {
    at channelsSamples channelsMax channelsMean channelsLast
    byCarrier { carrier { reference } channelsMax channelsMean channelsLast } } }"""
OWNER = reader.staff(ACCOUNT)


@pytest.fixture
async def asker(database: str, redis: Redis) -> Asker:
    await accounts.insert("A carrier", START)
    await days.prepare()
    carrier = await carriers.insert(
        ACCOUNT, reference="carrier-a", name="Carrier A", currency="EUR", sip_uri=None, now=START
    )
    await days.set_id("carriers", carrier.id, 1)
    return Asker(OWNER, START, redis)


async def store(minute: int, second: int, customers: dict[int, list[tuple[int, int]]]) -> None:
    """(carrier, calls) pairs by customer, 0 for the account."""
    at = START + timedelta(minutes=minute, seconds=second)
    calls = channel_history.calls_by_scope(customers.items())
    assert await channel_samples.store(ACCOUNT, at, calls)


def minutes(asker: Asker, now: float, customer: int | None = None, **more: Any) -> Any:
    """As they are `now` minutes after START."""
    id = None if customer is None else base.encode_id("Customer", ACCOUNT, customer)
    at = START + timedelta(minutes=now)
    return following(asker.caller, asker.redis, MINUTES, now=at, customer=id, **more)


def figures(sent: dict[str, Any]) -> tuple[str, int, Any, Any, Any]:
    return (
        sent["at"][11:16], sent["channelsSamples"],
        sent["channelsMax"], sent["channelsMean"], sent["channelsLast"],
    )  # fmt: skip


async def test_the_newest_ended_minute_arrives_at_once(asker: Asker) -> None:
    await store(0, 6, {0: [(1, 2), (0, 2)], 7: [(1, 2), (0, 2)]})
    await store(0, 16, {0: [(1, 1)], 7: [(1, 1)]})
    await store(1, 6, {0: [(1, 9)]})
    async with minutes(asker, now=1.5) as stream:
        sent = await stream.next()
        assert figures(sent) == ("09:00", 2, 4, 2.5, 1)
        assert sent["byCarrier"] == [
            {"carrier": {"reference": "carrier-a"}, "channelsMax": 2, "channelsMean": 1.5,
             "channelsLast": 1},
            {"carrier": None, "channelsMax": 2, "channelsMean": 1.0, "channelsLast": 0},
        ]  # fmt: skip
        assert await stream.silent()


async def test_a_minute_without_samples_is_sent_without_figures(asker: Asker) -> None:
    await store(0, 6, {0: []})
    async with minutes(asker, now=2.5, since=START.isoformat()) as stream:
        sent = await stream.take(2)
    assert [figures(minute) for minute in sent] == [
        ("09:00", 1, 0, 0.0, 0), ("09:01", 0, None, None, None),
    ]  # fmt: skip
    assert [minute["byCarrier"] for minute in sent] == [[], []]


async def test_a_customer_gets_its_own_calls(asker: Asker) -> None:
    await store(0, 6, {0: [(1, 5)], 1: [(1, 3)], 2: [(1, 2)]})
    async with minutes(asker, now=1.5, customer=1) as stream:
        assert figures(await stream.next()) == ("09:00", 1, 3, 3.0, 3)
    asker.caller = await reader.contact(ACCOUNT, 2, "UTC", START)
    async with minutes(asker, now=1.5) as stream:
        assert figures(await stream.next()) == ("09:00", 1, 2, 2.0, 2)
    async with minutes(asker, now=1.5, customer=1) as stream:
        assert await stream.code() == "NOT_FOUND"


async def test_a_resumed_connection_continues_with_the_next_minute(asker: Asker) -> None:
    for minute in range(5):
        await store(minute, 6, {0: [(1, minute + 1)]})
    async with minutes(asker, now=2.5, since=START.isoformat()) as stream:
        assert [m["channelsMax"] for m in await stream.take(2)] == [1, 2]
    async with minutes(asker, now=4.5, resume_after=stream.marks[0]) as stream:
        assert [m["channelsMax"] for m in await stream.take(3)] == [2, 3, 4]
        assert await stream.silent()
    async with minutes(asker, now=4.5, since=(START + 1.5 * MINUTE).isoformat()) as stream:
        assert [m["channelsMax"] for m in await stream.take(3)] == [2, 3, 4]


async def test_more_than_a_page_of_minutes_arrives_in_order(asker: Asker) -> None:
    async with minutes(asker, now=150.5, since=START.isoformat()) as stream:
        sent = await stream.take(150)
        assert await stream.silent()
    assert [minute["at"] for minute in sent] == sorted({minute["at"] for minute in sent})


@pytest.mark.parametrize("ago", [timedelta(days=7, seconds=1), timedelta(minutes=-6)])
async def test_a_time_too_long_ago_or_in_the_future_is_refused(
    asker: Asker, ago: timedelta
) -> None:
    async with minutes(asker, now=0, since=(START - ago).isoformat()) as stream:
        assert await stream.code() == "BAD_SINCE"


def test_every_minute_that_can_be_requested_is_stored() -> None:
    days = channel_minutes.MAX_SINCE.days
    assert Settings(channel_minutes_days=days + 1).channel_minutes_days == days + 1
    with pytest.raises(ValidationError):
        Settings(channel_minutes_days=days)


@asynccontextmanager
async def followed(redis: Redis, clock: list[datetime]) -> AsyncIterator[Any]:
    bus = live_bus.Bus(redis)
    await bus.start()
    stream = await channel_minutes.stream(OWNER, None, None, clock[0])
    minutes = channel_minutes.follow(bus, stream, lambda: clock[0])
    try:
        yield minutes
    finally:
        await minutes.aclose()
        await bus.close()


async def test_a_minute_is_sent_when_the_worker_has_sampled_the_next(
    asker: Asker, redis: Redis
) -> None:
    clock = [START + timedelta(seconds=30)]
    async with followed(redis, clock) as stream:
        first = await anext(stream)
        assert (first.minute.start, first.minute.samples) == (START - MINUTE, 0)
        await store(0, 56, {0: [(1, 3)]})
        clock[0] = START + timedelta(seconds=66)
        await live_bus.publish(redis, topics.channel_minutes(ACCOUNT), 1)
        second = await anext(stream)
        assert (second.minute.start, second.minute.samples) == (START, 1)


async def test_minutes_are_sent_without_a_worker_and_after_the_database_was_unavailable(
    asker: Asker, redis: Redis
) -> None:
    clock = [START + timedelta(seconds=30)]
    async with followed(redis, clock) as stream:
        await anext(stream)
        clock[0] = START + timedelta(seconds=66)
        async with db.connection() as conn:
            await conn.execute(
                "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert (await anext(stream)).minute.start == START
