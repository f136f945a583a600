"""The budget that callers can spend: its capacity, its recovery, concurrency, and without Redis."""

import asyncio
import socket
import time

import pytest
from redis.asyncio import Redis

from domain.budgets import ACCOUNT, Allowance, Budget
from live import bucket, keys


def account(capacity: int, per_second: int = 1, reserve: int = 0) -> Budget:
    return Budget(ACCOUNT, Allowance(capacity, per_second), reserve)


def customer(number: int, capacity: int, per_second: int = 1) -> Budget:
    return Budget(f"customer:{number}", Allowance(capacity, per_second))


async def test_an_account_can_spend_exactly_its_capacity(redis: Redis) -> None:
    buckets, budget = bucket.Buckets(redis), account(100)
    assert await buckets.spend(1, [budget], 60) == bucket.SpendResult(40, 0, budget)
    assert await buckets.spend(1, [budget], 40) == bucket.SpendResult(0, 0, budget)
    spending = await buckets.spend(1, [budget], 30)
    assert spending.remaining == 0
    assert 29 < spending.wait_seconds <= 30


async def test_a_refused_cost_is_not_spent(redis: Redis) -> None:
    buckets = bucket.Buckets(redis)
    for _ in range(3):
        assert (await buckets.spend(1, [account(100)], 101)).wait_seconds > 0
    assert (await buckets.spend(1, [account(100)], 100)).remaining == 0


async def test_each_account_has_its_own_bucket(redis: Redis) -> None:
    buckets = bucket.Buckets(redis)
    await buckets.spend(1, [account(100)], 100)
    assert (await buckets.spend(2, [account(100)], 100)).wait_seconds == 0


async def test_a_customer_cannot_spend_the_share_of_another(redis: Redis) -> None:
    buckets = bucket.Buckets(redis)
    first, second = ([customer(number, 60), account(100)] for number in (1, 2))
    assert (await buckets.spend(1, first, 60)).wait_seconds == 0
    spending = await buckets.spend(1, first, 1)
    assert spending.decisive == first[0]
    assert 0 < spending.wait_seconds <= 1
    assert (await buckets.spend(1, second, 40)).wait_seconds == 0


async def test_a_cost_that_exceeds_one_bucket_is_spent_from_none(redis: Redis) -> None:
    buckets = bucket.Buckets(redis)
    budgets = [customer(1, 1_000), account(100)]
    spending = await buckets.spend(1, budgets, 101)
    assert spending.decisive == budgets[1]
    assert (await buckets.spend(1, [customer(1, 1_000)], 1_000)).wait_seconds == 0


async def test_the_bucket_with_the_longest_wait_decides(redis: Redis) -> None:
    buckets = bucket.Buckets(redis)
    budgets = [customer(1, 100, per_second=10), account(100, per_second=1)]
    await buckets.spend(1, budgets, 100)
    spending = await buckets.spend(1, budgets, 50)
    assert spending.decisive == budgets[1]
    assert 49 < spending.wait_seconds <= 50


async def test_customers_leave_the_reserve_to_staff(redis: Redis) -> None:
    buckets = bucket.Buckets(redis)
    assert (await buckets.spend(1, [account(100, reserve=30)], 70)).remaining == 0
    assert (await buckets.spend(1, [account(100, reserve=30)], 1)).wait_seconds > 0
    assert (await buckets.spend(1, [account(100)], 30)).wait_seconds == 0
    assert (await buckets.spend(1, [account(100)], 1)).wait_seconds > 0


async def test_spent_budget_is_refilled_at_the_configured_rate_up_to_the_capacity(
    redis: Redis,
) -> None:
    buckets, budget = bucket.Buckets(redis), account(1_000, per_second=2_000)
    start = time.monotonic()
    await buckets.spend(1, [budget], 1_000)
    spending = await buckets.spend(1, [budget], 200)
    assert spending.wait_seconds <= 0.1
    await asyncio.sleep(spending.wait_seconds + 0.002)
    back = await buckets.spend(1, [budget], 200)
    assert back.wait_seconds == 0
    assert back.remaining is not None
    assert back.remaining <= 2_000 * (time.monotonic() - start) - 200 + 1
    await asyncio.sleep(0.6)
    assert (await buckets.spend(1, [budget], 1)).remaining == 999


@pytest.mark.quiet  # what Redis does not answer in time is free
async def test_concurrent_callers_spend_at_most_the_capacity(redis: Redis) -> None:
    buckets = bucket.Buckets(redis)
    results = await asyncio.gather(*(buckets.spend(1, [account(100)], 10) for _ in range(30)))
    assert sum(result.wait_seconds == 0 for result in results) == 10


async def test_an_expired_bucket_leaves_nothing_in_redis(redis: Redis) -> None:
    await bucket.Buckets(redis).spend(1, [account(1_000, per_second=10_000)], 1_000)
    name = keys.prefix(1) + keys.PATTERNS["bucket"] % ACCOUNT
    assert 0 < await redis.pttl(name) <= 101


async def test_without_redis_everything_is_free_and_only_the_first_caller_waits() -> None:
    with socket.socket() as silent:  # listens and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hanging = Redis(port=silent.getsockname()[1])
        buckets, start = bucket.Buckets(hanging), time.monotonic()
        for _ in range(20):
            assert await buckets.spend(1, [account(10)], 1_000) == bucket.SpendResult(None)
        assert time.monotonic() - start < 4 * bucket.TIMEOUT_SECONDS
        await hanging.aclose()
