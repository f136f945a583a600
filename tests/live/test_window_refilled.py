"""The window and its watchers after a loss of Redis, with the records in PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from redis.asyncio import Redis

from domain import refusals
from domain.identity import callers
from ingest import pipeline
from live import sliding_window
from models import db
from models.directory import customers
from models.identity import accounts
from models.records import partitions
from resolvers.live import window_filling
from resolvers.live.last_states import LastStates
from runtime import clock
from tests.support.live.watchers import process, watching
from tests.support.own_redis import OwnRedis, own_redis


@dataclass
class Ends:
    """A carrier's account and a switch of its that reports ended calls, a second long each."""

    into: pipeline.Pipeline
    account_id: int
    numbers: "count[int]" = field(default_factory=count)

    async def report(self, number: int, now: datetime, ended: float = 0.5) -> None:
        """Calls that ended `ended` seconds before now, every other one answered."""
        at = now - timedelta(seconds=ended)
        events = [self._end(next(self.numbers), at) for _ in range(number)]
        answer = await self.into.ingest_calls(self.account_id, events, now)
        assert answer["accepted"] == number

    def _end(self, n: int, at: datetime) -> bytes:
        began = (at - timedelta(seconds=1)).isoformat()
        event = {"type": "end", "call_id": f"c{n}", "switch": "edge-1", "customer": "acme"}
        event |= {"source": "+441632960000", "destination": "+15550100", "setup_at": began}
        if n % 2:
            event |= {"answer_at": began}
        return json.dumps(event | {"end_at": at.isoformat()}).encode()


@pytest.fixture
async def redis_server() -> AsyncIterator[OwnRedis]:
    async with own_redis() as own:
        yield own


@pytest.fixture
async def client(redis_server: OwnRedis) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_server.url) as redis:
        yield redis


@pytest.fixture
async def ends(database: str, client: Redis) -> Ends:
    now = clock.now()
    account = await accounts.insert("Example Voice", now)
    await customers.insert(
        account.id,
        customers.NewCustomer(
            reference="acme",
            name="Acme",
            currency="EUR",
            channel_limit=None,
            debit_limit=Decimal(0),
            tax_percent=Decimal(0),
        ),
        now,
    )
    return Ends(pipeline.Pipeline(client, records_days=400), account.id)


def has(attempts: int) -> Callable[[sliding_window.Window], bool]:
    return lambda shown: shown.sums.attempts == attempts


def all_of(ends: Ends) -> window_filling.Stats:
    return window_filling.Stats(ends.account_id, None, 900)


async def test_the_first_reader_fills_the_window_with_earlier_records(
    ends: Ends, client: Redis
) -> None:
    now = clock.now()
    await ends.report(30, now, ended=600)
    await ends.report(5, now, ended=910)
    await client.flushdb()
    figures = await all_of(ends).read(client)
    assert figures is not None
    assert (figures.sums.attempts, figures.sums.answered) == (30, 15)
    assert figures.sums.talk_us == 15_000_000


async def test_more_attempts_than_one_step_takes_are_all_filled(ends: Ends, client: Redis) -> None:
    for part in range(5):
        await ends.report(500, clock.now(), ended=100.0 * part + 5)
    await client.flushdb()
    figures = await all_of(ends).read(client)
    assert figures is not None
    assert figures.sums.attempts == 2_500


async def test_watchers_of_an_emptied_redis_never_see_partial_figures(
    ends: Ends, redis_server: OwnRedis, client: Redis
) -> None:
    await ends.report(40, clock.now(), ended=30)
    async with (
        process(redis_server.url) as live_feeds,
        process(redis_server.url) as there,
        watching(live_feeds, all_of(ends)) as first,
        watching(there, all_of(ends)) as other,
    ):
        for stream in (first, other):
            await stream.until(has(40))
        await client.flushdb()
        await ends.report(2, clock.now())
        for stream in (first, other):
            await stream.until(has(42))
            assert {state.sums.attempts for state in stream.seen} == {40, 42}


