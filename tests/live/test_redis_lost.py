"""Redis killed, emptied, restored with an old state or clock, or stopped: no figure is shown as
complete until every switch that was active has reported.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from domain import refusals
from domain.identity import callers
from live import channels, recovery
from models.directory import switch_reports, switches
from resolvers.live import captions, live_channels, window_filling
from resolvers.live.last_states import LastStates
from runtime import clock
from tests.support.live.channel_state import ACCOUNT, count, show, tell
from tests.support.live.switch_events import NOW, Services, Switch, up
from tests.support.live.watchers import StateStream, process, restarted, watching
from tests.support.own_redis import OwnRedis, own_redis

REPAIRED_WITHIN = 20.0  # seconds; 10 s of attempts have to be complete again
OWNER = callers.Caller(ACCOUNT, callers.Kind.STAFF, 1, callers.Role.OWNER)


def account_channels() -> live_channels.Channels:
    """Its own captions: those of another test would be read again from that test's database."""
    return live_channels.Channels(ACCOUNT, None, captions.OfAccount(ACCOUNT))


@pytest.fixture
async def redis_server(database: str) -> AsyncIterator[OwnRedis]:
    async with own_redis() as own:
        yield own


@pytest.fixture
def switch() -> Switch:
    return Switch()


async def active(redis: Redis, *names: str, beats: bool = True, ago: float = 0.0) -> None:
    """Switches that are stored as active some seconds ago, on a Redis without a record of a
    loss."""
    now = clock.now()
    await recovery.recover(redis, ACCOUNT, switch_reports, now)
    await switches.find_or_register(ACCOUNT, names, now)
    last = now - timedelta(seconds=ago)
    await switch_reports.record_activity(ACCOUNT, names, names if beats else (), last)


def has(in_use: int) -> Callable[[live_channels.CaptionedState], bool]:
    return lambda picture: picture.complete and picture.state.in_use == in_use


def is_incomplete(state: live_channels.CaptionedState) -> bool:
    return not state.complete


async def read(redis: Redis, last: LastStates | None = None) -> live_channels.CaptionedState:
    [state] = await live_channels.channels(OWNER, redis, [None], last or LastStates())
    if isinstance(state, refusals.Refusal):
        raise state
    return state


async def never_shows(stream: StateStream[live_channels.CaptionedState], *complete: int) -> None:
    """All that was shown as complete is one of these."""
    counts = {state.state.in_use for state in stream.seen if state.complete}
    assert counts <= set(complete)


async def _restart(redis_server: OwnRedis, redis: Redis) -> None:
    await restarted(redis_server, 0.5)


async def _flush(redis_server: OwnRedis, redis: Redis) -> None:
    await redis.flushall()


@pytest.mark.parametrize("lose", [_restart, _flush], ids=["restarted", "flushed"])
async def test_an_emptied_redis_shows_the_last_state_until_the_switch_has_reported(
    redis_server: OwnRedis, switch: Switch, lose: Callable[[OwnRedis, Redis], Awaitable[None]]
) -> None:
    async with Redis.from_url(redis_server.url) as redis, process(redis_server.url) as live_feeds:
        await active(redis, "edge-1")
        await tell(redis, switch.start("a", carrier=0), switch.start("b", carrier=0))
        async with watching(live_feeds, account_channels()) as stream:
            await stream.until(has(2))
            as_of = stream.seen[-1].state.as_of
            await lose(redis_server, redis)
            await stream.until(is_incomplete)
            assert stream.seen[-1].state.in_use == 2
            assert stream.seen[-1].state.as_of >= as_of
            await tell(redis, switch.start("c", carrier=0))
            await show(redis, switch.snapshot(up("a", carrier=0), up("c", carrier=0), up("d")))
            await stream.until(has(3), REPAIRED_WITHIN)
            await never_shows(stream, 2, 3)


async def test_an_old_state_restored_by_redis_is_not_shown(
    redis_server: OwnRedis, switch: Switch
) -> None:
    async with Redis.from_url(redis_server.url) as redis, process(redis_server.url) as live_feeds:
        await active(redis, "edge-1")
        await tell(redis, switch.start("a", carrier=0))
        async with watching(live_feeds, account_channels()) as stream:
            await stream.until(has(1))
            await redis_server.save()
            await tell(redis, switch.start("b", carrier=0), switch.start("c", carrier=0))
            await stream.until(has(3))
            await restarted(redis_server, 0.5)
            await stream.until(is_incomplete)
            await tell(redis, switch.end("a", carrier=0))
            await show(redis, switch.snapshot(up("b", carrier=0), up("c", carrier=0)))
            await stream.until(has(2), REPAIRED_WITHIN)
            await never_shows(stream, 1, 3, 2)
            assert [p.state.in_use for p in stream.seen if p.complete].count(1) == 1


