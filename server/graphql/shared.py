"""Shares executions: equal subscriptions of callers with equal rights use one execution.

The execution runs without an identity (`Caller.without_identity`), so that its events do not depend
on which subscription was first. Callers with other rights have another key.
"""

import asyncio
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from strawberry.types.execution import ExecutionResult

from domain.identity import callers
from models import pool_shares
from schema import root
from schema.engine import base, encoding, errors

MAX_EVENTS_BEHIND = 1_000  # facts; a subscriber that is further behind has to resume
_MAX_BUFFERED_BYTES = 1_000_000  # of the facts that are buffered for slow subscribers
_WAKES_PER_TURN = 500  # then other tasks get a turn


Payload: TypeAlias = dict[str, Any]
Context = Callable[[callers.Caller | None, int | None, str], base.Context]


@dataclass(frozen=True, slots=True)
class SubscriptionKey:
    """Everything on which the events of a subscription depend.

    `document` is the digest of the parsed `query`. `variables` are the declared ones as canonical
    JSON.
    """

    query: str = field(compare=False)
    document: bytes
    operation_name: str | None
    variables: str
    visible_to: callers.Caller | None
    language: str
    resume_after: int | None
    is_gauge: bool
    has_start: bool  # whether it first receives the events since a given point
    by_time: bool = False  # its marks are instants: see schema.updates
    starts_with_latest: bool = False  # without a given point, it first receives the latest event
    payer: callers.Caller | None = field(default=None, compare=False)  # the caller that is charged


@dataclass(frozen=True, slots=True)
class Event:
    """A result as JSON. `mark` is the point to resume after; None if there is none."""

    payload: bytes
    mark: int | None


class FellBehindError(Exception):
    """The next event is no longer buffered."""


class Subscription(ABC):
    """A subscriber and its position among the events of an execution."""

    __slots__ = ("_mark", "_position", "execution")

    execution: "SharedExecution"

    @abstractmethod
    def wake(self) -> None:
        """Notifies the subscriber that there are events to take."""

    def join(self, execution: "SharedExecution", position: int) -> None:
        self.execution = execution
        self._position = position
        self._mark = execution.mark if position == execution.count else None
        execution.subscriptions.add(self)

    def take(self) -> Event | None:
        """The next event (of a gauge: the latest), or None if there is none.

        Raises FellBehindError if facts would be skipped.
        """
        execution = self.execution
        if self._position == execution.count:
            return None
        oldest = execution.count - len(execution.events)
        if self._position < oldest:
            if not execution.key.is_gauge:
                raise FellBehindError
            self._position = oldest
        event = execution.events[self._position - oldest]
        self._position += 1
        self._mark = event.mark
        if execution.event_taken is not None:
            execution.event_taken.set()
        return event

    @property
    def has_taken_all(self) -> bool:
        """Whether it has taken all events and more may follow."""
        return self._position == self.execution.count and self.execution.faults is None

    @property
    def mark(self) -> int | None:
        """The mark of the last event that it took, or the start."""
        return self.execution.start if self._mark is None else self._mark

    @property
    def behind(self) -> int:
        """The number of events that it has not taken yet."""
        return self.execution.count - self._position

    @property
    def faults(self) -> list[Payload] | None:
        """The errors with which the execution ended, once all events are taken; None before.

        Empty if it completed.
        """
        return None if self.behind else self.execution.faults


class SharedExecution:
    """An execution, its subscribers, and the events that some of them have not taken."""

    def __init__(self, key: SubscriptionKey) -> None:
        self.key = key
        self.events: deque[Event] = deque()
        self.count = 0
        self.faults: list[Payload] | None = None
        self.subscriptions: set[Subscription] = set()
        self.task: asyncio.Task[None] | None = None
        self.event_taken: asyncio.Event | None = None  # set while `wait_for_readers` waits
        self.context: base.Context | None = None
        self.mark: int | None = None  # of the last event
        self._max_events = 1 if key.is_gauge else MAX_EVENTS_BEHIND
        self._bytes = 0

    @property
    def start(self) -> int | None:
        """The point before its first event; None if it is unknown or cannot be resumed."""
        start = None if self.context is None else self.context.progress.start
        return self.key.resume_after if start is None else start

    def add(self, event: Event) -> None:
        self.events.append(event)
        self.mark = event.mark
        self.count += 1
        self._bytes += len(event.payload)
        while len(self.events) > self._max_events or (
            self._bytes > _MAX_BUFFERED_BYTES and len(self.events) > 1
        ):
            self._bytes -= len(self.events.popleft().payload)

    def first_position(self) -> int | None:
        """The position of a new subscriber; None if it has missed events that it requests."""
        if self.key.is_gauge or (self.key.starts_with_latest and not self.key.has_start):
            return max(0, self.count - 1)
        if not self.key.has_start:
            return self.count
        return 0 if self.count == len(self.events) else None

    async def wait_for_readers(self) -> None:
        """Waits while even the fastest subscriber is far behind.

        So a long history is not read faster than clients read it.
        """
        while self._is_half_full() and self.subscriptions:
            if (
                min(subscription.behind for subscription in self.subscriptions)
                <= len(self.events) // 2
            ):
                return
            self.event_taken = asyncio.Event()
            await self.event_taken.wait()
            self.event_taken = None

    def _is_half_full(self) -> bool:
        return not self.key.is_gauge and (
            len(self.events) > MAX_EVENTS_BEHIND // 2 or self._bytes > _MAX_BUFFERED_BYTES // 2
        )

    async def notify(self) -> None:
        """Wakes all subscribers. A slow one does not delay others, because waking never waits."""
        for number, subscription in enumerate(list(self.subscriptions), 1):
            if subscription in self.subscriptions:
                subscription.wake()
            if number % _WAKES_PER_TURN == 0:
                await asyncio.sleep(0)


