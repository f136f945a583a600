"""Counting tries, with and without Redis."""

import asyncio
import time

import pytest
from redis.asyncio import Redis

from domain import refusals
from live import throttle
from live.throttle import Bucket
from resolvers.identity import try_limits

SLOW = Bucket("slow", 3, 1_000)


async def _enter_all(guard: throttle.Throttle, count: int, *buckets: Bucket) -> int:
    """The number of tries that are allowed, of `count`."""
    return sum([await guard.enter(buckets) == 0 for _ in range(count)])


@pytest.fixture(params=["redis", "none"])
def guard(request: pytest.FixtureRequest, redis: Redis) -> throttle.Throttle:
    return throttle.Throttle(redis if request.param == "redis" else None, timeout_seconds=60)


async def test_tries_up_to_the_limit_are_allowed_and_the_next_has_to_wait(
    guard: throttle.Throttle,
) -> None:
    assert await _enter_all(guard, 5, SLOW) == 3
    assert 990 < await guard.enter([SLOW]) <= 1_000
    assert await _enter_all(guard, 1, Bucket("other", 1, 1_000)) == 1


async def test_a_successful_try_does_not_count(guard: throttle.Throttle) -> None:
    for _ in range(20):
        assert await guard.enter([SLOW]) == 0
        await guard.give_back([SLOW])
    assert await _enter_all(guard, 5, SLOW) == 3


async def test_checking_the_limit_counts_no_try(guard: throttle.Throttle) -> None:
    for _ in range(10):
        assert await guard.wait([SLOW]) == 0
    assert await _enter_all(guard, 3, SLOW) == 3
    assert 990 < await guard.wait([SLOW, Bucket("other", 1, 1_000)]) <= 1_000
    await guard.give_back([SLOW])
    assert await guard.wait([SLOW]) == 0


async def test_tries_are_restored_over_time(guard: throttle.Throttle) -> None:
    quick = Bucket("quick", 1, 0.2)
    while not (wait := await guard.enter([quick])):
        """Until one comes before the last has run out."""
    assert 0 < wait <= 0.2
    await asyncio.sleep(wait + 0.01)
    assert await guard.enter([quick]) == 0


async def test_a_try_refused_by_one_bucket_counts_in_none(guard: throttle.Throttle) -> None:
    small, large = Bucket("small", 1, 1_000), Bucket("large", 4, 1_000)
    assert await _enter_all(guard, 10, small, large) == 1
    assert await _enter_all(guard, 10, large) == 3


async def test_concurrent_tries_do_not_exceed_the_limit(redis: Redis) -> None:
    throttles = [throttle.Throttle(redis, timeout_seconds=60) for _ in range(4)]
    waits = await asyncio.gather(*(throttles[n % 4].enter([SLOW]) for n in range(40)))
    assert sum(wait == 0 for wait in waits) == 3


async def test_a_trusted_caller_is_not_limited_by_the_guard(redis: Redis) -> None:
    guard, always = throttle.Throttle(redis, timeout_seconds=60), Bucket("always", 8, 1_000)
    await guard.trust("her", 60)
    for trusted, allowed in [("her", 5), ("him", 3)]:
        entered = [
            await guard.enter([always], unless_trusted=[SLOW], trusted=trusted) == 0
            for _ in range(5)
        ]
        assert sum(entered) == allowed


async def _try(guard: throttle.Throttle, count: int, limits: try_limits.Tries) -> int:
    waits = [await guard.enter(limits.always, unless_trusted=limits.guards) for _ in range(count)]
    return waits.count(0)


async def test_no_caller_uses_up_the_tries_of_another(redis: Redis) -> None:
    guard, email = throttle.Throttle(redis, timeout_seconds=60), "a@acme.example"
    let_in = 0
    for n in range(60):
        wrong = try_limits.login(email, f"198.51.100.{n}/32", at_home=False)
        let_in += await _try(guard, 20, wrong)
    assert let_in == 100  # of 1,200 from 60 addresses
    at_home = try_limits.login(email, "192.0.2.1/32", at_home=True)
    assert await _try(guard, 1, at_home) == 1
    elsewhere = try_limits.login("b@acme.example", "192.0.2.1/32", at_home=False)
    assert await _try(guard, 1, elsewhere) == 1


async def test_tries_of_others_do_not_block_a_person_who_set_a_password_by_link(
    redis: Redis,
) -> None:
    guard, email, site = (
        throttle.Throttle(redis, timeout_seconds=60),
        "a@acme.example",
        "192.0.2.1/32",
    )
    for n in range(60):
        await _try(guard, 10, try_limits.login(email, f"198.51.100.{n}/32", at_home=False))
    mine = try_limits.login(email, site, at_home=False)
    with pytest.raises(refusals.Refusal, match="in 180 seconds"):
        await mine.enter(guard)
    await try_limits.trust(guard, email, site)
    await mine.enter(guard)


async def test_many_logins_from_one_address_count_as_one_sender(redis: Redis) -> None:
    guard, site = throttle.Throttle(redis, timeout_seconds=60), "198.51.100.1/32"
    began, let_in = time.monotonic(), 0
    for n in range(80):
        let_in += await _try(guard, 1, try_limits.login(f"{n}@acme.example", site, at_home=False))
    # 50, and the tries that were restored meanwhile
    assert 50 <= let_in <= 50 + (time.monotonic() - began) / 10


async def test_requests_from_unknown_addresses_do_not_block_each_other(redis: Redis) -> None:
    """As behind a proxy that names no address: only the limit of the login remains."""
    guard, email = throttle.Throttle(redis, timeout_seconds=60), "a@acme.example"
    for n in range(80):
        await try_limits.login(f"{n}@acme.example", None, at_home=False).enter(guard)
        await try_limits.links(None).enter(guard)
    assert await _try(guard, 120, try_limits.login(email, None, at_home=False)) == 100
    assert await _try(guard, 12, try_limits.otp(email, None, at_home=False)) == 10
    await try_limits.trust(guard, email, None)
    assert await _try(guard, 1, try_limits.login(email, None, at_home=False)) == 0


async def test_no_email_address_is_stored_in_redis(redis: Redis) -> None:
    await _try(
        throttle.Throttle(redis, timeout_seconds=60),
        1,
        try_limits.login("a@acme.example", None, at_home=False),
    )
    names = b" ".join([key async for key in redis.scan_iter()])
    assert names
    assert b"acme" not in names


async def test_without_redis_the_memory_of_the_throttle_stays_small() -> None:
    guard = throttle.Throttle()
    for n in range(throttle._MAX_LOCAL_BUCKETS + 500):
        await guard.enter([Bucket(str(n), 1, 1_000)])
    assert len(guard._local._levels) == throttle._MAX_LOCAL_BUCKETS