async def test_the_state_is_incomplete_until_every_switch_has_reported(
    redis_server: OwnRedis, switch: Switch
) -> None:
    other = Switch("edge-2")
    async with Redis.from_url(redis_server.url) as redis, process(redis_server.url) as live_feeds:
        await active(redis, "edge-1", "edge-2")
        await tell(redis, switch.start("a", carrier=0), other.start("b", carrier=0))
        async with watching(live_feeds, account_channels()) as stream:
            await stream.until(has(2))
            await redis.flushall()
            await stream.until(is_incomplete, REPAIRED_WITHIN)
            await show(redis, switch.snapshot(up("a", carrier=0)))
            switch_ids = await switches.find_or_register(ACCOUNT, [], clock.now())
            assert switch_ids.snapshot_wanted == {"edge-1", "edge-2"}
            reasons = {s.reference: s.snapshot_reason for s in await switches.list_all(ACCOUNT)}
            assert reasons == {"edge-1": "REDIS_LOST", "edge-2": "REDIS_LOST"}
            state = await channels.read(redis, ACCOUNT, None)
            assert (state.in_use, state.complete) == (1, False)
            await show(redis, other.snapshot(up("b", carrier=0), up("c", carrier=0)))
            await stream.until(has(3), REPAIRED_WITHIN)
            await never_shows(stream, 2, 3)


async def test_a_query_returns_the_last_state_or_is_refused(
    redis_server: OwnRedis, switch: Switch
) -> None:
    last = LastStates()
    async with Redis.from_url(redis_server.url) as redis:
        await active(redis, "edge-1")
        await tell(redis, switch.start("a", carrier=0))
        before = await read(redis, last)
        assert (before.complete, before.state.in_use) == (True, 1)
        await redis.flushall()
        state = await read(redis, last)
        assert (state.complete, state.state.in_use) == (False, 1)
        assert state.sequence > before.sequence
        assert state.state.as_of == before.state.as_of
        with pytest.raises(refusals.Refusal) as error:
            await read(redis)
        assert error.value.code == "LIVE_INCOMPLETE"
        with pytest.raises(refusals.Refusal) as error:
            await window_filling.stats(OWNER, redis, None, 900, LastStates())
        assert error.value.code == "LIVE_INCOMPLETE"
        redis_server.kill()
        state = await read(redis, last)
        assert (state.complete, state.state.in_use) == (False, 1)
        with pytest.raises(refusals.Refusal) as error:
            await read(redis)
        assert error.value.code == "LIVE_UNAVAILABLE"


async def test_the_sliding_window_is_incomplete_while_the_state_is(
    redis_server: OwnRedis, switch: Switch
) -> None:
    last = LastStates()
    async with Redis.from_url(redis_server.url) as redis:
        await active(redis, "edge-1")
        assert (await window_filling.stats(OWNER, redis, None, 900, last)).complete
        await redis.flushall()
        assert not (await window_filling.stats(OWNER, redis, None, 900, last)).complete


async def test_a_snapshot_that_arrives_first_after_a_loss_leaves_the_attempts_unknown(
    redis_server: OwnRedis, switch: Switch
) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        await active(redis, "edge-1")
        await redis.flushall()
        await show(redis, switch.snapshot(up("a", carrier=0)))
        await recovery.recover(redis, ACCOUNT, switch_reports, clock.now())
        assert not (await channels.read(redis, ACCOUNT, None)).complete


async def test_watchers_receive_a_complete_state_with_the_sequence_of_an_incomplete_one(
    database: str, redis: Redis, services: Services
) -> None:
    """Redis assigns it if its clock is behind: a process assigns the next number to a state that
    it cannot read, and Redis to the next change."""
    gauge, carriers = "live:{a1}:gauge:0", "live:{a1}:carriers:0"
    seconds, _ = await redis.time()
    await redis.hset(gauge, "sequence", str((seconds + 3_600) * 1_000_000))  # type: ignore[misc]
    async with (
        process(services.redis_url) as live_feeds,
        watching(live_feeds, account_channels()) as stream,
    ):
        await stream.until(has(0))
        await redis.set(carriers, "not a set")
        await redis.publish(account_channels().topic, b"")
        await stream.until(is_incomplete)
        async with redis.pipeline(transaction=True) as both:
            both.hincrby(gauge, "sequence", 1)
            both.delete(carriers)
            await both.execute()
        await stream.until(has(0))


