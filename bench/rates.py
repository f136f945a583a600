"""Large rate cards: memory, time to load, and the longest stall of the event loop meanwhile.

A card of a million prefixes is loaded alone, then while batches of 500 records are ingested as fast
as they are taken, in the same process. Then 100 revisions of 10,000 rates each are added, each
followed by a batch. Run: `./callboard bench rates [PREFIXES]`.
"""

import asyncio
import gc
import json
import random
import sys
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from redis.asyncio import Redis

from bench.support import scratch, stall_meter
from domain.billing import rating
from domain.records import references
from ingest import pipeline
from models import db
from models.billing import rate_cache, rate_cards, rate_lookup
from models.directory import customers
from models.identity import accounts
from runtime import clock, garbage

BATCH = 500
PRICES = 5_000
REVISIONS, RATES_EACH = 100, 10_000

# Prefixes of 6 to 10 digits, as many of each.
_PREFIX = "(10 ^ (5 + n % 5) + n / 5 * 4 * 10 ^ (n % 5))::bigint::text"
_REVISION = """
INSERT INTO rate_card_revisions
    (account_id, rate_card_id, revision, effective_from, rates, created_at)
VALUES ($1, $2, 2, $3, $4, $3)
"""
_RATES = f"""
INSERT INTO rates
    (account_id, rate_card_id, revision, effective_from, prefix, per_minute, minimum, increment)
SELECT $1, $2, 2, $3, {_PREFIX}, (1 + n % {PRICES}) * 0.0001, 30, 6
FROM generate_series(0, $4::bigint - 1) n
"""
_VERSION = "UPDATE rate_cards SET version = 2, rate_rows = $3 WHERE account_id = $1 AND id = $2"


@dataclass
class World:
    account_id: int
    customer: references.Customer
    card_id: int
    now: datetime
    runs: int = 0
    rated: int = 0

    async def fill(self, prefixes: int) -> None:
        since = self.now - timedelta(days=30)
        async with db.transaction() as conn:
            await conn.execute(_REVISION, self.account_id, self.card_id, since, prefixes)
            await conn.execute(_RATES, self.account_id, self.card_id, since, prefixes)
            await conn.execute(_VERSION, self.account_id, self.card_id, prefixes)
        async with db.connection() as conn:
            await conn.execute("ANALYZE rates")

    def numbers(self, count: int) -> list[str]:
        return [f"+{random.randrange(10**11, 9 * 10**11)}" for _ in range(count)]

    async def batch(self) -> list[bytes]:
        """Made in steps, so that what stalls is not what is measured."""
        self.runs += 1
        records = []
        for n, number in enumerate(self.numbers(BATCH)):
            records.append(json.dumps(self.event(n, number)).encode())
            if n % 50 == 0:
                await asyncio.sleep(0)
        return records

    def event(self, n: int, number: str) -> dict[str, Any]:
        setup = self.now - timedelta(seconds=n)
        return {
            "type": "end",
            "call_id": f"run-{self.runs}-{n}",
            "switch": "edge-1",
            "customer": "bench",
            "source": "+441632960000",
            "destination": number,
            "setup_at": setup.isoformat(),
            "answer_at": setup.isoformat(),
            "end_at": (setup + timedelta(seconds=60)).isoformat(),
        }

    async def load(self, cache: rate_cache.RateCache) -> None:
        await cache.in_force(self.account_id, [self.customer], self.a_number, self.now)
        await cache.wait_until_idle()

    async def a_number(self) -> list[str]:
        return self.numbers(1)


async def prepare(now: datetime) -> World:
    account = await accounts.insert("Bench", now)
    customer = await customers.insert(
        account.id,
        customers.NewCustomer(
            reference="bench",
            name="Bench",
            currency="EUR",
            channel_limit=None,
            debit_limit=Decimal(0),
            tax_percent=Decimal(0),
        ),
        now,
    )
    card_id = await rate_cards.create(account.id, name="Bench", currency="EUR", now=now)
    since = now - timedelta(days=30)
    await rate_cards.assign(account.id, customer.id, card_id, since, now)
    return World(account.id, references.Customer(customer.id, "EUR"), card_id, now)


async def timed(work: Awaitable[Any]) -> float:
    start = time.perf_counter()
    await work
    return time.perf_counter() - start


async def ingest(
    world: World, ingest_pipeline: pipeline.Pipeline, until: "asyncio.Task[Any]"
) -> float:
    """Events a second, batch after batch, until the task has ended."""
    start, batches = time.perf_counter(), 0
    while not until.done():
        answer = await ingest_pipeline.ingest_calls(
            world.account_id, await world.batch(), world.now
        )
        assert answer["accepted"] == BATCH, answer
        batches += 1
    return batches * BATCH / (time.perf_counter() - start)


