"""Page 3, Live channels: numbers, beats and snapshots, and the order of a gauge."""

import pytest
from redis.asyncio import Redis
from speech import LEASE, NOW, Switch, after, up

from domain import calls
from live import channels, topics

ACCOUNT = 1


@pytest.fixture
def switch() -> Switch:
    return Switch()


async def tell(
    redis: Redis, *events: calls.LiveEvent | calls.Beat, at: float = 0.0
) -> dict[str, str]:
    """The snapshots wanted after these events, told `at` seconds after NOW."""
    return (await channels.apply(redis, ACCOUNT, events, after(at))).snapshot_wanted


async def show(
    redis: Redis, snapshot: calls.Snapshot, at: float = 0.0
) -> tuple[channels.LostCall, ...]:
    applied = await channels.apply_snapshot(redis, ACCOUNT, snapshot, after(at))
    assert applied.settled == {snapshot.switch}
    assert applied.snapshot_wanted == {}
    return applied.lost


async def count(redis: Redis, customer: int | None = None) -> dict[int | None, int]:
    shown = await channels.read(redis, ACCOUNT, customer)
    assert shown.in_use == sum(n for _, n in shown.by_carrier)
    return dict(shown.by_carrier)


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
    await channels.sweep(redis, ACCOUNT, after(900))  # the tombstone is forgotten
    await tell(redis, started, at=900)
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


# Snapshots ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("boot", [7, None])
async def test_after_a_snapshot_the_count_is_its_number(redis: Redis, boot: int | None) -> None:
    switch = Switch(boot=boot)
    await tell(redis, *[switch.start(f"c{i}") for i in range(5)])
    switch.at = 1
    lost = await show(redis, switch.snapshot(up("c1"), up("c2"), up("new", customer=2, carrier=9)))
    assert {each.call_id for each in lost} == {"c0", "c3", "c4"}
    assert {each.reason for each in lost} == {"SNAPSHOT"}
    assert await count(redis) == {1: 2, 9: 1}
    assert await tell(redis, switch.beat(3)) == {}


@pytest.mark.parametrize("boot", [7, None])
async def test_a_snapshot_leaves_what_is_newer_than_itself(redis: Redis, boot: int | None) -> None:
    switch = Switch(boot=boot)
    await tell(redis, switch.start("ending"), switch.start("silent"))
    old = switch.snapshot(up("ending"), up("silent"))
    switch.at = 1
    await tell(redis, switch.end("ending"), switch.start("beginning", carrier=2))
    assert await show(redis, old) == ()
    assert await count(redis) == {1: 1, 2: 1}