async def test_without_an_active_switch_an_empty_redis_is_complete(
    redis_server: OwnRedis,
) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        state = await read(redis)
        assert (state.complete, state.state.in_use) == (True, 0)


@pytest.mark.parametrize(
    ("beats", "ago", "complete"),
    [(True, 500, False), (True, 700, True), (False, 14_000, False), (False, 14_500, True)],
)
async def test_a_switch_that_was_removed_leaves_nothing_incomplete(
    redis_server: OwnRedis, beats: bool, ago: float, complete: bool
) -> None:
    """After 10 minutes of silence if it sends beats, else after its lease of 4 hours."""
    async with Redis.from_url(redis_server.url) as redis:
        await active(redis, "gone", beats=beats, ago=ago)
        await redis.flushall()
        await recovery.recover(redis, ACCOUNT, switch_reports, clock.now())
        assert (await channels.read(redis, ACCOUNT, None)).complete is complete


async def test_a_removed_switch_is_no_longer_awaited(redis_server: OwnRedis) -> None:
    """It never returns: 10 minutes after its last beat, which is in 20 seconds, it is no longer
    awaited."""
    async with Redis.from_url(redis_server.url) as redis, process(redis_server.url) as live_feeds:
        await active(redis, "gone", ago=610)
        async with watching(live_feeds, account_channels()) as stream:
            await stream.until(has(0))
            await redis.flushall()
            await stream.until(is_incomplete, REPAIRED_WITHIN)
            await stream.until(has(0), 2 * REPAIRED_WITHIN)


async def test_while_redis_is_unavailable_or_silent_the_last_state_is_incomplete(
    redis_server: OwnRedis, switch: Switch
) -> None:
    async with Redis.from_url(redis_server.url) as redis, process(redis_server.url) as live_feeds:
        await active(redis, "edge-1")
        await tell(redis, switch.start("a", carrier=0))
        async with watching(live_feeds, account_channels()) as stream:
            await stream.until(has(1))
            assert redis_server.process is not None
            redis_server.process.send_signal(signal.SIGSTOP)
            try:
                await stream.until(is_incomplete, 15)
            finally:
                redis_server.process.send_signal(signal.SIGCONT)
            await stream.until(has(1))
            redis_server.kill()
            await stream.until(is_incomplete)
            assert stream.seen[-1].state.in_use == 1


async def test_a_switch_with_calls_that_stops_reporting_leaves_the_state_incomplete(
    redis_server: OwnRedis, switch: Switch
) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        await active(redis, "edge-1")
        await tell(redis, switch.start("a"), switch.beat(1))
        assert (await channels.read(redis, ACCOUNT, None)).complete
        for at, silence in ((2, 5), (5, 7), (30, 15)):  # a beat late, and at most 15 s
            switch.at = at
            await tell(redis, switch.beat(1))
            assert await _silent_in(redis) == pytest.approx(silence, abs=0.5)
        now = (await redis.time())[0]
        for seconds, complete in ((-1, True), (1, False), (590, False), (610, True)):
            await redis.zadd("live:{a1}:beats", {"edge-1": (now - seconds) * 1_000_000})
            assert (await channels.read(redis, ACCOUNT, None)).complete is complete, seconds
        await tell(redis, switch.end("a"), switch.beat(0))
        assert await redis.zrange("live:{a1}:beats", 0, -1) == []


async def _silent_in(redis: Redis) -> float:
    seconds, micros = await redis.time()
    [(_, silent)] = await redis.zrange("live:{a1}:beats", 0, -1, withscores=True)
    return float(silent) / 1e6 - seconds - micros / 1e6


async def test_a_redis_with_an_earlier_clock_continues_from_the_last_shown_sequence(
    database: str, redis: Redis, services: Services, switch: Switch
) -> None:
    seconds, _ = await redis.time()
    ahead = str((seconds + 3_600) * 1_000_000)  # assigned by the earlier Redis
    await redis.hset("live:{a1}:gauge:0", "sequence", ahead)  # type: ignore[misc]
    async with (
        process(services.redis_url) as live_feeds,
        process(services.redis_url) as there,
        watching(live_feeds, account_channels()) as first,
        watching(there, account_channels()) as other,
    ):
        for stream in (first, other):
            await stream.until(has(0))
        await redis.flushdb()
        await tell(redis, switch.start("a", carrier=0))
        for stream in (first, other):
            await stream.until(has(1))