async def alone(world: World) -> rate_cache.RateCache:
    gc.collect()
    before, cache = stall_meter.memory(), rate_cache.RateCache()
    async with stall_meter.watch() as stalls:
        seconds = await timed(world.load(cache))
    gc.collect()
    print(
        f"alone: loaded in {seconds:.1f} s, {stalls}; {cache.size / 1e6:.0f} MB counted,"
        f" {(stall_meter.memory() - before) / 1e6:.0f} MB resident,"
        f" peak {(stalls.peak - before) / 1e6:.0f} MB"
    )
    return cache


async def beside_ingest(world: World, redis: Redis) -> None:
    cache = rate_cache.RateCache()
    ingest_pipeline = pipeline.Pipeline(redis, None, cache)
    await ingest_pipeline.ingest_calls(
        world.account_id, await world.batch(), world.now
    )  # it starts loading
    async with stall_meter.watch() as stalls:
        loading = asyncio.create_task(cache.wait_until_idle())
        start = time.perf_counter()
        speed = await ingest(world, ingest_pipeline, loading)
        seconds = time.perf_counter() - start
    print(f"beside ingest: loaded in {seconds:.1f} s, {stalls}; {speed:,.0f} events/s")
    async with stall_meter.watch() as stalls:
        speed = await ingest(world, ingest_pipeline, asyncio.create_task(asyncio.sleep(seconds)))
    print(f"ingest with the card in memory: {stalls}; {speed:,.0f} events/s")
    await ingest_pipeline.close()


async def cost_of_a_call(world: World, cache: rate_cache.RateCache) -> None:
    numbers = world.numbers(50_000)
    cards = await cache.in_force(world.account_id, [world.customer], world.a_number, world.now)
    card = cards.at(world.customer.id, world.now)
    start = time.perf_counter()
    rated = sum(
        rating.charge_by_card(60_000_000, number, world.now, card).charge is not None
        for number in numbers
    )
    packed = (time.perf_counter() - start) / len(numbers) * 1e6
    account, times = world.account_id, []
    for at in range(0, 20 * BATCH, BATCH):
        batch = numbers[at : at + BATCH]
        times.append(await timed(rate_lookup.look_up(account, [world.card_id], batch, world.now)))
    looked_up = median(times) / BATCH * 1e6
    print(
        f"a call: {packed:.1f} µs rated from memory ({rated / len(numbers):.0%} match),"
        f" {looked_up:.0f} µs looked up in batches of {BATCH}"
    )


async def new_rates(price: Decimal) -> list[rating.Rate]:
    """Made in steps, so that what stalls is not what is measured."""
    added = []
    for n in range(RATES_EACH):
        added.append(rating.Rate(f"1{n:05}", price))
        if n % 500 == 0:
            await asyncio.sleep(0)
    return added


async def many_revisions(now: datetime, redis: Redis) -> None:
    """The same 10,000 prefixes get new prices 100 times."""
    world = await prepare(now)
    cache, adding, merging = rate_cache.RateCache(), [], []
    ingest_pipeline, before = pipeline.Pipeline(redis, None, cache), stall_meter.memory()
    async with stall_meter.watch() as stalls:
        for revision in range(REVISIONS):
            added = await new_rates(Decimal(1 + revision).scaleb(-4))
            at = world.now + timedelta(days=1, seconds=revision)
            work = rate_cards.add_rates(
                world.account_id, world.card_id, added, effective_from=at, now=world.now
            )
            adding.append(await timed(work))
            await ingest_pipeline.ingest_calls(world.account_id, await world.batch(), world.now)
            merging.append(await timed(cache.wait_until_idle()))
    print(
        f"{REVISIONS} revisions of {RATES_EACH:,}: each added in {median(adding) * 1000:.0f} ms and"
        f" read in {median(merging) * 1000:.0f} ms, {stalls}; {cache.size / 1e6:.0f} MB counted,"
        f" {(stall_meter.memory() - before) / 1e6:.0f} MB resident"
    )
    await ingest_pipeline.close()


async def run(prefixes: int) -> None:
    async with scratch.database() as settings:
        await db.migrate()
        assert settings.redis_url is not None
        redis = Redis.from_url(settings.redis_url)
        world = await prepare(clock.now())
        print(f"{prefixes:,} prefixes, {PRICES:,} prices")
        garbage.configure()  # as the web process does
        await world.fill(prefixes)
        cache = await alone(world)
        await cost_of_a_call(world, cache)
        del cache
        await beside_ingest(world, redis)
        await many_revisions(world.now, redis)
        await redis.aclose()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
