"""What this process watches of the live picture: read once per change for all who watch it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import structlog
from redis.asyncio import Redis

from live import bus

READ_WITHIN = 10.0  # seconds
RETRY = 0.5  # seconds between tries while the state cannot be read

_log = structlog.get_logger("resolvers")


class State(Protocol):
    """All of it, under a sequence that rises with every change."""

    @property
    def sequence(self) -> int: ...


S = TypeVar("S", bound=State)


class Source(Protocol[S]):
    """Something to watch; equal ones are read once. `push_every`: seconds between two states."""

    @property
    def push_every(self) -> float: ...

    @property
    def topic(self) -> str: ...

    def told(self, redis: Redis, news: bytes, floor: int) -> S | None:
        """The state as the change itself told it; None: it has to be read."""

    async def read(self, redis: Redis, floor: int) -> S | None:
        """The state now, its sequence no lower than `floor`; None: there is none to show yet."""

    def rest(self, state: S) -> float:
        """Seconds that the state may stand unless there is news."""


@dataclass(slots=True, eq=False)
class _Feed(Generic[S]):
    source: Source[S]
    watchers: int = 0
    state: S | None = None
    closed: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    @property
    def sequence(self) -> int:
        return 0 if self.state is None else self.state.sequence

    def show(self, latest: S) -> None:
        """Unless a later one is shown."""
        if latest.sequence > self.sequence:
            self.state = latest
            self.changed.set()
            self.changed = asyncio.Event()


class Feeds:
    """One subscription, one task and one read per source and change, however many watch."""

    def __init__(self, redis: Redis, heard: bus.Bus) -> None:
        self._redis = redis
        self._bus = heard
        self._feeds: dict[Any, _Feed[Any]] = {}

    async def watch(self, source: Source[S]) -> AsyncGenerator[S, None]:
        """The state at once, then every newer one; a slow watcher gets the latest only."""
        feed: _Feed[S] = self._feeds.setdefault(source, _Feed(source))
        if feed.task is None:
            feed.task = asyncio.create_task(self._follow(feed))
        feed.watchers += 1
        seen = 0
        try:
            while not feed.closed:
                changed, latest = feed.changed, feed.state
                if latest is not None and latest.sequence > seen:
                    seen = latest.sequence
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
        async with self._bus.listen(source.topic, min_interval=source.push_every) as news:
            async for said in news:
                news.max_interval = await self._refresh(feed, said)
        feed.closed = True
        feed.changed.set()

    async def _refresh(self, feed: _Feed[S], said: bytes | None) -> float:
        """Shows the state; how long it may stand unless there is news."""
        source = feed.source
        try:
            latest = source.told(self._redis, said, feed.sequence) if said else None
            if latest is None:
                async with asyncio.timeout(READ_WITHIN):  # a connection may hang without an end
                    latest = await source.read(self._redis, feed.sequence)
        except Exception as error:  # whatever is away comes back; the watchers stay
            _log.warning("live picture not read", source=repr(feed.source), error=repr(error))
            return RETRY
        if latest is None:
            return RETRY
        feed.show(latest)
        return feed.source.rest(latest)
