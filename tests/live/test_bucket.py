"""What an account may spend: at once, again after a while, and without Redis."""

import asyncio
import socket
import time

from redis.asyncio import Redis

from live import bucket, keys


async def test_an_account_may_spend_its_capacity_and_no_more(redis: Redis) -> None:
    spent = bucket.Bucket(redis, 100, 1)
    assert await spent.take(1, 60) == bucket.Taken(40)
    assert await spent.take(1, 40) == bucket.Taken(0)
    refused = await spent.take(1, 30)
    assert refused.remaining == 0
    assert 29 < refused.wait <= 30


async def test_what_is_refused_is_not_spent(redis: Redis) -> None:
    spent = bucket.Bucket(redis, 100, 1)
    for _ in range(3):
        assert (await spent.take(1, 101)).wait > 0
    assert (await spent.take(1, 100)).remaining == 0


async def test_each_account_has_a_bucket_of_its_own(redis: Redis) -> None:
    spent = bucket.Bucket(redis, 100, 1)
    await spent.take(1, 100)
    assert await spent.take(2, 100) == bucket.Taken(0)


async def test_what_was_spent_comes_back_at_the_pace_set_and_no_further_than_the_capacity(
    redis: Redis,
) -> None:
    spent, started = bucket.Bucket(redis, 1_000, 2_000), time.monotonic()
    await spent.take(1, 1_000)
    refused = await spent.take(1, 200)
    assert refused.wait <= 0.1
    await asyncio.sleep(refused.wait + 0.002)
    back = await spent.take(1, 200)
    assert back.wait == 0
    assert back.remaining is not None
    assert back.remaining <= 2_000 * (time.monotonic() - started) - 200 + 1
    await asyncio.sleep(0.6)
    assert await spent.take(1, 1) == bucket.Taken(999)


async def test_many_at_once_spend_no_more_than_the_capacity(redis: Redis) -> None:
    spent = bucket.Bucket(redis, 100, 1)
    taken = await asyncio.gather(*(spent.take(1, 10) for _ in range(30)))
    assert sum(one.wait == 0 for one in taken) == 10


async def test_a_bucket_that_has_run_out_leaves_nothing_in_redis(redis: Redis) -> None:
    spent = bucket.Bucket(redis, 1_000, 10_000)
    await spent.take(1, 1_000)
    assert 0 < await redis.pttl(keys.prefix(1) + keys.PATTERNS["bucket"]) <= 101


async def test_without_redis_everything_is_free_and_only_the_first_waits() -> None:
    with socket.socket() as silent:  # listens and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hanging = Redis(port=silent.getsockname()[1])
        spent, started = bucket.Bucket(hanging, 10, 1), time.monotonic()
        for _ in range(20):
            assert await spent.take(1, 1_000) == bucket.Taken(None)
        assert time.monotonic() - started < 4 * bucket.PATIENCE
        await hanging.aclose()
