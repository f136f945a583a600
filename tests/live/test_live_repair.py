"""Live channels: snapshots, restarts, and a Redis that lost its data."""

import pytest
from redis.asyncio import Redis

from domain.records import calls
from live import channels
from tests.support.live.channel_state import ACCOUNT, count, show, tell
from tests.support.live.switch_events import LEASE, NOW, Switch, after, up


@pytest.fixture
def switch() -> Switch:
    return Switch()


# Snapshots ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("boot", [7, None])
async def test_after_a_snapshot_the_count_equals_that_of_the_snapshot(
    redis: Redis, boot: int | None
) -> None:
    switch = Switch(boot=boot)
    await tell(redis, *[switch.start(f"c{i}") for i in range(5)])
    switch.at = 1
    lost_calls = await show(
        redis, switch.snapshot(up("c1"), up("c2"), up("new", customer=2, carrier=9))
    )
    assert {each.call_id for each in lost_calls} == {"c0", "c3", "c4"}
    assert {each.reason for each in lost_calls} == {"SNAPSHOT"}
    assert await count(redis) == {1: 2, 9: 1}
    assert await tell(redis, switch.beat(3)) == {}


@pytest.mark.parametrize("boot", [7, None])
async def test_a_snapshot_keeps_calls_newer_than_itself(redis: Redis, boot: int | None) -> None:
    switch = Switch(boot=boot)
    await tell(redis, switch.start("ending"), switch.start("silent"))
    old = switch.snapshot(up("ending"), up("silent"))
    switch.at = 1
    await tell(redis, switch.end("ending"), switch.start("beginning", carrier=2))
    assert await show(redis, old) == ()
    assert await count(redis) == {1: 1, 2: 1}


async def test_a_snapshot_closes_a_gap_but_not_a_later_gap(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    switch.start("lost on the way")
    snapshot = switch.snapshot(up("a"), up("lost on the way"))
    third, fourth = switch.answer("a"), switch.beat(2)
    await tell(redis, fourth)
    await show(redis, snapshot)
    assert await tell(redis, third, at=60) == {}
    assert await tell(redis, switch.beat(2), at=60) == {}
    switch.seq += 1
    await tell(redis, switch.beat(2), at=60)
    await show(redis, snapshot, at=61)
    assert await tell(redis, switch.beat(2), at=66) == {"edge-1": "HOLE"}


async def test_events_overtaken_by_a_snapshot_add_nothing(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    late = [switch.start("b"), switch.end("b")]
    await show(redis, switch.snapshot(up("a")))
    await tell(redis, late[0])
    assert await count(redis) == {1: 1}
    await tell(redis, late[1])
    assert await count(redis) == {1: 1}


async def test_a_repeated_or_late_snapshot_changes_nothing(redis: Redis, switch: Switch) -> None:
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
async def test_a_late_snapshot_does_not_restore_calls_closed_by_a_newer_one(
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


async def test_a_listed_call_is_active_even_if_only_the_end_of_a_leg_was_received(
    redis: Redis, switch: Switch
) -> None:
    switch.seq = 1  # its start is lost
    snapshot = switch.snapshot(up("a"))
    await tell(redis, switch.end("a", final=False))
    await show(redis, snapshot)
    assert await count(redis) == {None: 1}


async def test_a_snapshot_without_a_number_closes_every_gap(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    switch.seq += 3
    await tell(redis, switch.beat(1))
    await show(redis, Switch(boot=None, at=1).snapshot(up("a")), at=1)
    assert await tell(redis, switch.beat(1), at=60) == {}
    assert await tell(redis, switch.beat(2), at=61) == {"edge-1": "DIFFERS"}


async def test_a_snapshot_does_not_restore_a_leg_that_ended(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"), switch.end("a", final=False))
    await show(redis, switch.snapshot(up("a")))  # listed under its last leg, between two carriers
    assert await count(redis) == {None: 1}


async def test_a_snapshot_names_the_active_leg(redis: Redis, switch: Switch) -> None:
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


async def test_a_call_removed_by_a_snapshot_stays_removed_when_its_end_arrives(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"))
    switch.at = 1
    await show(redis, switch.snapshot())
    await tell(redis, switch.end("a"))
    await tell(redis, switch.answer("a"))
    assert await count(redis) == {}


async def test_a_snapshot_of_one_switch_keeps_the_calls_of_another(redis: Redis) -> None:
    first, other = Switch("edge-1"), Switch("edge-2")
    await tell(redis, first.start("a"), other.start("a"))
    await show(redis, first.snapshot())
    assert await count(redis) == {1: 1}


async def test_a_snapshot_of_thousands_of_calls_is_applied_atomically(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, *[switch.start(f"old{i}") for i in range(2_500)])
    lost_calls = await show(
        redis, switch.snapshot(*[up(f"new{i}", i % 3 + 1) for i in range(3_000)])
    )
    assert len(lost_calls) == 2_500
    assert await count(redis) == {1: 3_000}
    assert await count(redis, 1) == {1: 1_000}


# Restarts ----------------------------------------------------------------------------------------


async def test_calls_of_an_earlier_boot_stay_until_a_snapshot_omits_them(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("lives on"), switch.start("is gone", customer=2))
    fresh = Switch(boot=8)
    assert await tell(redis, fresh.start("new")) == {"edge-1": "RESTARTED"}
    assert await count(redis) == {1: 3}
    lost_calls = await show(redis, fresh.snapshot(up("lives on"), up("new")))
    assert lost_calls == (calls.LostCall("edge-1", "is gone", 2, NOW, "SNAPSHOT"),)
    assert await count(redis) == {1: 2}
    assert await tell(redis, fresh.beat(2)) == {}


async def test_after_a_restart_without_calls_a_switch_that_begins_at_1_needs_no_snapshot(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"), switch.end("a"))
    assert await tell(redis, Switch(boot=8).beat(0)) == {}
    assert await tell(redis, Switch(boot=9, seq=1).beat(0)) == {"edge-1": "RESTARTED"}


async def test_events_of_an_earlier_boot_only_end_calls(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"), switch.start("b"))
    fresh = Switch(boot=8)
    await tell(redis, fresh.start("c"))
    assert await tell(redis, switch.start("late"), switch.end("a"), switch.beat(9)) == {
        "edge-1": "RESTARTED"
    }
    assert await count(redis) == {1: 2}
    assert await tell(redis, fresh.beat(2)) == {"edge-1": "RESTARTED"}


async def test_a_snapshot_of_an_earlier_boot_is_ignored(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    stale = switch.snapshot(up("a"), up("b"))
    await tell(redis, Switch(boot=8).start("c"))
    applied = await channels.apply_snapshot(redis, ACCOUNT, stale, NOW)
    assert applied == channels.ApplyResult({"edge-1": "RESTARTED"})
    assert await count(redis) == {1: 2}


async def test_a_call_restored_after_a_crash_is_active_until_its_second_end(redis: Redis) -> None:
    before = Switch()
    await tell(redis, before.start("a"), before.end("a"))
    restored = Switch(boot=8)
    await show(redis, restored.snapshot(up("a")))
    assert await count(redis) == {1: 1}
    await tell(redis, restored.end("a"))
    assert await count(redis) == {}


async def test_a_restored_call_outlives_its_old_tombstone(redis: Redis) -> None:
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


async def test_a_redis_that_lost_everything_is_correct_after_the_next_snapshot(
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


async def test_scripts_are_reloaded_if_redis_lost_them(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    await redis.script_flush()
    assert await tell(redis, switch.start("b")) == {}
    await redis.script_flush()
    assert await count(redis) == {1: 2}
