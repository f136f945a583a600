"""Redis killed, emptied, or back with an old state or an old clock: watchers go on, and forward."""

from collections.abc import AsyncIterator, Callable

import pytest
from hearing import ACCOUNT, show, tell
from own_redis import OwnRedis, own_redis
from redis.asyncio import Redis
from speech import Services, Switch, up
from watched import process, restarted, watching

from resolvers import captions, live

ALL = live.Channels(ACCOUNT, None, captions.OfAccount(ACCOUNT))


@pytest.fixture
async def lost() -> AsyncIterator[OwnRedis]:
    async with own_redis() as own:
        yield own


@pytest.fixture
def switch() -> Switch:
    return Switch()


def has(in_use: int) -> Callable[[live.Picture], bool]:
    return lambda picture: picture.state.in_use == in_use


@pytest.mark.parametrize("away", [0.0, 2.5])
async def test_the_state_is_pushed_anew_as_soon_as_an_emptied_redis_is_back(
    lost: OwnRedis, switch: Switch, away: float
) -> None:
    async with Redis.from_url(lost.url) as redis, process(lost.url) as here:
        await tell(redis, switch.start("a", carrier=0), switch.start("b", carrier=0))
        async with watching(here, ALL) as watched:
            await watched.until(has(2))
            await restarted(lost, away)
            assert await watched.until(has(0)) < 2
            await show(redis, switch.snapshot(up("a", carrier=0)))
            assert await watched.until(has(1)) < 1


async def test_an_old_state_that_redis_comes_back_with_is_newer_than_what_was_shown(
    lost: OwnRedis, switch: Switch
) -> None:
    async with Redis.from_url(lost.url) as redis, process(lost.url) as here:
        await tell(redis, switch.start("a", carrier=0))
        async with watching(here, ALL) as watched:
            await watched.until(has(1))
            await lost.save()
            await tell(redis, switch.start("b", carrier=0), switch.start("c", carrier=0))
            await watched.until(has(3))
            await restarted(lost, 0.5)
            await watched.until(has(1))
            await tell(redis, switch.start("d", carrier=0))
            await watched.until(has(2))


async def test_a_redis_whose_clock_is_behind_the_one_before_goes_on_from_what_was_shown(
    redis: Redis, services: Services, switch: Switch
) -> None:
    seconds, _ = await redis.time()
    ahead = str((seconds + 3_600) * 1_000_000)  # given by the Redis before
    await redis.hset("live:{a1}:gauge:0", "sequence", ahead)  # type: ignore[misc]
    async with (
        process(services.redis_url) as here,
        process(services.redis_url) as there,
        watching(here, ALL) as one,
        watching(there, ALL) as other,
    ):
        for watched in (one, other):
            await watched.until(has(0))
        await redis.flushdb()
        await tell(redis, switch.start("a", carrier=0))
        for watched in (one, other):
            await watched.until(has(1))