async def test_concurrent_recovery_in_many_processes_awaits_each_switch_once(
    redis_server: OwnRedis, switch: Switch
) -> None:
    async with Redis.from_url(redis_server.url) as redis:
        await active(redis, "edge-1")
        await redis.flushall()
        now = clock.now()
        await asyncio.gather(
            *(recovery.recover(redis, ACCOUNT, switch_reports, now) for _ in range(5))
        )
        await show(redis, switch.snapshot(up("a", carrier=0)))
        await recovery.recover(redis, ACCOUNT, switch_reports, now)
        assert await redis.zcard("live:{a1}:owing") == 0


async def _owes(redis: Redis) -> bool:
    owes: bool = await redis.zscore("live:{a1}:owing", "edge-1") is not None
    return owes


async def _lose(redis: Redis) -> None:
    await redis.flushall()
    await recovery.recover(redis, ACCOUNT, switch_reports, clock.now())


@pytest.mark.parametrize("boot", [7, None])
async def test_a_beat_without_calls_replaces_the_snapshot_of_a_switch_that_sends_none(
    redis_server: OwnRedis, boot: int | None
) -> None:
    switch = Switch(boot=boot, seq=5_000)
    async with Redis.from_url(redis_server.url) as redis, process(redis_server.url) as live_feeds:
        await active(redis, "edge-1")
        await tell(redis, switch.start("a", carrier=0))
        async with watching(live_feeds, account_channels()) as stream:
            await stream.until(lambda picture: picture.state.in_use == 1)
            await _lose(redis)
            switch.at = (clock.now() - NOW).total_seconds() + 1
            await tell(redis, switch.beat(1), switch.start("b", carrier=0), switch.beat(2))
            assert await _owes(redis), "a is not known"
            await tell(redis, switch.end("a", carrier=0), switch.end("b", carrier=0))
            await tell(redis, switch.beat(0))
            await stream.until(has(0), REPAIRED_WITHIN)


async def test_a_beat_that_matches_the_numbered_events_replaces_a_snapshot(
    redis_server: OwnRedis,
) -> None:
    switch = Switch(seq=5_000)
    async with Redis.from_url(redis_server.url) as redis:
        await active(redis, "edge-1")
        await tell(redis, switch.start("a"))
        await _lose(redis)
        await tell(redis, switch.start("b"), switch.beat(2))
        assert await _owes(redis), "a is not known"
        missing = switch.end("b")
        await tell(redis, switch.end("a"), switch.beat(1))
        assert await _owes(redis), "a number is missing"
        await tell(redis, missing, switch.start("c"))
        await tell(redis, switch.beat(1))
        assert not await _owes(redis)
        assert await count(redis, 1) == {1: 1}


async def test_an_equal_count_does_not_prove_that_calls_survived_a_loss(
    redis_server: OwnRedis,
) -> None:
    """Of two switches, one without numbers, and one whose calls Redis had saved."""
    plain, numbered = Switch(boot=None), Switch("edge-2")
    async with Redis.from_url(redis_server.url) as redis:
        await active(redis, "edge-1", "edge-2")
        await tell(redis, plain.start("a"), plain.beat(1), numbered.start("b"), numbered.beat(1))
        await redis_server.save()
        await restarted(redis_server, 0.5)
        await recovery.recover(redis, ACCOUNT, switch_reports, clock.now())
        plain.at = numbered.at = (clock.now() - NOW).total_seconds() + 1
        numbered.seq += 2  # b has ended and another call begun meanwhile
        await tell(redis, plain.beat(1), numbered.beat(1))
        assert await redis.zcard("live:{a1}:owing") == 2


async def test_a_beat_from_before_a_loss_does_not_replace_a_snapshot(
    redis_server: OwnRedis,
) -> None:
    switch = Switch(boot=None)
    async with Redis.from_url(redis_server.url) as redis:
        await active(redis, "edge-1")
        late = switch.beat(0)
        await tell(redis, switch.start("a"))
        await _lose(redis)
        await tell(redis, late)
        assert await _owes(redis)
