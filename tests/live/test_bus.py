"""Publish and subscribe on a real Redis: coalesced, and never missing the last state."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import pytest
import uvloop
from redis.asyncio import Redis

from live import bus, channels, listeners, topics
from tests.support.live.switch_events import NOW, Switch

TOPIC = topics.channels(1, None)


@pytest.fixture
async def open_bus(redis: Redis) -> AsyncIterator[bus.Bus]:
    new_bus = bus.Bus(redis)
    await new_bus.start()
    try:
        yield new_bus
    finally:
        await new_bus.close()


async def subscribed(redis: Redis, number: int) -> None:
    """Waits until `number` connections are subscribed."""
    async with asyncio.timeout(10):
        while await _subscribers(redis) != number:  # noqa: ASYNC110 - Redis tells nobody of it
            await asyncio.sleep(0.005)


async def _client_count(redis: Redis, kind: str) -> int:
    return len(await redis.client_list(kind))


async def _subscribers(redis: Redis, topic: str = TOPIC) -> int:
    counts: list[tuple[bytes, int]] = await redis.pubsub_numsub(topic)
    return int(counts[0][1])


async def woken(changes: listeners.Listener, within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        await anext(changes)


async def asleep(changes: listeners.Listener, for_seconds: float = 0.15) -> None:
    with pytest.raises(TimeoutError):
        await woken(changes, for_seconds)


async def test_a_listener_is_woken_immediately_and_then_by_every_change(
    redis: Redis, open_bus: bus.Bus
) -> None:
    async with open_bus.listen(TOPIC, min_interval=0) as changes:
        await woken(changes)
        await asleep(changes)
        await bus.publish(redis, TOPIC, 1)
        await woken(changes)
        await asleep(changes)


async def test_a_change_of_channels_wakes_only_the_customer_concerned(
    redis: Redis, open_bus: bus.Bus
) -> None:
    async with (
        open_bus.listen(topics.channels(1, 5), min_interval=0) as its,
        open_bus.listen(topics.channels(1, 6), min_interval=0) as other,
    ):
        await woken(its)
        await woken(other)
        await channels.apply(redis, 1, [Switch().start("a", customer=5)], NOW)
        await woken(its)
        await asleep(other)
        assert (await channels.read(redis, 1, 5)).in_use == 1


async def test_nothing_published_after_the_first_wake_is_missed(
    redis: Redis, open_bus: bus.Bus
) -> None:
    for sequence in range(50):
        async with open_bus.listen(f"t{sequence}", min_interval=0) as changes:
            await woken(changes)
            await bus.publish(redis, f"t{sequence}", sequence)
            await woken(changes)


async def test_many_listeners_share_one_subscription_on_one_connection(
    redis: Redis, open_bus: bus.Bus
) -> None:
    async with open_bus.listen(TOPIC) as first, open_bus.listen(TOPIC) as other:
        assert await _subscribers(redis) == 1
        assert await _client_count(redis, "pubsub") == 1
        await woken(first)
        await woken(other)
        await bus.publish(redis, TOPIC, 1)
        await woken(first)
        await woken(other)


async def test_the_last_listener_to_leave_ends_the_subscription(
    redis: Redis, open_bus: bus.Bus
) -> None:
    async with open_bus.listen(TOPIC):
        async with open_bus.listen(TOPIC) as changes:
            await woken(changes)
        assert await _subscribers(redis) == 1
    await subscribed(redis, 0)


async def test_leaving_and_immediately_returning_misses_nothing(
    redis: Redis, open_bus: bus.Bus
) -> None:
    for sequence in range(30):
        async with open_bus.listen(TOPIC, min_interval=0) as changes:
            await woken(changes)
            await bus.publish(redis, TOPIC, sequence)
            await woken(changes)


async def test_a_flood_of_changes_is_coalesced_and_the_last_state_arrives(
    redis: Redis, open_bus: bus.Bus
) -> None:
    states: list[int] = []
    loop = asyncio.get_running_loop()
    wakes: list[float] = []

    async def watch() -> None:
        async with open_bus.listen(TOPIC, max_interval=60) as changes:
            async for _ in changes:
                wakes.append(loop.time())
                states.append(int(await redis.get("state") or 0))
                if states[-1] == 1_500:
                    return

    watching = asyncio.create_task(watch())
    await subscribed(redis, 1)
    began = loop.time()
    for sequence in range(1, 1_501):
        await redis.set("state", sequence)
        await bus.publish(redis, TOPIC, sequence)
    async with asyncio.timeout(5):
        await watching
    assert states == sorted(states)
    assert len(states) <= (wakes[-1] - began) * 10 + 3
    assert all(later - earlier > 0.09 for earlier, later in itertools.pairwise(wakes))


async def test_a_listener_is_woken_at_the_maximum_interval_without_any_change(
    open_bus: bus.Bus,
) -> None:
    async with open_bus.listen(TOPIC, min_interval=0, max_interval=0.05) as changes:
        for _ in range(4):
            await woken(changes)
        changes.max_interval = 60
        await asleep(changes)


async def test_a_lost_connection_is_restored_and_wakes_every_listener(
    redis: Redis, open_bus: bus.Bus
) -> None:
    async with (
        open_bus.listen(TOPIC, min_interval=0, max_interval=60) as first,
        open_bus.listen("other", min_interval=0, max_interval=60) as other,
    ):
        await woken(first)
        await woken(other)
        for sequence in range(3):
            await redis.client_kill_filter(_type="pubsub")
            await redis.publish(TOPIC, sequence)  # into nothing
            await woken(first)
            await woken(other)
            await subscribed(redis, 1)
            await bus.publish(redis, TOPIC, sequence)
            await woken(first)


async def test_a_bus_started_without_redis_wakes_its_listeners_once_redis_is_available(
    redis: Redis, unused_tcp_port: int
) -> None:
    """A relay to the real Redis opens on the port only later, and closes again."""
    new_bus = bus.Bus(_through(redis, unused_tcp_port))
    await new_bus.start()
    try:
        async with new_bus.listen(TOPIC, min_interval=0, max_interval=60) as changes:
            await woken(changes)
            await asleep(changes)
            for sequence in range(2):
                relay = await _relay(redis, unused_tcp_port)
                await woken(changes)
                await bus.publish(redis, TOPIC, sequence)
                await woken(changes)
                relay.close()
                await redis.client_kill_filter(_type="pubsub")
                await relay.wait_closed()
                await woken(changes)  # the last state may be out of date
                await asleep(changes)
    finally:
        await new_bus.close()


def _through(redis: Redis, port: int) -> Redis:
    number = redis.connection_pool.connection_kwargs.get("db", 0)
    return Redis(host="127.0.0.1", port=port, db=number)


async def _relay(redis: Redis, port: int) -> asyncio.Server:
    where: dict[str, Any] = redis.connection_pool.connection_kwargs

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "path" in where:
            back, forth = await asyncio.open_unix_connection(where["path"])
        else:
            back, forth = await asyncio.open_connection(where["host"], where.get("port", 6379))
        await asyncio.gather(pump(reader, forth), pump(back, writer))

    return await asyncio.start_server(relay, "127.0.0.1", port)


async def test_closing_the_bus_ends_all_subscriptions(redis: Redis) -> None:
    new_bus = bus.Bus(redis)
    await new_bus.start()
    async with new_bus.listen(TOPIC, min_interval=0) as changes:
        await woken(changes)
        await new_bus.close()
        async with asyncio.timeout(5):
            assert [None async for _ in changes] == []
    assert await _client_count(redis, "pubsub") == 0


async def test_a_listener_receives_the_last_published_state_or_none_if_changes_may_be_missing(
    redis: Redis, open_bus: bus.Bus
) -> None:
    async with open_bus.listen(TOPIC, min_interval=0.1, max_interval=60) as changes:
        assert await anext(changes) is None
        for content in (b"1", b"2", b"3"):
            await redis.publish(TOPIC, content)
        await asyncio.sleep(0.05)
        assert await anext(changes) == b"3"
        await redis.client_kill_filter(_type="pubsub")
        assert await anext(changes) is None
        await subscribed(redis, 1)
        await redis.publish(TOPIC, b"4")
        await asyncio.sleep(0.15)
        assert await anext(changes) == b"4"
        changes.max_interval = 0.05
        assert await anext(changes) is None


async def test_the_connection_to_an_unresponsive_redis_is_replaced() -> None:
    """Writes fill the sockets to the server, and then wait."""
    loop = asyncio.get_running_loop()
    with ExitStack() as sockets:
        hanging = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
        hanging.setblocking(False)
        port = hanging.getsockname()[1]
        away = Redis(port=port, lib_name=None, lib_version=None)
        new_bus = bus.Bus(away, ping_every=0.1, silence=0.3)
        await new_bus.start()
        try:
            more_than_fits = "t" * 20_000_000
            async with asyncio.timeout(10), new_bus.listen(more_than_fits, max_interval=60):
                for _ in range(4):
                    sockets.enter_context((await loop.sock_accept(hanging))[0])
        finally:
            await new_bus.close()


async def test_a_redis_without_changes_that_answers_keeps_its_connection(
    redis: Redis,
) -> None:
    new_bus = bus.Bus(redis, ping_every=0.1, silence=0.5)
    await new_bus.start()
    try:
        async with new_bus.listen(TOPIC, min_interval=0, max_interval=60) as changes:
            await woken(changes)
            await asleep(changes, 1.5)  # a new connection wakes all
    finally:
        await new_bus.close()


@pytest.mark.parametrize("answer", [b"-NOPERM you may not\r\n", b"?\r\n"])
async def test_after_an_error_or_an_invalid_reply_redis_is_retried_on_a_new_connection(
    answer: bytes,
) -> None:
    answer_count = 0

    async def answer_oddly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answer_count
        while await reader.read(65_536):
            writer.write(answer)
            answer_count += 1
        writer.close()

    server = await asyncio.start_server(answer_oddly, "127.0.0.1", 0)
    away = Redis(port=server.sockets[0].getsockname()[1], lib_name=None, lib_version=None)
    new_bus = bus.Bus(away)
    try:
        async with server:
            await new_bus.start()
            async with asyncio.timeout(5):
                while answer_count < 3:  # noqa: ASYNC110 - each is the first of a connection
                    await asyncio.sleep(0.01)
    finally:
        await new_bus.close()


async def test_a_redis_that_refuses_is_retried_at_growing_intervals() -> None:
    """A server whose user may not subscribe, for example, first accepts every connection."""
    loop = asyncio.get_running_loop()
    refused_at: list[float] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            writer.write(b"-NOPERM you may not\r\n")
            refused_at.append(loop.time())
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    away = Redis(port=server.sockets[0].getsockname()[1], lib_name=None, lib_version=None)
    new_bus = bus.Bus(away)
    try:
        async with server:
            await new_bus.start()
            async with asyncio.timeout(10):
                while len(refused_at) < 5:  # noqa: ASYNC110 - each is the first of a connection
                    await asyncio.sleep(0.01)
    finally:
        await new_bus.close()
    assert refused_at[4] - refused_at[0] > 0.7  # 0.05 s, and each time twice as long


def test_listeners_join_and_leave_while_redis_is_unavailable() -> None:
    """In each turn of the loop that the web process runs on, whose sockets raise once closed."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_come_and_go())


async def _come_and_go() -> None:
    async def lose(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (data := await reader.read(65_536)) and b"UNSUBSCRIBE" not in data:
            pass
        writer.transport.abort()

    async def listen(turns: int) -> None:
        async with new_bus.listen(f"t{turns}"):
            for _ in range(turns):
                await asyncio.sleep(0)

    server = await asyncio.start_server(lose, "127.0.0.1", 0)
    away = Redis(port=server.sockets[0].getsockname()[1], lib_name=None, lib_version=None)
    new_bus = bus.Bus(away)
    try:
        async with server, asyncio.timeout(10), asyncio.TaskGroup() as group:
            for turns in range(300):  # all before there is a connection
                group.create_task(listen(turns))
            await new_bus.start()
    finally:
        await new_bus.close()
