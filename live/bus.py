"""Publish and subscribe: one Redis connection a process, however many listen."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Self

import hiredis
import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, InvalidResponse, RedisError, ResponseError

PING_SECONDS = 5.0
SILENCE_SECONDS = 12.0  # no answer to two pings: the connection is dead
_CONNECT_SECONDS = 5.0
_CONFIRM_SECONDS = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0

log = structlog.get_logger()


async def publish(redis: Redis, topic: str, sequence: int) -> None:
    """Says that the topic's state has changed. What it is now, listeners read for themselves."""
    await redis.publish(topic, sequence)


class Listener:
    """Iterates over "read the state now": at once, then after changes, the last one always.

    Gives what was said of the last change; None where nobody has said it. Ends when the bus is
    closed.
    """

    def __init__(self, min_interval: float, max_interval: float) -> None:
        self._min_interval = min_interval
        self.max_interval = max_interval  # seconds; may be changed while listening
        self._changed = asyncio.Event()
        self._changed.set()
        self._said: bytes | None = None
        self._closed = False
        self._last = float("-inf")

    def wake(self, said: bytes | None = None) -> None:
        self._said = said
        self._changed.set()

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes | None:
        loop = asyncio.get_running_loop()
        if not self._changed.is_set():
            alarm = loop.call_later(self.max_interval, self.wake)
            try:
                await self._changed.wait()
            finally:
                alarm.cancel()
        rest = self._last + self._min_interval - loop.time()
        if rest > 0 and not self._closed:
            await asyncio.sleep(rest)
        if self._closed:
            raise StopAsyncIteration
        self._changed.clear()  # a change from here on is another one
        self._last = loop.time()
        return self._said


class _Topic:
    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.confirmed = asyncio.Event()

    def wake(self, said: bytes | None = None) -> None:
        for listener in self.listeners:
            listener.wake(said)


class _Hearing(asyncio.Protocol):
    """Hands on what Redis says in the turn it arrives in: a task that reads would cost more than
    most messages. `ended`: why the connection is of no use any more."""

    def __init__(self, hear: Callable[[object], None]) -> None:
        self.ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.has_heard = False
        self._hear = hear
        self._reader = hiredis.Reader(InvalidResponse, ResponseError)

    def data_received(self, data: bytes) -> None:
        self.has_heard = True
        self._reader.feed(data)
        try:
            while (said := self._reader.gets()) is not False:
                self._hear(said)
        except RedisError as error:
            self._end(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(ConnectionError(f"Redis has closed the connection: {error}"))

    def _end(self, error: Exception) -> None:
        if not self.ended.done():
            self.ended.set_result(error)


class Bus:
    """Listens to Redis on behalf of a process. Start it in the loop that uses it.

    While Redis is away listeners wait; when it is back all of them are woken, since nobody knows
    what they have missed.
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
        """Waits a second for Redis at most, and goes on trying afterwards."""
        self._task = asyncio.create_task(self._run(), name="bus")
        with suppress(TimeoutError):
            async with asyncio.timeout(_CONFIRM_SECONDS):
                await self._first_connected.wait()

    async def close(self) -> None:
        """Ends all listening."""
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

        Wakes at once, after every change, at most every `min_interval` seconds and at least every
        `max_interval`: a Redis that was emptied tells nobody what has gone.
        """
        return self._listen(topic, Listener(min_interval, max_interval))

    @asynccontextmanager
    async def _listen(self, name: str, listener: Listener) -> AsyncIterator[Listener]:
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = _Topic()
        topic.listeners.add(listener)
        try:
            if len(topic.listeners) == 1:
                self._send("SUBSCRIBE", name)
            # A state read before the subscription stands might miss the change after it. Without
            # Redis there is nothing to wait for: once it is back everybody is woken.
            if self._connection is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_CONFIRM_SECONDS):
                        await topic.confirmed.wait()
            yield listener
        finally:
            topic.listeners.discard(listener)
            if not topic.listeners and self._topics.get(name) is topic:
                del self._topics[name]
                self._send("UNSUBSCRIBE", name)

    def _send(self, *command: str) -> None:
        """What fails to get there is made good on connecting anew."""
        if self._connection is None:
            return
        transport = self._connection._writer.transport
        if not transport.is_closing():  # else uvloop's would raise, in place of a cancellation too
            transport.write(b"".join(self._connection.pack_command(*command)))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        pool: Any = self._redis.connection_pool
        while True:
            connection: Any = pool.make_connection()
            connected = math.inf
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    await connection.connect()
                connected = loop.time()
                await self._serve(connection)
            except (RedisError, OSError) as error:
                if loop.time() - connected > _LONGEST_PAUSE:  # else it may be refused at each try
                    pause = _FIRST_PAUSE
                if pause == _FIRST_PAUSE:  # once, not at every try
                    log.warning("listening interrupted", error=str(error))
            finally:
                self._connection = None
                for topic in self._topics.values():
                    topic.confirmed.clear()
                await connection.disconnect(nowait=True)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _serve(self, connection: Any) -> None:
        transport = connection._writer.transport
        hearing = _Hearing(self._hear)
        transport.set_protocol(hearing)
        self._connection = connection
        self._first_connected.set()
        try:
            if self._topics:
                self._send("SUBSCRIBE", *self._topics)
            await self._ping(hearing)
        finally:
            transport.abort()  # to close it would wait until Redis takes what was sent

    async def _ping(self, hearing: _Hearing) -> None:
        """Until the connection ends, or Redis has said nothing for too long."""
        try:
            async with asyncio.timeout(self._silence) as patience:
                while not hearing.ended.done():
                    hearing.has_heard = False
                    self._send("PING")
                    await asyncio.wait([hearing.ended], timeout=self._ping_every)
                    if hearing.has_heard and not patience.expired():
                        patience.reschedule(asyncio.get_running_loop().time() + self._silence)
        except TimeoutError:
            raise ConnectionError("Redis is silent") from None
        raise hearing.ended.result()

    def _hear(self, said: object) -> None:
        """A message, or the confirmation of a subscription: either way the state may be new."""
        if isinstance(said, RedisError):
            raise said
        if not isinstance(said, list) or said[0] not in (b"message", b"subscribe"):
            return
        topic = self._topics.get(said[1].decode())
        if topic is None:
            return
        if said[0] == b"message":
            topic.wake(said[2])
        else:
            topic.confirmed.set()
            topic.wake()
