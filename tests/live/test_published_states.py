"""A change is published with the complete new state, so that subscribers need not read it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from live import channels, topics
from resolvers.live import captions, live_channels
from tests.support.live.channel_state import ACCOUNT, show, tell
from tests.support.live.switch_events import LEASE, Services, Switch, after, up
from tests.support.live.watchers import process, watching
from tests.support.own_redis import own_redis

GAUGE = "live:{a1}:gauge:0"
SCOPES = (None, 1, 2)
# Seconds: a state that arrives within them was not read by the poll every 5 s.
BY_PUSH = live_channels.REREAD_IDLE_SECONDS - 2
MOST_TOLD = 100  # carriers, as common.lua has it


def account_channels() -> live_channels.Channels:
    """Its own captions: those of another test would be read again from that test's database."""
    return live_channels.Channels(ACCOUNT, None, captions.OfAccount(ACCOUNT))


class PublishedStates:
    """The published states by scope; `patterns`: by a subscriber that Redis does not count."""

    def __init__(self, pubsub: Any) -> None:
        self._pubsub = pubsub

    async def last(self) -> dict[str, bytes]:
        """Of each topic, once all is quiet."""
        states: dict[str, bytes] = {}
        while (message := await self._pubsub.get_message(timeout=0.2)) is not None:
            if message["type"] in ("message", "pmessage"):
                states[message["channel"].decode()] = message["data"]
        return states


@pytest.fixture
async def published(redis: Redis) -> AsyncIterator[PublishedStates]:
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(*(topics.channels(ACCOUNT, scope) for scope in SCOPES))
        yield PublishedStates(pubsub)


@asynccontextmanager
async def user(redis: Redis, url: str, name: str, *less: str) -> AsyncIterator[str]:
    """The URL of a user that may run all commands except these."""
    await redis.acl_setuser(
        name,
        enabled=True,
        nopass=True,
        keys=["*"],
        channels=["*"],
        categories=["+@all"],
        commands=less,
    )
    try:
        yield url.replace("://", f"://{name}:any@", 1)
    finally:
        await redis.acl_deluser(name)


@pytest.fixture
def switch() -> Switch:
    return Switch()


def _content(state: channels.Channels) -> tuple[Any, ...]:
    return state.sequence, state.in_use, state.by_carrier, state.cps


async def _require_same(
    redis: Redis, published: PublishedStates, customers: set[int | None]
) -> None:
    states = await published.last()
    assert set(states) == {topics.channels(ACCOUNT, scope) for scope in customers}
    for scope in customers:
        state = channels.decode_state(states[topics.channels(ACCOUNT, scope)])
        read = await channels.read(redis, ACCOUNT, scope, now=state.as_of)
        assert _content(state) == _content(read)


async def test_every_published_change_equals_what_a_reader_is_shown(
    redis: Redis, published: PublishedStates, switch: Switch
) -> None:
    await tell(redis, switch.start("a", customer=1, carrier=1), switch.start("b", 1, 2))
    await _require_same(redis, published, {None, 1})
    await tell(redis, switch.start("c", customer=2, carrier=0), switch.end("a", 1))
    await _require_same(redis, published, {None, 1, 2})
    await show(redis, switch.snapshot(up("c", 2, 3), up("d", 2, 1)))
    await _require_same(redis, published, {None, 1, 2})
    assert len(await channels.sweep(redis, ACCOUNT, after(2 * LEASE))) == 2
    await _require_same(redis, published, {None, 2})


async def test_attempts_of_the_current_second_are_published_with_their_call(
    redis: Redis, published: PublishedStates
) -> None:
    now = channels.read
    at = (await now(redis, ACCOUNT, None)).as_of
    start = msgspec.structs.replace(Switch().start("a"), at=at, setup_at=at)
    await channels.apply(redis, ACCOUNT, [start], at)
    await asyncio.sleep(1.1)  # counted are full seconds
    ended = msgspec.structs.replace(Switch(seq=1).end("a"), at=at, setup_at=at)
    await channels.apply(redis, ACCOUNT, [ended], at)
    state = channels.decode_state((await published.last())[topics.channels(ACCOUNT, None)])
    assert (state.in_use, state.cps) == (0, 0.1)


async def test_a_change_without_listeners_or_with_a_large_state_is_published_without_the_state(
    redis: Redis, switch: Switch
) -> None:
    topic = topics.channels(ACCOUNT, None)
    async with redis.pubsub() as pubsub:
        await pubsub.psubscribe("live:*")  # which Redis does not count as listening to a topic
        published = PublishedStates(pubsub)
        await tell(redis, switch.start("a"))
        assert (await published.last())[topic] == b""
        await pubsub.subscribe(topic)
        many = [switch.start(f"c{n}", carrier=n) for n in range(1, MOST_TOLD + 1)]
        await tell(redis, *many)
        assert channels.decode_state((await published.last())[topic]).in_use == 1 + MOST_TOLD
        await tell(redis, switch.start("b", carrier=MOST_TOLD + 1))
        assert (await published.last())[topic] == b""


