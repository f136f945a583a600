"""The worker samples the active calls every 10 s, once, and only if they are certain."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.periods import Period
from domain.summaries import channel_history
from domain.summaries.channel_history import ALL_CARRIERS, Calls
from live import channels, keys, recovery, topics
from models import db
from models.directory import switch_reports, switches
from models.identity import accounts
from models.summaries import channel_queries
from runtime import clock
from tests.support.live.channel_state import ACCOUNT
from tests.support.live.switch_events import NOW, Switch
from tests.support.own_redis import OwnRedis, own_redis
from tests.support.programs import Program
from workers import jobs, sampling

START = datetime(2026, 11, 20, 9, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def current_switch() -> Switch:
    return Switch(at=(clock.now() - NOW).total_seconds())


async def tell(redis: Redis, *events: Any) -> None:
    await channels.apply(redis, ACCOUNT, events, clock.now())


async def sample(redis: Redis, when: datetime) -> None:
    tools = jobs.Tools(redis, lambda: when, records_days=2, partitions_ahead_days=3)
    await jobs.sample_channels({"tools": tools})


async def minute(start: datetime = START, customer: int | None = None) -> tuple[int, Calls]:
    """The number of its samples, and the calls of all carriers."""
    period = Period(start, start + channel_history.MINUTE)
    [stored] = await channel_queries.minutes(ACCOUNT, customer, period)
    return stored.samples, stored.calls.get(ALL_CARRIERS, Calls())


@pytest.fixture
async def redis(database: str, redis: Redis) -> Redis:
    account = await accounts.insert("Example Voice", START)
    assert account.id == ACCOUNT
    await channels.seed(redis, ACCOUNT, [])
    return redis


@pytest.fixture
async def own(redis: Redis) -> AsyncIterator[OwnRedis]:
    async with own_redis() as own:
        yield own


async def test_samples_of_a_minute_add_up_to_maximum_mean_and_last(redis: Redis) -> None:
    switch = current_switch()
    await tell(redis, switch.start("a", customer=7), switch.start("b", customer=8), switch.beat(2))
    await sample(redis, at(6))
    await tell(redis, switch.end("a", customer=7), switch.beat(1))
    await sample(redis, at(16))
    await tell(redis, switch.end("b", customer=8), switch.beat(0))
    await sample(redis, at(26))
    assert await minute() == (3, Calls(2, 3, 0))
    assert await minute(customer=7) == (3, Calls(1, 1, 0))
    assert await minute(customer=8) == (3, Calls(1, 2, 0))
    assert await minute(customer=9) == (3, Calls(0, 0, 0))


async def test_two_workers_take_one_sample_of_a_slot(redis: Redis) -> None:
    switch = current_switch()
    await tell(redis, switch.start("a"), switch.beat(1))
    await asyncio.gather(*(sample(redis, at(6 + n)) for n in range(3)))
    assert await minute() == (1, Calls(1, 1, 1))


async def test_after_a_loss_of_redis_there_is_no_sample_until_every_switch_has_reported(
    redis: Redis,
) -> None:
    switch = current_switch()
    await switches.find_or_register(ACCOUNT, ["edge-1"], clock.now())
    await switch_reports.record_activity(ACCOUNT, ["edge-1"], ["edge-1"], clock.now())
    await tell(redis, switch.start("a"), switch.start("b"), switch.beat(2))
    await sample(redis, at(6))
    await redis.flushall()
    await sample(redis, at(16))
    assert await minute() == (1, Calls(2, 2, 2))
    states = await switches.find_or_register(ACCOUNT, [], clock.now())
    assert states.snapshot_wanted == {"edge-1"}
    await sample(redis, at(66))
    assert await minute(at(60)) == (0, Calls())


async def test_a_state_that_a_switch_has_to_repair_is_no_sample(redis: Redis) -> None:
    await switches.find_or_register(ACCOUNT, ["edge-1"], at(0))
    await switch_reports.request_snapshots(ACCOUNT, {"edge-1": "DIFFERS"}, at(0))
    await sample(redis, at(6))
    assert await minute() == (0, Calls())
    await sample(redis, at(66))  # it sends no snapshots
    assert await minute(at(60)) == (1, Calls())


async def test_while_redis_is_away_the_minute_has_no_data(own: OwnRedis) -> None:
    async with Redis.from_url(own.url) as away:
        await recovery.recover(away, ACCOUNT, switch_reports, clock.now())
        await sample(away, at(26))
        own.kill()
        with pytest.raises(Exception, match="Connect"):
            await sample(away, at(66))
    assert (await minute())[0] == 1
    assert (await minute(at(60)))[0] == 0


async def test_an_account_that_cannot_be_sampled_does_not_stop_the_others(redis: Redis) -> None:
    other = await accounts.insert("Other Voice", START)
    await channels.seed(redis, other.id, [])
    await redis.set(keys.prefix(ACCOUNT) + keys.PATTERNS["switches"], "no set")
    await sample(redis, at(9.5))
    period = Period(START, START + channel_history.MINUTE)
    [of_other] = await channel_queries.minutes(other.id, None, period)
    assert (of_other.samples, (await minute())[0]) == (1, 0)


async def test_calls_that_redis_returns_after_the_10_s_are_no_sample(redis: Redis) -> None:
    # Read for the end of the slot, before Redis is asked, and after it.
    readings = itertools.chain([at(6), at(6)], itertools.repeat(at(10)))
    await sampling.sample_all(redis, lambda: next(readings))
    assert await minute() == (0, Calls())


async def test_the_first_sample_of_a_minute_notifies_subscribers(redis: Redis) -> None:
    async with redis.pubsub() as listening:
        await listening.subscribe(topics.channel_minutes(ACCOUNT))
        await listening.get_message(timeout=1)
        await sample(redis, at(16))
        assert await listening.get_message(True, timeout=0.2) is None
        await sample(redis, at(66))
        assert await listening.get_message(True, timeout=1) is not None


async def test_another_worker_continues_the_minute_of_a_killed_one(
    redis: Redis, worker: Program
) -> None:
    """The worker samples at its start, so a second one is in another slot or stores nothing."""
    switch = current_switch()
    await tell(redis, switch.start("a"), switch.beat(1))

    async def stored() -> list[tuple[int, int, int]]:
        async with db.connection() as conn:
            rows = await conn.fetch(
                "SELECT bit_count(slots::bit(6)) AS samples, total, maximum FROM channel_minutes"
                " WHERE customer_id = 0 AND carrier_id = -1 ORDER BY start"
            )
        return [tuple(row) for row in rows]

    async with asyncio.timeout(20):
        while not await stored():
            await tell(redis, switch.beat(1))
            await asyncio.sleep(0.2)
    worker.kill()
    await asyncio.to_thread(worker.start)
    async with asyncio.timeout(30):
        while sum(samples for samples, _, _ in await stored()) < 3:
            await tell(redis, switch.beat(1))
            await asyncio.sleep(0.2)
    assert all(samples == total for samples, total, _ in await stored())
    assert {maximum for _, _, maximum in await stored()} == {1}
