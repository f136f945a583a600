"""One execution for many: whoever asks the same and may see the same is told by one execution.

The execution runs as nobody in particular (`Caller.unnamed`), so that what it tells cannot depend
on whose subscription came first; whoever sees anything else has another key.
"""

import asyncio
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import msgspec
from strawberry.types.execution import ExecutionResult

from domain import callers
from schema import base, errors, root

FURTHEST_BEHIND = 1_000  # facts a subscriber may be behind before it has to resume
_HELD_BYTES = 1_000_000  # of the facts held for those who are behind
_IN_A_ROW = 500  # subscribers told before others of the process get a turn

_encode = msgspec.json.Encoder().encode

Payload: TypeAlias = dict[str, Any]
Context = Callable[[callers.Caller | None, int | None, str], base.Context]


@dataclass(frozen=True, slots=True)
class Asked:
    """A subscription, and all that decides what it is told.

    `document` is the digest of the parsed `query`; `variables`, those declared, are canonical JSON.
    """

    query: str = field(compare=False)
    document: bytes
    operation_name: str | None
    variables: str
    visible_to: callers.Caller | None
    language: str
    resume_after: int | None
    is_gauge: bool
    has_start: bool  # it wants to be told, first, what came after some point
    by_time: bool = False  # its marks are instants: see schema.updates


@dataclass(frozen=True, slots=True)
class Event:
    """A result as JSON; `mark` is where it may be resumed, None where it cannot."""

    payload: bytes
    mark: int | None


class FellBehindError(Exception):
    """The next event is held no more."""


class Subscription(ABC):
    """A subscriber, and its place among the events once it has joined them."""

    __slots__ = ("_mark", "_position", "share")

    share: "Share"

    @abstractmethod
    def wake(self) -> None:
        """There is something to take."""

    def join(self, share: "Share", position: int) -> None:
        self.share = share
        self._position = position
        self._mark = share.mark if position == share.count else None
        share.subscriptions.add(self)

    def take(self) -> Event | None:
        """The next event (of a gauge: the latest); None where it has had them all.

        Raises FellBehindError, of facts, rather than leave any out.
        """
        share = self.share
        if self._position == share.count:
            return None
        oldest = share.count - len(share.events)
        if self._position < oldest:
            if not share.asked.is_gauge:
                raise FellBehindError
            self._position = oldest
        event = share.events[self._position - oldest]
        self._position += 1
        self._mark = event.mark
        if share.taken is not None:
            share.taken.set()
        return event

    @property
    def is_told_all(self) -> bool:
        """Whether it has taken all there is, and more may come."""
        return self._position == self.share.count and self.share.faults is None

    @property
    def mark(self) -> int | None:
        """What it has been told up to: the last that it took, or where it came in."""
        return self.share.start if self._mark is None else self._mark

    @property
    def behind(self) -> int:
        """How many events it has not taken yet."""
        return self.share.count - self._position

    @property
    def faults(self) -> list[Payload] | None:
        """Once all is over and taken: the errors it ended with, none where it was completed."""
        return None if self.behind else self.share.faults


class Share:
    """An execution, the events somebody may still have to take, and who takes them."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.events: deque[Event] = deque()
        self.count = 0
        self.faults: list[Payload] | None = None
        self.subscriptions: set[Subscription] = set()
        self.task: asyncio.Task[None] | None = None
        self.taken: asyncio.Event | None = None  # where `room` waits for it
        self.context: base.Context | None = None
        self.mark: int | None = None  # of the last event
        self._most = 1 if asked.is_gauge else FURTHEST_BEHIND
        self._bytes = 0

    @property
    def start(self) -> int | None:
        """What its events come after; None where that is not known, or cannot be asked for."""
        start = None if self.context is None else self.context.start
        return self.asked.resume_after if start is None else start

    def add(self, event: Event) -> None:
        self.events.append(event)
        self.mark = event.mark
        self.count += 1
        self._bytes += len(event.payload)
        while len(self.events) > self._most or (self._bytes > _HELD_BYTES and len(self.events) > 1):
            self._bytes -= len(self.events.popleft().payload)

    def first_position(self) -> int | None:
        """Where one who comes now begins; None where it has missed what it asks for."""
        if self.asked.is_gauge:
            return max(0, self.count - 1)
        if not self.asked.has_start:
            return self.count
        return 0 if self.count == len(self.events) else None

    async def room(self) -> None:
        """Waits while even the fastest is far behind: a long past is told as fast as it is read."""
        while self._is_half_full() and self.subscriptions:
            if min(one.behind for one in self.subscriptions) <= len(self.events) // 2:
                return
            self.taken = asyncio.Event()
            await self.taken.wait()
            self.taken = None

    def _is_half_full(self) -> bool:
        return not self.asked.is_gauge and (
            len(self.events) > FURTHEST_BEHIND // 2 or self._bytes > _HELD_BYTES // 2
        )

    async def tell(self) -> None:
        """Wakes all; a slow one holds nobody up, since waking never waits."""
        for number, subscription in enumerate(list(self.subscriptions), 1):
            if subscription in self.subscriptions:
                subscription.wake()
            if number % _IN_A_ROW == 0:
                await asyncio.sleep(0)


class Hub:
    """The executions of this process. `context` makes one's context: of its caller, of the point
    it is resumed after, of its language."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._shares: dict[Asked, Share] = {}

    def subscribe(self, asked: Asked, subscription: Subscription) -> None:
        """Joins the execution of the like, or starts it. Its events are there to take at once."""
        share = self._shares.get(asked)
        position = None if share is None else share.first_position()
        if share is None or position is None:
            share, position = Share(asked), 0
            self._shares[asked] = share
            share.task = asyncio.create_task(self._run(share))
        subscription.join(share, position)

    def leave(self, subscription: Subscription) -> None:
        share = subscription.share
        share.subscriptions.discard(subscription)
        if not share.subscriptions:
            self._forget(share)
            if share.task is not None:
                share.task.cancel()

    def _forget(self, share: Share) -> None:
        if self._shares.get(share.asked) is share:
            del self._shares[share.asked]

    async def _run(self, share: Share) -> None:
        try:
            faults = await self._execute(share)
        except Exception as error:
            message, extensions = errors.masked(error, share.asked.language)
            faults = [{"message": message, "extensions": extensions}]
        self._forget(share)
        share.faults = faults
        await share.tell()

    async def _execute(self, share: Share) -> list[Payload]:
        """Adds the results; returns the errors of what could not be executed."""
        asked = share.asked
        context = share.context = self._context(
            asked.visible_to, asked.resume_after, asked.language
        )
        async with aclosing(await _results(asked, context)) as results:
            async for result in results:
                if errors.not_executed(result):
                    return [dict(error.formatted) for error in result.errors or ()]
                share.add(Event(encoded(result), context.mark))
                await share.tell()
                await share.room()
        return []


async def _results(asked: Asked, context: base.Context) -> AsyncGenerator[ExecutionResult, None]:
    results = await root.api.stream(
        asked.query,
        variable_values=json.loads(asked.variables),
        context_value=context,
        operation_name=asked.operation_name,
    )
    return cast("AsyncGenerator[ExecutionResult, None]", results)


def encoded(result: ExecutionResult) -> bytes:
    """A result as JSON; without `data` where nothing was executed."""
    payload: Payload = {} if errors.not_executed(result) else {"data": result.data}
    if result.errors:
        payload["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        payload["extensions"] = result.extensions
    try:
        return _encode(payload)
    except UnicodeEncodeError:  # half a character that somebody sent, in an error's message
        return json.dumps(payload, separators=(",", ":")).encode()
