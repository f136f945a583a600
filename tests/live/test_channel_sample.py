"""A sample of all active calls: complete, current, and adding up."""

from redis.asyncio import Redis

from live import channel_samples, channels, keys
from runtime import clock
from tests.support.live.channel_state import ACCOUNT, show
from tests.support.live.switch_events import NOW, Switch, up

Counts = dict[int, dict[int, int]]


def current_switch() -> Switch:
    """Its events are of now: a sample compares them with the time of Redis."""
    return Switch(at=(clock.now() - NOW).total_seconds())


async def tell(redis: Redis, *events: object) -> None:
    await channels.apply(redis, ACCOUNT, events, clock.now())  # type: ignore[arg-type]


async def take(redis: Redis) -> tuple[bool, Counts]:
    sample = await channel_samples.take(redis, ACCOUNT)
    return sample.is_certain, {id: dict(by_carrier) for id, by_carrier in sample.counts}


async def test_a_sample_lists_customers_with_calls_by_carrier(redis: Redis) -> None:
    switch = current_switch()
    await tell(
        redis,
        switch.start("a", customer=7, carrier=1),
        switch.start("b", customer=7, carrier=2),
        switch.start("c", customer=8, carrier=1),
        switch.start("d", customer=9, carrier=1),
        switch.end("d", customer=9, carrier=1),
        switch.beat(3),
    )
    assert await take(redis) == (True, {0: {1: 2, 2: 1}, 7: {1: 1, 2: 1}, 8: {1: 1}})


async def test_without_calls_a_sample_is_certain_and_empty(redis: Redis) -> None:
    assert await take(redis) == (True, {0: {}})


async def test_a_customer_without_calls_is_no_longer_looked_up(redis: Redis) -> None:
    switch = current_switch()
    await tell(redis, switch.start("a", customer=7))
    await tell(redis, switch.end("a", customer=7), switch.beat(0))
    await take(redis)
    assert not await redis.exists(keys.prefix(ACCOUNT) + keys.PATTERNS["customers"])


async def test_calls_that_an_older_version_counted_are_in_the_sample(redis: Redis) -> None:
    switch = current_switch()
    await tell(redis, switch.start("a", customer=7), switch.start("b", customer=8), switch.beat(2))
    await redis.delete(keys.prefix(ACCOUNT) + keys.PATTERNS["customers"])
    assert await take(redis) == (True, {0: {1: 2}, 7: {1: 1}, 8: {1: 1}})


async def test_after_a_late_beat_a_sample_is_not_certain(redis: Redis) -> None:
    switch = current_switch()
    await tell(redis, switch.start("a"), switch.beat(1))
    switch.at += 2.0  # it sends a beat every 2 s
    await tell(redis, switch.beat(1))
    assert (await take(redis))[0]
    silent_from = keys.prefix(ACCOUNT) + keys.PATTERNS["beats"]
    await redis.zincrby(silent_from, -2_900_000, switch.name)
    assert (await take(redis))[0]
    await redis.zincrby(silent_from, -200_000, switch.name)  # its last beat is 3.1 s old
    assert not (await take(redis))[0]
    assert (await channels.read(redis, ACCOUNT, None)).complete
    await tell(redis, switch.beat(1))
    assert (await take(redis))[0]


async def test_a_switch_may_send_a_beat_every_10_s(redis: Redis) -> None:
    switch = current_switch()
    await tell(redis, switch.start("a"), switch.beat(1))
    switch.at += 10.0
    await tell(redis, switch.beat(1))
    silent_from = keys.prefix(ACCOUNT) + keys.PATTERNS["beats"]
    await redis.zincrby(silent_from, -10_900_000, switch.name)
    assert (await take(redis))[0]
    await redis.zincrby(silent_from, -200_000, switch.name)  # its last beat is 11.1 s old
    assert not (await take(redis))[0]


async def test_while_an_event_is_missing_a_sample_is_not_certain(redis: Redis) -> None:
    switch = current_switch()
    first, missing, last = switch.start("a"), switch.start("b"), switch.beat(2)
    await tell(redis, first, last)
    assert not (await take(redis))[0]
    await tell(redis, missing)
    assert await take(redis) == (True, {0: {1: 2}, 1: {1: 2}})


async def test_after_a_loss_a_sample_is_not_certain_until_switches_have_reported(
    redis: Redis,
) -> None:
    await redis.flushall()
    assert (await channel_samples.take(redis, ACCOUNT)).completeness is channels.Completeness.LOST
    await channels.seed(redis, ACCOUNT, [])
    switch = current_switch()
    await show(redis, switch.snapshot(up("a", customer=7)))
    assert await take(redis) == (True, {0: {1: 1}, 7: {1: 1}})
