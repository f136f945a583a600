"""Live channels: event numbers, beats, and the order of a gauge."""

import pytest
from redis.asyncio import Redis

from domain.records import calls
from live import channels, topics
from tests.support.live.channel_state import ACCOUNT, count, show, tell
from tests.support.live.switch_events import LEASE, NOW, Switch, after, up


@pytest.fixture
def switch() -> Switch:
    return Switch()


# Numbers -----------------------------------------------------------------------------------------


async def test_a_switch_that_begins_at_1_needs_no_snapshot(redis: Redis, switch: Switch) -> None:
    assert await tell(redis, switch.start("a"), switch.beat(1)) == {}


async def test_a_switch_whose_first_event_is_not_number_1_needs_a_snapshot(
    redis: Redis, switch: Switch
) -> None:
    switch.seq = 500
    assert await tell(redis, switch.start("a")) == {"edge-1": "UNKNOWN"}


async def test_a_new_switch_without_numbers_needs_a_snapshot(redis: Redis) -> None:
    assert await tell(redis, Switch(boot=None).beat(0)) == {"edge-1": "UNKNOWN"}


async def test_numbers_out_of_order_within_or_between_batches_are_no_gap(
    redis: Redis, switch: Switch
) -> None:
    events = [switch.start(f"c{i}") for i in range(9)]
    await tell(redis, events[0])
    await tell(redis, *events[8:4:-1])
    assert await tell(redis, *events[4:0:-1], at=4.9) == {}
    assert await tell(redis, switch.beat(9), at=60) == {}


async def test_a_gap_requests_a_snapshot_after_5_seconds(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    switch.start("lost on the way")
    assert await tell(redis, switch.start("c")) == {}
    assert await tell(redis, switch.answer("c"), at=4.9) == {}
    assert await tell(redis, switch.beat(3), at=5) == {"edge-1": "HOLE"}


async def test_a_gap_of_more_than_1000_requests_a_snapshot_immediately(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"))
    switch.seq = 1_001
    assert await tell(redis, switch.answer("a")) == {"edge-1": "HOLE"}


async def test_a_second_gap_has_its_own_5_seconds(redis: Redis, switch: Switch) -> None:
    events = [switch.start(f"c{i}") for i in range(6)]
    await tell(redis, events[0], events[2])  # 2 is missing
    await tell(redis, events[1], events[4], at=4)  # 3 no longer; now 4 is missing
    assert await tell(redis, events[5], at=6) == {}
    assert await tell(redis, events[5], at=9) == {"edge-1": "HOLE"}


async def test_every_response_requests_a_snapshot_until_it_arrives(
    redis: Redis, switch: Switch
) -> None:
    switch.seq = 9
    await tell(redis, switch.start("a"))
    other = Switch("edge-2")
    assert await tell(redis, other.start("z")) == {}
    assert await tell(redis, switch.answer("a"), other.beat(1)) == {"edge-1": "UNKNOWN"}
    await show(redis, switch.snapshot(up("a")))
    assert await tell(redis, switch.beat(1)) == {}


async def test_repeated_events_beyond_a_gap_change_nothing(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.beat(0))
    switch.seq += 1
    start = switch.start("a")
    await tell(redis, start, switch.end("a"))
    await channels.sweep(redis, ACCOUNT, after(960))  # the tombstone is forgotten
    await tell(redis, start, at=960)
    assert await count(redis) == {}


# Beats -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("boot", [7, None])
async def test_a_beat_with_another_number_requests_a_snapshot(
    redis: Redis, boot: int | None
) -> None:
    switch = Switch(boot=boot)
    await tell(redis, switch.start("a"))
    await show(redis, switch.snapshot(up("a")))
    assert await tell(redis, switch.beat(1)) == {}
    assert await tell(redis, switch.beat(2)) == {"edge-1": "DIFFERS"}


async def test_a_beat_is_not_compared_while_numbers_are_missing(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"))
    late = switch.start("b")
    assert await tell(redis, switch.beat(2)) == {}
    assert await tell(redis, late) == {}
    assert await tell(redis, switch.beat(2), at=60) == {}


async def test_a_beat_overtaken_by_later_events_is_not_compared(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"))
    late = switch.beat(1)
    await tell(redis, switch.end("a"))
    assert await tell(redis, late) == {}
    assert await count(redis) == {}


async def test_a_beat_that_only_repeats_the_last_number_is_compared(
    redis: Redis, switch: Switch
) -> None:
    event = switch.start("a")
    await tell(redis, event)
    again = calls.Beat("edge-1", 2, NOW, event.event_number, LEASE)
    assert await tell(redis, again) == {"edge-1": "DIFFERS"}


async def test_a_switch_without_calls_can_send_a_beat_before_its_first_event(redis: Redis) -> None:
    silent = calls.Beat("edge-1", 0, NOW, calls.EventNumber(7, 0), LEASE)
    assert await tell(redis, silent, silent) == {}


# The order of a gauge ----------------------------------------------------------------------------


async def test_every_change_increases_the_sequence_and_is_published_only_to_its_scopes(
    redis: Redis, switch: Switch
) -> None:
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(*(topics.channels(ACCOUNT, c) for c in (None, 1, 2)))
        for _ in range(3):
            await pubsub.get_message(timeout=5)
        await tell(redis, switch.start("a", customer=1))
        await tell(redis, switch.ringing("a", customer=1))
        await tell(redis, switch.end("a", customer=1))
        messages = [await pubsub.get_message(timeout=0.2) for _ in range(5)]
    stream = [
        (m["channel"].decode(), channels.decode_state(m["data"]).sequence)
        for m in messages
        if m is not None
    ]
    assert sorted({topic for topic, _ in stream}) == [
        topics.channels(ACCOUNT, None),
        topics.channels(ACCOUNT, 1),
    ]
    for topic in {topic for topic, _ in stream}:
        first, second = [sequence for name, sequence in stream if name == topic]
        assert first < second
    assert (await channels.read(redis, ACCOUNT, 1)).sequence >= max(s for _, s in stream)


async def test_a_sequence_is_the_redis_time_in_microseconds_or_the_previous_plus_one(
    redis: Redis, switch: Switch
) -> None:
    seconds, micros = await redis.time()
    await tell(redis, switch.start("a"))
    sequence = (await channels.read(redis, ACCOUNT, 1)).sequence
    assert 0 <= sequence - (seconds * 1_000_000 + micros) < 10_000_000
    ahead = sequence + 3_600_000_000
    await redis.hset("live:{a1}:gauge:1", "sequence", str(ahead))  # type: ignore[misc]
    await tell(redis, switch.end("a"))
    assert (await channels.read(redis, ACCOUNT, 1)).sequence == ahead + 1
