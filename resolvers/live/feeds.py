"""The live states that this process watches. Each change is read once for all subscribers."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

import structlog
from redis.asyncio import Redis

from live import bus as live_bus
from live import listeners

READ_TIMEOUT_SECONDS = 3.0  # then the shown state is incomplete
RETRY_SECONDS = 0.5  # while the state cannot be read

_log = structlog.get_logger("resolvers")


class State(Protocol):
    """A complete state, with a sequence that increases with every change."""

    @property
    def sequence(self) -> int: ...

    @property
    def complete(self) -> bool: ...

    def as_incomplete(self, sequence: int) -> Self:
        """The same state, marked as incomplete, with another sequence."""


S = TypeVar("S", bound=State)


class Source(Protocol[S]):
    """A state to watch; equal sources are read once. `push_every`: minimum seconds between two
    states."""

    @property
    def push_every(self) -> float: ...

    @property
    def topic(self) -> str: ...

    @property
    def outdated_by(self) -> str | None:
        """The topic of changes of the captions, if the state has captions."""

    def outdate(self) -> None:
        """Marks the captions as possibly outdated."""

    def decode(self, redis: Redis, message: bytes, floor: int) -> S | None:
        """The state that the message of the change contains; None if it has to be read."""

    async def read(self, redis: Redis, floor: int) -> S | None:
        """The present state, with a sequence of at least `floor`; if it is incomplete, the last
        complete state marked as incomplete. None if there is no state to show yet."""

    def rest(self, state: S) -> float:
        """Seconds after which the state is read again without a message."""


@dataclass(slots=True, eq=False)
class _Feed(Generic[S]):
    source: Source[S]
    watchers: int = 0
    state: S | None = None
    closed: bool = False
    is_outdated: bool = False  # show the same state again, with new captions
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    @property
    def sequence(self) -> int:
        return 0 if self.state is None else self.state.sequence

    @property
    def floor(self) -> int:
        """The minimum sequence of the next state that is read. Usually that of the shown state.
        A later one if the shown state is outdated or incomplete, because it would not be
        replaced otherwise."""
        if self.state is None or (self.state.complete and not self.is_outdated):
            return self.sequence
        return self.sequence + 1

    def show(self, latest: S) -> None:
        """Shows the state unless a later one is shown."""
        if latest.sequence > self.sequence:
            self.state = latest
            self.changed.set()
            self.changed = asyncio.Event()

    def show_incomplete(self, sequence: int = 0) -> None:
        """Marks the shown state as incomplete, because it cannot be read or is not complete."""
        if self.state is not None and self.state.complete:
            self.show(self.state.as_incomplete(max(self.sequence + 1, sequence)))


class Feeds:
    """One subscription, one task and one read per source and change, for any number of watchers."""

    def __init__(self, redis: Redis, bus: live_bus.Bus) -> None:
        self._redis = redis
        self._bus = bus
        self._feeds: dict[Any, _Feed[Any]] = {}

    async def watch(self, source: Source[S]) -> AsyncGenerator[S, None]:
        """The state at once, then every newer one. A slow watcher gets only the latest."""
        feed: _Feed[S] = self._feeds.setdefault(source, _Feed(source))
        if feed.task is None:
            feed.task = asyncio.create_task(self._follow(feed))
        feed.watchers += 1
        sequence = 0
        try:
            while not feed.closed:
                changed, latest = feed.changed, feed.state
                if latest is not None and latest.sequence > sequence:
                    sequence = latest.sequence
                    yield latest
                else:
                    await changed.wait()
        finally:
            feed.watchers -= 1
            if feed.watchers == 0:
                del self._feeds[source]
                feed.task.cancel()

    async def _follow(self, feed: _Feed[S]) -> None:
        source = feed.source
        async with (
            self._bus.listen(source.topic, min_interval=source.push_every) as messages,
            self._outdating(feed, messages),
        ):
            async for message in messages:
                messages.max_interval = await self._refresh(feed, message)
        feed.closed = True
        feed.changed.set()

    @asynccontextmanager
    async def _outdating(self, feed: _Feed[S], messages: listeners.Listener) -> AsyncIterator[None]:
        """While it is open, changes of the captions cause the state to be shown again."""

        def outdate() -> None:
            feed.source.outdate()
            feed.is_outdated = True
            messages.wake()

        topic = feed.source.outdated_by
        async with nullcontext() if topic is None else self._bus.call(topic, outdate):
            yield

    async def _refresh(self, feed: _Feed[S], message: bytes | None) -> float:
        """Reads and shows the state. Returns the seconds until the next read without a message."""
        source, floor = feed.source, feed.floor
        was_outdated, feed.is_outdated = feed.is_outdated, False
        try:
            latest = source.decode(self._redis, message, feed.sequence) if message else None
            if latest is None:
                async with asyncio.timeout(READ_TIMEOUT_SECONDS):  # a connection may hang
                    latest = await source.read(self._redis, floor)
        except Exception as error:  # retried; the watchers stay
            _log.warning("live state not read", source=repr(feed.source), error=repr(error))
            feed.is_outdated = feed.is_outdated or was_outdated
            feed.show_incomplete()
            return RETRY_SECONDS
        if latest is None:
            feed.show_incomplete()
            return RETRY_SECONDS
        if latest.complete or feed.state is None:
            feed.show(latest)
        else:
            feed.show_incomplete(latest.sequence)
        return feed.source.rest(latest) if latest.complete else RETRY_SECONDS
