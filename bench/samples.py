"""The worker's sample of all active calls: the time in Redis, and the time to store it.

Accounts with 10, 100 and 1,000 customers that have calls over 3 carriers each. Baseline: a bare
INSERT of as many rows into a table with the same key, in the same run. Prints medians of 30.
Run: `./callboard bench samples`.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from redis.asyncio import Redis

from bench.support import scratch
from domain import epoch
from domain.records import calls
from domain.summaries import channel_history
from live import channel_samples, channels
from models import db
from models.summaries import channel_samples as sample_store
from runtime import clock

CARRIERS, SAMPLES = 3, 30
LEASE_SECONDS = 14_400

_BARE_TABLE = """
CREATE TABLE bench_bare (account_id bigint, customer_id bigint, carrier_id bigint,
    start timestamptz, calls bigint,
    PRIMARY KEY (account_id, customer_id, start, carrier_id))
"""
_BARE = """
INSERT INTO bench_bare SELECT $1, customer, carrier, $2, 1
FROM generate_series(0, $3::bigint) customer, generate_series(0, $4::bigint) carrier
"""


async def start_calls(redis: Redis, account_id: int, customers: int) -> None:
    now = clock.now()
    await channels.seed(redis, account_id, [])
    events = [
        calls.LiveEvent(
            type=calls.EventType.START,
            switch="edge-1",
            call_id=f"{customer}-{carrier}",
            leg=0,
            customer_id=customer,
            carrier_id=carrier,
            at=now,
            setup_at=now,
            final=True,
            event_number=None,
            lease_seconds=LEASE_SECONDS,
        )
        for customer in range(1, customers + 1)
        for carrier in range(1, CARRIERS + 1)
    ]
    await channels.apply(redis, account_id, events, now)


async def median_ms(work: Callable[[int], Awaitable[object]]) -> float:
    times = []
    for number in range(SAMPLES):
        began = time.perf_counter()
        await work(number)
        times.append(time.perf_counter() - began)
    return 1_000 * statistics.median(times)


async def measure(redis: Redis, account_id: int, customers: int) -> None:
    await start_calls(redis, account_id, customers)
    sample = await channel_samples.take(redis, account_id)
    counts = channel_history.calls_by_scope(sample.counts)
    start = epoch.floor(clock.now(), channel_history.MINUTE)

    async def store(number: int) -> None:
        at = start + number * channel_history.SAMPLE_INTERVAL
        assert await sample_store.store(account_id, at, counts)

    async def store_bare(number: int) -> None:
        async with db.connection() as conn:
            at = start + timedelta(seconds=number)
            await conn.execute(_BARE, account_id, at, customers, CARRIERS)

    median = await median_ms(lambda _: channel_samples.take(redis, account_id))
    bare, stored = await median_ms(store_bare), await median_ms(store)
    print(
        f"{customers:,} customers, {len(counts):,} rows: {median:.1f} ms in Redis,"
        f" {stored:.1f} ms stored, {bare:.1f} ms bare INSERT"
    )


async def main() -> None:
    async with scratch.database() as settings:
        await db.migrate()
        async with db.connection() as conn:
            await conn.execute(_BARE_TABLE)
        assert settings.redis_url is not None
        async with Redis.from_url(settings.redis_url) as redis:
            for account_id, customers in enumerate((10, 100, 1_000), 1):
                await measure(redis, account_id, customers)


if __name__ == "__main__":
    asyncio.run(main())