async def test_a_watcher_of_many_carriers_is_shown_every_change(
    database: str, redis: Redis, services: Services, switch: Switch
) -> None:
    await tell(redis, *(switch.start(f"c{n}", 1, n) for n in range(MOST_TOLD + 1)))
    async with (
        process(services.redis_url) as live_feeds,
        watching(live_feeds, account_channels()) as stream,
    ):
        await stream.until(lambda shown: shown.state.in_use == MOST_TOLD + 1)
        await tell(redis, switch.end("c0"))
        await stream.until(lambda shown: shown.state.in_use == MOST_TOLD, BY_PUSH)


async def test_a_change_is_shown_without_a_read(
    redis: Redis, services: Services, switch: Switch
) -> None:
    """Once it shows the first state, the process may read no more; it still shows the others."""
    async with user(redis, services.redis_url, "reader") as url:
        await tell(redis, switch.start("first", carrier=0))
        async with process(url) as live_feeds, watching(live_feeds, account_channels()) as stream:
            await stream.until(lambda shown: shown.state.in_use == 1)
            await redis.acl_setuser("reader", enabled=True, commands=["-evalsha", "-eval"])
            for number in range(2, 7):
                await tell(redis, switch.start(f"a{number}", carrier=0))
                await stream.until(lambda shown, number=number: shown.state.in_use == number)


async def test_a_change_published_with_a_lower_sequence_than_shown_is_read_again(
    redis: Redis, services: Services, switch: Switch
) -> None:
    """As after a restart of Redis with an old state, or on a host whose clock is behind."""
    async with (
        process(services.redis_url) as live_feeds,
        watching(live_feeds, account_channels()) as stream,
    ):
        await tell(redis, switch.start("a", carrier=0))
        await stream.until(lambda shown: shown.state.in_use == 1)
        ahead = stream.seen[-1].sequence + 3_600_000_000
        await redis.hset(GAUGE, "sequence", str(ahead))  # type: ignore[misc]
        await tell(redis, switch.start("b", carrier=0))
        await stream.until(lambda shown: shown.state.in_use == 2)
        assert stream.seen[-1].sequence > ahead
        await redis.delete(GAUGE)
        await tell(redis, switch.start("c", carrier=0))
        await stream.until(lambda shown: shown.state.in_use == 3, BY_PUSH)
        assert stream.seen[-1].sequence > ahead + 1


async def test_changes_published_by_an_older_version_are_read(
    redis: Redis, services: Services, switch: Switch
) -> None:
    """It published only the sequence; both may run for the minutes of an upgrade."""
    async with (
        process(services.redis_url) as live_feeds,
        watching(live_feeds, account_channels()) as stream,
    ):
        await stream.until(lambda shown: shown.state.in_use == 0)
        for number in (1, 2):
            await tell(redis, switch.start(f"a{number}", carrier=0))
            await stream.until(lambda shown, number=number: shown.state.in_use == number)
            for news in (str(stream.seen[-1].sequence + 1), "\x94", ""):
                await redis.publish(account_channels().topic, news)
                await asyncio.sleep(0.15)


async def test_without_permission_to_list_subscribers_changes_are_published_without_the_state(
    redis: Redis, services: Services, switch: Switch
) -> None:
    async with user(redis, services.redis_url, "plain", "-pubsub") as url:
        plain = Redis.from_url(url)
        async with (
            process(services.redis_url) as live_feeds,
            watching(live_feeds, account_channels()) as stream,
            plain,
        ):
            await stream.until(lambda shown: shown.state.in_use == 0)
            await tell(plain, switch.start("a", carrier=0))
            await stream.until(lambda shown: shown.state.in_use == 1, BY_PUSH)


async def test_changes_published_in_another_database_of_the_redis_server_are_not_shown(
    switch: Switch,
) -> None:
    """Of another installation: PUBLISH and SUBSCRIBE do not depend on the database."""
    async with own_redis() as server:
        other_url = server.url.removesuffix("0") + "1"
        async with (
            Redis.from_url(server.url) as redis,
            Redis.from_url(other_url) as others,
            process(server.url) as live_feeds,
            watching(live_feeds, account_channels()) as stream,
        ):
            await channels.seed(redis, ACCOUNT, [])
            await stream.until(lambda state: state.state.in_use == 0)
            await tell(others, *(switch.start(f"o{n}", carrier=0) for n in range(5)))
            await asyncio.sleep(0.3)
            await tell(redis, switch.start("a", carrier=0))
            await stream.until(lambda state: state.state.in_use == 1, BY_PUSH)
            assert [state.state.in_use for state in stream.seen] == [0, 1]
