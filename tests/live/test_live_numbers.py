"""Page 3, Live channels: the numbers of events, beats, and the order of a gauge."""

import pytest
from hearing import ACCOUNT, count, show, tell
from redis.asyncio import Redis
from speech import LEASE, NOW, Switch, after, up

from domain import calls
from live import channels, topics


@pytest.fixture
def switch() -> Switch:
    return Switch()


# Numbers -----------------------------------------------------------------------------------------


async def test_a_switch_that_begins_at_1_owes_no_snapshot(redis: Redis, switch: Switch) -> None:
    assert await tell(redis, switch.start("a"), switch.beat(1)) == {}


async def test_a_switch_first_heard_in_the_middle_owes_one(redis: Redis, switch: Switch) -> None:
    switch.seq = 500
    assert await tell(redis, switch.start("a")) == {"edge-1": "UNKNOWN"}


async def test_an_unnumbered_switch_first_heard_owes_one(redis: Redis) -> None:
    assert await tell(redis, Switch(boot=None).beat(0)) == {"edge-1": "UNKNOWN"}


async def test_numbers_out_of_order_in_a_batch_or_between_two_are_no_hole(
    redis: Redis, switch: Switch
) -> None:
    said = [switch.start(f"c{i}") for i in range(9)]
    await tell(redis, said[0])
    await tell(redis, *said[8:4:-1])
    assert await tell(redis, *said[4:0:-1], at=4.9) == {}
    assert await tell(redis, switch.beat(9), at=60) == {}


async def test_a_hole_wants_a_snapshot_after_5_seconds(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    switch.start("lost on the way")
    assert await tell(redis, switch.start("c")) == {}
    assert await tell(redis, switch.answer("c"), at=4.9) == {}
    assert await tell(redis, switch.beat(3), at=5) == {"edge-1": "HOLE"}


async def test_a_hole_of_more_than_1000_wants_one_at_once(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    switch.seq = 1_001
    assert await tell(redis, switch.answer("a")) == {"edge-1": "HOLE"}


async def test_a_second_hole_has_5_seconds_of_its_own(redis: Redis, switch: Switch) -> None:
    said = [switch.start(f"c{i}") for i in range(6)]
    await tell(redis, said[0], said[2])  # 2 is missing
    await tell(redis, said[1], said[4], at=4)  # no more; now 4 is
    assert await tell(redis, said[5], at=6) == {}
    assert await tell(redis, said[5], at=9) == {"edge-1": "HOLE"}


async def test_a_wanted_snapshot_is_named_in_every_answer_until_it_comes(
    redis: Redis, switch: Switch
) -> None:
    switch.seq = 9
    await tell(redis, switch.start("a"))
    other = Switch("edge-2")
    assert await tell(redis, other.start("z")) == {}
    assert await tell(redis, switch.answer("a"), other.beat(1)) == {"edge-1": "UNKNOWN"}
    await show(redis, switch.snapshot(up("a")))
    assert await tell(redis, switch.beat(1)) == {}


async def test_what_was_told_beyond_a_hole_is_no_news_when_told_again(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.beat(0))
    switch.seq += 1
    started = switch.start("a")
    await tell(redis, started, switch.end("a"))
    await channels.sweep(redis, ACCOUNT, after(960))  # the tombstone is forgotten
    await tell(redis, started, at=960)
    assert await count(redis) == {}


# Beats -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("boot", [7, None])
async def test_a_beat_with_another_number_wants_a_snapshot(redis: Redis, boot: int | None) -> None:
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
    said = switch.start("a")
    await tell(redis, said)
    again = calls.Beat("edge-1", 2, NOW, said.numbered, LEASE)
    assert await tell(redis, again) == {"edge-1": "DIFFERS"}


async def test_a_silent_switch_may_beat_before_its_first_event(redis: Redis) -> None:
    silent = calls.Beat("edge-1", 0, NOW, calls.Numbered(7, 0), LEASE)
    assert await tell(redis, silent, silent) == {}


# The order of a gauge ----------------------------------------------------------------------------


async def test_every_change_raises_the_sequence_and_is_published_to_its_scopes_alone(
    redis: Redis, switch: Switch
) -> None:
    async with redis.pubsub() as heard:
        await heard.subscribe(*(topics.channels(ACCOUNT, c) for c in (None, 1, 2)))
        for _ in range(3):
            await heard.get_message(timeout=5)
        await tell(redis, switch.start("a", customer=1))
        await tell(redis, switch.ringing("a", customer=1))
        await tell(redis, switch.end("a", customer=1))
        messages = [await heard.get_message(timeout=0.2) for _ in range(5)]
    told = [
        (m["channel"].decode(), channels.said(m["data"]).sequence)
        for m in messages
        if m is not None
    ]
    assert sorted({topic for topic, _ in told}) == [
        topics.channels(ACCOUNT, None),
        topics.channels(ACCOUNT, 1),
    ]
    for topic in {topic for topic, _ in told}:
        first, second = [sequence for name, sequence in told if name == topic]
        assert first < second
    assert (await channels.read(redis, ACCOUNT, 1)).sequence >= max(s for _, s in told)


async def test_a_sequence_is_redis_time_in_microseconds_or_one_more_than_the_last(
    redis: Redis, switch: Switch
) -> None:
    seconds, micros = await redis.time()
    await tell(redis, switch.start("a"))
    shown = (await channels.read(redis, ACCOUNT, 1)).sequence
    assert 0 <= shown - (seconds * 1_000_000 + micros) < 10_000_000
    ahead = shown + 3_600_000_000
    await redis.hset("live:{a1}:gauge:1", "sequence", str(ahead))  # type: ignore[misc]
    await tell(redis, switch.end("a"))
    assert (await channels.read(redis, ACCOUNT, 1)).sequence == ahead + 1
