"""Publish and subscribe over one Redis connection per process, for any number of listeners."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeVar

import hiredis
import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, InvalidResponse, RedisError, ResponseError

from live.listeners import Callback, Listener

PING_SECONDS = 5.0
SILENCE_SECONDS = 12.0  # without an answer to two pings, the connection is lost
_CONNECT_TIMEOUT_SECONDS = 5.0
_CONFIRM_TIMEOUT_SECONDS = 1.0
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.05, 1.0

log = structlog.get_logger()


async def publish(redis: Redis, topic: str, sequence: int) -> None:
    """Notifies that the topic's state has changed. Listeners read the state themselves."""
    await redis.publish(topic, sequence)


_L = TypeVar("_L", Listener, Callback)


class _Topic:
    def __init__(self) -> None:
        self.listeners: set[Listener | Callback] = set()
        self.confirmed = asyncio.Event()

    def wake(self, payload: bytes | None = None) -> None:
        for listener in self.listeners:
            listener.wake(payload)


class _Receiver(asyncio.Protocol):
    """Passes on replies as they arrive, because a task that reads costs more than most messages.

    `ended`: the error after which the connection is no longer usable.
    """

    def __init__(self, receive: Callable[[object], None]) -> None:
        self.ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.has_received = False
        self._receive = receive
        self._reader = hiredis.Reader(InvalidResponse, ResponseError)

    def data_received(self, data: bytes) -> None:
        self.has_received = True
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._receive(reply)
        except RedisError as error:
            self._end(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(ConnectionError(f"Redis has closed the connection: {error}"))

    def _end(self, error: Exception) -> None:
        if not self.ended.done():
            self.ended.set_result(error)


class Bus:
    """The subscriptions of a process to Redis. Start it in the event loop that uses it.

    While Redis is unavailable, listeners wait. After a reconnect it wakes all of them, because they
    may have missed messages.
    """

    def __init__(
        self, redis: Redis, ping_every: float = PING_SECONDS, silence: float = SILENCE_SECONDS
    ) -> None:
        self._redis = redis
        self._ping_every, self._silence = ping_every, silence
        self._topics: dict[str, _Topic] = {}
        self._connection: Any = None
        self._task: asyncio.Task[None] | None = None
        self._first_connected = asyncio.Event()

    async def start(self) -> None:
        """Waits for Redis for one second at most, and keeps trying in the background."""
        self._task = asyncio.create_task(self._run(), name="bus")
        with suppress(TimeoutError):
            async with asyncio.timeout(_CONFIRM_TIMEOUT_SECONDS):
                await self._first_connected.wait()

    async def close(self) -> None:
        """Ends all subscriptions."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        for topic in self._topics.values():
            for listener in topic.listeners:
                listener.close()

    def listen(
        self, topic: str, *, min_interval: float = 0.1, max_interval: float = 5.0
    ) -> AbstractAsyncContextManager[Listener]:
        """`async with bus.listen(topic) as changes: async for _ in changes: read the state`.

        Iterates immediately and after changes: at most every `min_interval` seconds, and at least
        every `max_interval` seconds, because a Redis that was emptied publishes nothing.
        """
        return self._listen(topic, Listener(min_interval, max_interval))

    def call(
        self, topic: str, on_change: Callable[[], None]
    ) -> AbstractAsyncContextManager[object]:
        """Calls `on_change` for every message, and whenever one may have been missed."""
        return self._listen(topic, Callback(on_change))

    @asynccontextmanager
    async def _listen(self, name: str, listener: _L) -> AsyncIterator[_L]:
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = _Topic()
        topic.listeners.add(listener)
        try:
            if len(topic.listeners) == 1:
                self._send("SUBSCRIBE", name)
            # A state that is read before the subscription is active may miss the next change.
            # Without Redis, it does not wait, because a reconnect wakes all listeners.
            if self._connection is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_CONFIRM_TIMEOUT_SECONDS):
                        await topic.confirmed.wait()
            yield listener
        finally:
            topic.listeners.discard(listener)
            if not topic.listeners and self._topics.get(name) is topic:
                del self._topics[name]
                self._send("UNSUBSCRIBE", name)

    def _send(self, *command: str) -> None:
        """Sends a command once. If it is lost, the next connection subscribes to all topics."""
        if self._connection is None:
            return
        transport = self._connection._writer.transport
        if not transport.is_closing():  # uvloop's would raise, and hide a cancellation
            transport.write(b"".join(self._connection.pack_command(*command)))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE_SECONDS
        pool: Any = self._redis.connection_pool
        while True:
            connection: Any = pool.make_connection()
            connected = math.inf
            try:
                async with asyncio.timeout(_CONNECT_TIMEOUT_SECONDS):
                    await connection.connect()
                connected = loop.time()
                await self._serve(connection)
            except (RedisError, OSError) as error:
                if loop.time() - connected > _MAX_PAUSE_SECONDS:  # otherwise Redis may refuse each
                    pause = _FIRST_PAUSE_SECONDS
                if pause == _FIRST_PAUSE_SECONDS:  # once, not for each attempt
                    log.warning("listening interrupted", error=str(error))
            finally:
                was_connected, self._connection = self._connection is not None, None
                for topic in self._topics.values():
                    topic.confirmed.clear()
                    if was_connected:
                        topic.wake()  # the last state may no longer be complete
                await connection.disconnect(nowait=True)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)

    async def _serve(self, connection: Any) -> None:
        transport = connection._writer.transport
        receiver = _Receiver(self._receive)
        transport.set_protocol(receiver)
        self._connection = connection
        self._first_connected.set()
        try:
            if self._topics:
                self._send("SUBSCRIBE", *self._topics)
            await self._ping(receiver)
        finally:
            transport.abort()  # close() would wait until Redis has read all commands

    async def _ping(self, receiver: _Receiver) -> None:
        """Sends pings until the connection ends. Raises ConnectionError."""
        try:
            async with asyncio.timeout(self._silence) as timeout:
                while not receiver.ended.done():
                    receiver.has_received = False
                    self._send("PING")
                    await asyncio.wait([receiver.ended], timeout=self._ping_every)
                    if receiver.has_received and not timeout.expired():
                        timeout.reschedule(asyncio.get_running_loop().time() + self._silence)
        except TimeoutError:
            raise ConnectionError("Redis is silent") from None
        raise receiver.ended.result()

    def _receive(self, reply: object) -> None:
        """Wakes the listeners for a message, or for the confirmation of a subscription."""
        if isinstance(reply, RedisError):
            raise reply
        if not isinstance(reply, list) or reply[0] not in (b"message", b"subscribe"):
            return
        topic = self._topics.get(reply[1].decode())
        if topic is None:
            return
        if reply[0] == b"message":
            topic.wake(reply[2])
        else:
            topic.confirmed.set()
            topic.wake()