@pytest.mark.parametrize("saved", [False, True], ids=["empty", "with an old state"])
async def test_a_redis_that_returns_is_correct_within_seconds(
    ends: Ends, redis_server: OwnRedis, client: Redis, saved: bool
) -> None:
    await ends.report(20, clock.now(), ended=60)
    async with (
        process(redis_server.url) as live_feeds,
        watching(live_feeds, all_of(ends)) as stream,
    ):
        await stream.until(has(20))
        if saved:
            await redis_server.save()
        await ends.report(7, clock.now(), ended=3)
        await stream.until(has(27))
        redis_server.kill()
        await ends.report(4, clock.now())
        await asyncio.sleep(1)
        await redis_server.start()
        assert await stream.until(has(31)) < 3
        assert {state.sums.attempts for state in stream.seen} <= {20, 27, 31}


async def test_ends_stored_while_redis_was_unavailable_are_counted_soon_after(
    ends: Ends, redis_server: OwnRedis, client: Redis
) -> None:
    """Ingest does not use a Redis that failed for a while, whether or not it is available."""
    now = clock.now()
    await ends.report(1, now)
    redis_server.kill()
    await ends.report(2, now)
    await redis_server.start()
    async with (
        process(redis_server.url) as live_feeds,
        watching(live_feeds, all_of(ends)) as stream,
    ):
        await stream.until(has(3))
        await ends.report(4, now + timedelta(seconds=1))
        assert (await sliding_window.read(client, ends.account_id, None, 900)) is not None
        await ends.report(8, now + timedelta(seconds=3))
        await stream.until(has(15))


async def test_two_readers_that_fill_concurrently_fill_once(ends: Ends, client: Redis) -> None:
    await ends.report(50, clock.now(), ended=30)
    await client.flushdb()
    owner = callers.Caller(ends.account_id, callers.Kind.STAFF, 1, callers.Role.OWNER)
    reads = [window_filling.stats(owner, client, None, 900, LastStates()) for _ in range(5)]
    assert {figures.sums.attempts for figures in await asyncio.gather(*reads)} == {50}


async def test_while_another_reader_fills_the_window_a_query_waits_and_then_refuses(
    ends: Ends, client: Redis
) -> None:
    owner = callers.Caller(ends.account_id, callers.Kind.STAFF, 1, callers.Role.OWNER)
    fill_token = await sliding_window.begin_fill(client, ends.account_id)
    assert fill_token is not None
    with pytest.raises(refusals.Refusal) as error:
        await window_filling.stats(owner, client, None, 900, LastStates())
    assert error.value.code == "LIVE_UNAVAILABLE"
    asking = asyncio.create_task(window_filling.stats(owner, client, None, 900, LastStates()))
    await sliding_window.end_fill(client, ends.account_id, fill_token)
    assert (await asking).sums.attempts == 0


async def test_a_query_without_redis_is_refused(
    ends: Ends, redis_server: OwnRedis, client: Redis
) -> None:
    owner = callers.Caller(ends.account_id, callers.Kind.STAFF, 1, callers.Role.OWNER)
    redis_server.kill()
    with pytest.raises(refusals.Refusal) as error:
        await window_filling.stats(owner, client, None, 900, LastStates())
    assert error.value.code == "LIVE_UNAVAILABLE"


async def test_every_partition_has_an_index_of_ends(ends: Ends) -> None:
    now = clock.now()
    for days in range(3):
        await ends.report(1, now, ended=86_400.0 * days)
    async with db.connection() as conn:
        indexed = await conn.fetch(
            "SELECT tablename FROM pg_indexes WHERE indexdef LIKE '% USING brin (end_at) %'"
        )
    days_stored = await partitions.existing_days()
    assert len(days_stored) == 3
    assert {row[0] for row in indexed} >= {partitions.name(day) for day in days_stored}