async def test_a_snapshot_closes_a_hole_but_not_one_after_it(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    switch.start("lost on the way")
    taken = switch.snapshot(up("a"), up("lost on the way"))
    third, fourth = switch.answer("a"), switch.beat(2)
    await tell(redis, fourth)
    await show(redis, taken)
    assert await tell(redis, third, at=60) == {}
    assert await tell(redis, switch.beat(2), at=60) == {}
    switch.seq += 1
    await tell(redis, switch.beat(2), at=60)
    await show(redis, taken, at=61)
    assert await tell(redis, switch.beat(2), at=66) == {"edge-1": "HOLE"}


async def test_events_that_a_snapshot_overtook_add_nothing(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    late = [switch.start("b"), switch.end("b")]
    await show(redis, switch.snapshot(up("a")))
    await tell(redis, late[0])
    assert await count(redis) == {1: 1}
    await tell(redis, late[1])
    assert await count(redis) == {1: 1}


async def test_a_snapshot_repeated_or_late_changes_nothing(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"), switch.start("b"))
    first = switch.snapshot(up("a"), up("b"))
    await tell(redis, switch.end("a"))
    second = switch.snapshot(up("b"))
    for snapshot in (first, second, first, second, second, first):
        await show(redis, snapshot)
        assert await count(redis) == {1: 1}
    assert await tell(redis, switch.beat(1)) == {}
    assert await tell(redis, switch.beat(1), at=60) == {}


@pytest.mark.parametrize("boot", [7, None])
async def test_a_late_snapshot_does_not_bring_back_what_a_newer_one_closed(
    redis: Redis, boot: int | None
) -> None:
    switch = Switch(boot=boot)
    await tell(redis, switch.start("a"), switch.start("b"))
    late = switch.snapshot(up("a"), up("b"))
    switch.at += 1
    switch.seq += 1  # the end of "a" is lost
    await show(redis, switch.snapshot(up("b")))
    await show(redis, late)
    assert await count(redis) == {1: 1}


async def test_an_unnumbered_start_older_than_the_snapshot_adds_nothing(redis: Redis) -> None:
    switch = Switch(boot=None)
    late = switch.start("a")
    switch.at = 1
    await show(redis, switch.snapshot())
    await tell(redis, late)
    assert await count(redis) == {}
    await tell(redis, switch.start("b"))
    assert await count(redis) == {1: 1}


async def test_a_listed_call_is_up_though_only_the_end_of_a_leg_was_heard(
    redis: Redis, switch: Switch
) -> None:
    switch.seq = 1  # its start is lost
    taken = switch.snapshot(up("a"))
    await tell(redis, switch.end("a", final=False))
    await show(redis, taken)
    assert await count(redis) == {None: 1}


async def test_a_snapshot_without_a_number_closes_every_hole(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    switch.seq += 3
    await tell(redis, switch.beat(1))
    await show(redis, Switch(boot=None, at=1).snapshot(up("a")), at=1)
    assert await tell(redis, switch.beat(1), at=60) == {}
    assert await tell(redis, switch.beat(2), at=61) == {"edge-1": "DIFFERS"}


async def test_a_snapshot_does_not_bring_back_a_leg_that_ended(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"), switch.end("a", final=False))
    await show(redis, switch.snapshot(up("a")))  # listed under its last leg, between two carriers
    assert await count(redis) == {None: 1}


async def test_a_snapshot_names_the_leg_that_is_up(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a", carrier=5))
    switch.seq += 2  # the first leg's end and the second's start are lost
    await show(redis, switch.snapshot(up("a", carrier=6, leg=1)))
    assert await count(redis) == {6: 1}
    await tell(redis, switch.end("a", carrier=6, leg=1, final=False))
    assert await count(redis) == {None: 1}


async def test_a_call_listed_with_two_legs_counts_once(redis: Redis, switch: Switch) -> None:
    await show(redis, switch.snapshot(up("a", carrier=5), up("a", carrier=6, leg=1)))
    assert await count(redis) == {6: 1}


async def test_a_snapshot_renews_leases(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    switch.at = LEASE - 10
    await show(redis, switch.snapshot(up("a")), at=LEASE - 10)
    assert await channels.sweep(redis, ACCOUNT, after(LEASE)) == ()


async def test_a_call_lost_by_a_snapshot_stays_away_when_its_end_comes(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"))
    switch.at = 1
    await show(redis, switch.snapshot())
    await tell(redis, switch.end("a"))
    await tell(redis, switch.answer("a"))
    assert await count(redis) == {}


async def test_a_snapshot_of_one_switch_leaves_the_calls_of_another(redis: Redis) -> None:
    one, other = Switch("edge-1"), Switch("edge-2")
    await tell(redis, one.start("a"), other.start("a"))
    await show(redis, one.snapshot())
    assert await count(redis) == {1: 1}


async def test_a_snapshot_of_thousands_is_applied_in_one_step(redis: Redis, switch: Switch) -> None:
    await tell(redis, *[switch.start(f"old{i}") for i in range(2_500)])
    lost = await show(redis, switch.snapshot(*[up(f"new{i}", i % 3 + 1) for i in range(3_000)]))
    assert len(lost) == 2_500
    assert await count(redis) == {1: 3_000}
    assert await count(redis, 1) == {1: 1_000}


# Restarts ----------------------------------------------------------------------------------------


async def test_calls_of_an_earlier_boot_stay_until_a_snapshot_does_not_list_them(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("lives on"), switch.start("is gone", customer=2))
    fresh = Switch(boot=8)
    assert await tell(redis, fresh.start("new")) == {"edge-1": "RESTARTED"}
    assert await count(redis) == {1: 3}
    lost = await show(redis, fresh.snapshot(up("lives on"), up("new")))
    assert lost == (channels.LostCall("edge-1", "is gone", 2, NOW, "SNAPSHOT"),)
    assert await count(redis) == {1: 2}
    assert await tell(redis, fresh.beat(2)) == {}


async def test_a_restart_with_nothing_up_owes_nothing_if_it_begins_at_1(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"), switch.end("a"))
    assert await tell(redis, Switch(boot=8).beat(0)) == {}
    assert await tell(redis, Switch(boot=9, seq=1).beat(0)) == {"edge-1": "RESTARTED"}


async def test_what_an_earlier_boot_still_says_only_ends_calls(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"), switch.start("b"))
    fresh = Switch(boot=8)
    await tell(redis, fresh.start("c"))
    assert await tell(redis, switch.start("late"), switch.end("a"), switch.beat(9)) == {
        "edge-1": "RESTARTED"
    }
    assert await count(redis) == {1: 2}
    assert await tell(redis, fresh.beat(2)) == {"edge-1": "RESTARTED"}


async def test_a_snapshot_of_an_earlier_boot_is_left_aside(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    stale = switch.snapshot(up("a"), up("b"))
    await tell(redis, Switch(boot=8).start("c"))
    applied = await channels.apply_snapshot(redis, ACCOUNT, stale, NOW)
    assert applied == channels.Applied({"edge-1": "RESTARTED"})
    assert await count(redis) == {1: 2}


async def test_a_call_restored_after_a_crash_is_up_until_its_second_end(redis: Redis) -> None:
    before = Switch()
    await tell(redis, before.start("a"), before.end("a"))
    restored = Switch(boot=8)
    await show(redis, restored.snapshot(up("a")))
    assert await count(redis) == {1: 1}
    await tell(redis, restored.end("a"))
    assert await count(redis) == {}


async def test_a_call_that_came_back_outlives_its_old_tombstone(redis: Redis) -> None:
    before = Switch()
    await tell(redis, before.start("a"), before.end("a"))
    restored = Switch(boot=8)
    await show(redis, restored.snapshot(up("a")))
    assert await channels.sweep(redis, ACCOUNT, after(1_000)) == ()
    restored.at = 1_000
    assert [each.call_id for each in await show(redis, restored.snapshot(), at=1_000)] == ["a"]
    assert await count(redis) == {}


async def test_a_snapshot_moves_a_call_to_the_customer_it_names(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a", customer=1))
    await show(redis, switch.snapshot(up("a", customer=2)))
    assert await count(redis, 1) == {}
    assert await count(redis, 2) == {1: 1}
    assert await count(redis) == {1: 1}


# Redis loses everything --------------------------------------------------------------------------


async def test_a_redis_that_lost_everything_wants_a_snapshot_and_is_right_after_it(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"), switch.start("b"))
    before = await channels.read(redis, ACCOUNT, 1)
    await redis.flushdb()
    assert await tell(redis, switch.start("c")) == {"edge-1": "UNKNOWN"}
    await show(redis, switch.snapshot(up("a"), up("b"), up("c")))
    assert await count(redis) == {1: 3}
    assert await tell(redis, switch.beat(3)) == {}
    assert (await channels.read(redis, ACCOUNT, 1)).sequence > before.sequence


async def test_scripts_are_loaded_again_where_redis_forgot_them(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"))
    await redis.script_flush()
    assert await tell(redis, switch.start("b")) == {}
    await redis.script_flush()
    assert await count(redis) == {1: 2}


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
    told = [(m["channel"].decode(), int(m["data"])) for m in messages if m is not None]
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