class Hub:
    """The executions of this process. `context` creates an execution's context from its caller, the
    mark after which it resumes, and its language."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._executions: dict[SubscriptionKey, SharedExecution] = {}

    def subscribe(self, key: SubscriptionKey, subscription: Subscription) -> None:
        """Joins the execution with an equal key, or starts one."""
        execution = self._executions.get(key)
        position = None if execution is None else execution.first_position()
        if execution is None or position is None:
            execution, position = SharedExecution(key), 0
            self._executions[key] = execution
            execution.task = asyncio.create_task(self._run(execution))
        subscription.join(execution, position)

    def leave(self, subscription: Subscription) -> None:
        execution = subscription.execution
        execution.subscriptions.discard(subscription)
        if not execution.subscriptions:
            self._remove(execution)
            if execution.task is not None:
                execution.task.cancel()

    def _remove(self, execution: SharedExecution) -> None:
        if self._executions.get(execution.key) is execution:
            del self._executions[execution.key]

    async def _run(self, execution: SharedExecution) -> None:
        caller = execution.key.visible_to
        group, member = (caller.account_id, caller.customer_id) if caller else (None, None)
        try:
            with pool_shares.use_for(pool_shares.Purpose.LIVE, group, member):
                faults = await self._execute(execution)
        except Exception as error:
            message, extensions = errors.mask(error, execution.key.language)
            faults = [{"message": message, "extensions": extensions}]
        self._remove(execution)
        execution.faults = faults
        await execution.notify()

    async def _execute(self, execution: SharedExecution) -> list[Payload]:
        """Adds the results as events. Returns the errors if the operation could not be executed."""
        key = execution.key
        context = execution.context = self._context(key.visible_to, key.resume_after, key.language)
        context.bill.payer = key.payer
        async with aclosing(await _stream(key, context)) as results:
            async for result in results:
                if errors.not_executed(result):
                    return [dict(error.formatted) for error in result.errors or ()]
                execution.add(Event(encode(result), context.progress.mark))
                await execution.notify()
                await execution.wait_for_readers()
        return []


async def _stream(
    key: SubscriptionKey, context: base.Context
) -> AsyncGenerator[ExecutionResult, None]:
    results = await root.api.stream(
        key.query,
        variable_values=json.loads(key.variables),
        context_value=context,
        operation_name=key.operation_name,
    )
    return cast("AsyncGenerator[ExecutionResult, None]", results)


def encode(result: ExecutionResult) -> bytes:
    """A result as JSON; without `data` if nothing was executed."""
    payload = _payload(result)
    try:
        return encoding.encode_at_once(payload)
    except UnicodeEncodeError:
        return _encode_lone_surrogates(payload)


async def encode_in_slices(result: ExecutionResult) -> bytes:
    """As `encode`, for a result that may be long."""
    payload = _payload(result)
    try:
        return await encoding.encode(payload)
    except UnicodeEncodeError:
        return _encode_lone_surrogates(payload)


def _payload(result: ExecutionResult) -> Payload:
    payload: Payload = {} if errors.not_executed(result) else {"data": result.data}
    if result.errors:
        payload["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        payload["extensions"] = result.extensions
    return payload


def _encode_lone_surrogates(payload: Payload) -> bytes:
    """Escapes lone surrogates, which an error message can repeat from the client's input."""
    return json.dumps(payload, separators=(",", ":"), default=encoding.to_plain).encode()
