"""Live channels: the active calls and the carriers they count for."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from domain.records import calls
from live import channels
from tests.support.live.switch_events import LEASE, NOW, Services, Switch, after

ACCOUNT = 1
Said = Sequence[calls.LiveEvent | calls.Beat]


@pytest.fixture
def switch() -> Switch:
    return Switch()


async def tell(redis: Redis, *events: calls.LiveEvent | calls.Beat) -> channels.ApplyResult:
    return await channels.apply(redis, ACCOUNT, events, NOW)


async def count(redis: Redis, customer: int | None = 1) -> dict[int | None, int]:
    """Calls by carrier; their sum must be the calls in use."""
    state = await channels.read(redis, ACCOUNT, customer)
    assert state.in_use == sum(n for _, n in state.by_carrier)
    assert all(n > 0 for _, n in state.by_carrier)
    return dict(state.by_carrier)


async def test_no_call_is_active_before_the_first_event(redis: Redis) -> None:
    state = await channels.read(redis, ACCOUNT, None)
    assert (state.in_use, state.cps, state.by_carrier) == (0, 0.0, ())


async def test_a_start_adds_a_call_and_an_end_removes_it(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    assert await count(redis) == {1: 1}
    await tell(redis, switch.end("a"))
    assert await count(redis) == {}


async def test_a_customer_and_the_account_see_the_same_calls(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a", 1, 5), switch.start("b", 2, 5), switch.start("c", 2, 6))
    assert await count(redis, 1) == {5: 1}
    assert await count(redis, 2) == {5: 1, 6: 1}
    assert await count(redis, None) == {5: 2, 6: 1}


async def test_another_account_sees_nothing(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    assert (await channels.read(redis, ACCOUNT + 1, 1)).in_use == 0
    assert (await channels.read(redis, ACCOUNT + 1, None)).in_use == 0


async def test_the_same_call_id_on_two_switches_is_two_calls(redis: Redis) -> None:
    first, other = Switch("edge-1"), Switch("edge-2")
    await tell(redis, first.start("a"), other.start("a"))
    assert await count(redis) == {1: 2}
    await tell(redis, first.end("a"))
    assert await count(redis) == {1: 1}


@pytest.mark.parametrize("boot", [7, None])
async def test_a_repeated_event_counts_once(redis: Redis, boot: int | None) -> None:
    switch = Switch(boot=boot)
    start, ended = switch.start("a"), switch.end("a")
    await tell(redis, start, start)
    await tell(redis, start)
    assert await count(redis) == {1: 1}
    await tell(redis, ended, ended)
    await tell(redis, start)
    await tell(redis, ended)
    assert await count(redis) == {}


@pytest.mark.parametrize("late", ["start", "ringing", "answer"])
async def test_an_end_before_its_start_leaves_a_tombstone(redis: Redis, late: str) -> None:
    switch = Switch()
    event = getattr(switch, late)("a")
    await tell(redis, switch.end("a"))
    assert await count(redis) == {}
    await tell(redis, event)
    assert await count(redis) == {}


@pytest.mark.parametrize("first", ["ringing", "answer"])
async def test_a_ringing_or_answered_call_is_active_before_its_start_arrives(
    redis: Redis, first: str
) -> None:
    switch = Switch()
    start = switch.start("a")
    await tell(redis, getattr(switch, first)("a"))
    assert await count(redis) == {1: 1}
    await tell(redis, start)
    assert await count(redis) == {1: 1}


async def test_a_late_ringing_event_changes_nothing(redis: Redis, switch: Switch) -> None:
    start, ringing = switch.start("a"), switch.ringing("a")
    await tell(redis, start, switch.answer("a"))
    before = await channels.read(redis, ACCOUNT, 1)
    await tell(redis, ringing)
    assert await channels.read(redis, ACCOUNT, 1, before.as_of) == before


async def test_between_the_legs_of_a_failover_a_call_has_no_carrier(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a", carrier=5))
    assert await count(redis) == {5: 1}
    await tell(redis, switch.end("a", carrier=5, final=False))
    assert await count(redis) == {None: 1}
    await tell(redis, switch.start("a", carrier=6, leg=1))
    assert await count(redis) == {6: 1}
    await tell(redis, switch.end("a", carrier=6, leg=1))
    assert await count(redis) == {}


async def test_a_leg_that_starts_before_the_previous_leg_ends_counts_once(
    redis: Redis, switch: Switch
) -> None:
    start, ended = switch.start("a", carrier=5), switch.end("a", carrier=5, final=False)
    await tell(redis, start, switch.start("a", carrier=6, leg=1))
    assert await count(redis) == {6: 1}
    await tell(redis, ended)
    assert await count(redis) == {6: 1}


async def test_a_leg_that_ended_before_it_started_stays_ended(redis: Redis, switch: Switch) -> None:
    start = switch.start("a", carrier=5)
    await tell(redis, switch.end("a", carrier=5, final=False))
    assert await count(redis) == {}
    await tell(redis, start)
    assert await count(redis) == {None: 1}


async def test_a_call_without_a_carrier_counts_for_no_carrier(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a", carrier=calls.NO_CARRIER))
    assert await count(redis) == {None: 1}
    await tell(redis, switch.ringing("a", carrier=5))
    assert await count(redis) == {5: 1}


async def test_a_start_older_than_the_lease_is_ignored(redis: Redis) -> None:
    switch = Switch(at=-LEASE - 1)
    await tell(redis, switch.start("a"), switch.answer("a"))
    assert await count(redis) == {}


async def test_ends_of_long_ago_leave_no_data(redis: Redis) -> None:
    history = Switch(boot=None, at=-86_400)
    before = await redis.keys()
    applied = await tell(redis, *[history.end(f"c{i}") for i in range(2_500)])
    assert applied == channels.ApplyResult({})
    assert await redis.keys() == before


async def test_a_late_end_of_long_ago_still_ends_its_call(redis: Redis) -> None:
    switch = Switch(boot=None)
    await tell(redis, switch.start("a"))
    switch.at = -2 * LEASE  # such as a switch with a wrong clock
    await tell(redis, switch.end("a"))
    assert await count(redis) == {}


async def test_a_tombstone_expires(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"), switch.end("a"))
    await channels.sweep(redis, ACCOUNT, after(959))
    assert await redis.hlen("live:{a1}:calls:edge-1") == 1  # type: ignore[misc]
    await channels.sweep(redis, ACCOUNT, after(960))
    assert await redis.hlen("live:{a1}:calls:edge-1") == 0  # type: ignore[misc]


async def test_a_batch_of_10000_events_is_applied_completely(redis: Redis, switch: Switch) -> None:
    events = [switch.start(f"c{i}", customer=i % 7 + 1, carrier=i % 3) for i in range(6_000)]
    events += [switch.end(f"c{i}") for i in range(4_000)]
    applied = await tell(redis, *events, switch.beat(2_000))
    assert applied.snapshot_wanted == {}
    assert sum((await count(redis, None)).values()) == 2_000
    assert sum([sum((await count(redis, c)).values()) for c in range(1, 8)]) == 2_000


async def test_an_unavailable_redis_is_reported_as_unavailable(
    switch: Switch, unused_tcp_port: int
) -> None:
    async with Redis(host="127.0.0.1", port=unused_tcp_port) as away:
        with pytest.raises(RedisConnectionError):
            await tell(away, switch.start("a"))
        with pytest.raises(RedisConnectionError):
            await channels.read(away, ACCOUNT, None)


# Leases ------------------------------------------------------------------------------------------


async def test_a_lease_that_is_not_renewed_expires_and_is_published(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a", customer=3))
    assert await channels.sweep(redis, ACCOUNT, after(LEASE - 1)) == ()
    assert await count(redis, 3) == {1: 1}
    lost_calls = await channels.sweep(redis, ACCOUNT, after(LEASE))
    assert lost_calls == (calls.LostCall("edge-1", "a", 3, NOW, "LEASE"),)
    assert await count(redis, 3) == {}
    assert await channels.sweep(redis, ACCOUNT, after(LEASE)) == ()


async def test_an_event_renews_the_lease_of_its_call(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"), switch.start("b"))
    await channels.apply(redis, ACCOUNT, [switch.answer("a")], after(60))
    lost_calls = await channels.sweep(redis, ACCOUNT, after(LEASE))
    assert [each.call_id for each in lost_calls] == ["b"]


async def test_a_beat_with_the_same_count_renews_all_leases_and_a_different_count_does_not(
    redis: Redis, switch: Switch
) -> None:
    await tell(redis, switch.start("a"), switch.start("b"))
    await channels.apply(redis, ACCOUNT, [switch.beat(2)], after(LEASE - 10))
    assert await channels.sweep(redis, ACCOUNT, after(LEASE)) == ()
    await channels.apply(redis, ACCOUNT, [switch.beat(3)], after(2 * LEASE - 20))
    assert len(await channels.sweep(redis, ACCOUNT, after(2 * LEASE - 10))) == 2


async def test_leases_beyond_the_step_size_expire_together(redis: Redis, switch: Switch) -> None:
    await tell(redis, *[switch.start(f"c{i}") for i in range(2_300)])
    assert len(await channels.sweep(redis, ACCOUNT, after(LEASE))) == 2_300
    assert await count(redis) == {}


@pytest.mark.parametrize("boot", [7, None])
async def test_only_a_newer_event_restores_a_call_whose_lease_expired(
    redis: Redis, boot: int | None
) -> None:
    switch = Switch(boot=boot)
    start = switch.start("a")
    await tell(redis, start)
    late = after(LEASE)
    await channels.sweep(redis, ACCOUNT, late)
    await tell(redis, start)
    assert await count(redis) == {}
    switch.at = LEASE
    await channels.apply(redis, ACCOUNT, [switch.answer("a")], late)
    assert await count(redis) == {1: 1}


# Attempts per second -----------------------------------------------------------------------------


async def test_cps_counts_the_first_starts_of_the_last_10_full_seconds(
    redis: Redis, switch: Switch
) -> None:
    events = [switch.start(f"c{i}") for i in range(20)]
    events += [switch.ringing("c0"), switch.start("c0", leg=1), switch.end("c1")]
    await channels.apply(redis, ACCOUNT, events, NOW)
    rates = [(await channels.read(redis, ACCOUNT, 1, after(s))).cps for s in (0.9, 1, 10.9, 11)]
    assert rates == [0.0, 2.0, 2.0, 0.0]


async def test_a_cps_that_changes_by_itself_is_a_new_state(redis: Redis, switch: Switch) -> None:
    await tell(redis, switch.start("a"))
    states = [await channels.read(redis, ACCOUNT, 1, after(s)) for s in (0, 1, 5, 10.5, 11, 20)]
    assert [state.cps for state in states] == [0.0, 0.1, 0.1, 0.1, 0.0, 0.0]
    numbers = [state.sequence for state in states]
    assert numbers[0] < numbers[1] == numbers[2] == numbers[3] < numbers[4] == numbers[5]


async def test_a_backlog_does_not_count_in_the_current_cps(redis: Redis) -> None:
    switch = Switch(at=-600)
    await tell(redis, *[switch.start(f"c{i}") for i in range(10)])
    state = await channels.read(redis, ACCOUNT, 1, after(1))
    assert (state.in_use, state.cps) == (10, 0.0)


# Any order ---------------------------------------------------------------------------------------


def _whole_story(switch: Switch, call: str, legs: int, ended: bool) -> list[calls.LiveEvent]:
    events = []
    for leg in range(legs):
        last = leg == legs - 1
        where = {"call": call, "customer": 1, "carrier": leg + 1, "leg": leg}
        events += [switch.start(**where), switch.ringing(**where)]  # type: ignore[arg-type]
        if not last or ended:
            events.append(switch.end(**where, final=last))  # type: ignore[arg-type]
    return events


@st.composite
def _stories(draw: st.DrawFn) -> tuple[list[calls.LiveEvent], list[list[calls.LiveEvent]]]:
    """The events of a switch for some calls, in order; and the same, shuffled, doubled, in
    batches."""
    switch = Switch(boot=draw(st.sampled_from([7, None])))
    shapes = draw(st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=4))
    events = list(
        itertools.chain.from_iterable(
            _whole_story(switch, f"c{i}", legs, ended) for i, (legs, ended) in enumerate(shapes)
        )
    )
    again = draw(st.lists(st.sampled_from(events), max_size=6))
    shuffled = draw(st.permutations(events + again))
    size = draw(st.integers(1, 5))
    return events, [shuffled[i : i + size] for i in range(0, len(shuffled), size)]


@settings(max_examples=60, deadline=None)
@given(_stories())
def test_events_in_any_order_and_repetition_give_the_same_state(
    services: Services, story: tuple[list[calls.LiveEvent], list[list[calls.LiveEvent]]]
) -> None:
    events, batches = story

    async def result(deliveries: list[list[calls.LiveEvent]]) -> object:
        redis = Redis.from_url(services.redis_url)
        try:
            await redis.flushdb()
            for batch in deliveries:
                await tell(redis, *batch)
                counts = await count(redis)
                assert sum(counts.values()) <= len({event.call_id for event in events})
            return await count(redis)
        finally:
            await redis.flushdb()
            await redis.aclose()

    assert asyncio.run(result(batches)) == asyncio.run(result([events]))
