"""Shares the event loop's time between callers: callers that have used much of it are slowed.

The steps of slowed operations wait for each other. While other requests are running, all slowed
operations together get a part of the loop's time; otherwise they get all of it. The caller that has
used the least is next.
"""

import asyncio
import contextvars
import heapq
import time
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from domain.loop_time import Quota, Usage, Usages
from domain.turns import Holder

T = TypeVar("T")

# The quotas of a customer (or one person or key of the account), and of an account.
_HOLDER_QUOTA, _GROUP_QUOTA = Quota(0.25, 0.1), Quota(1.0, 0.3)
_SLICE_SECONDS = 0.001  # of work of slowed callers before others get a turn
_SLOWED_SHARE = 0.25  # of the loop's time for slowed callers while other requests are running


class _Consumer:
    """An operation. `is_foreground`: slowed callers yield to it."""

    __slots__ = ("group", "is_foreground", "own", "share")

    def __init__(self, share: "LoopShare", own: Usage, group: Usage) -> None:
        self.share, self.own, self.group = share, own, group
        self.is_foreground = False

    def is_slowed(self, now: float) -> bool:
        return self.own.exceeds_quota(now) or self.group.exceeds_quota(now)

    def add(self, seconds: float, now: float) -> None:
        self.own.add(seconds, now)
        self.group.add(seconds, now)


_current: ContextVar[_Consumer | None] = ContextVar("consumer", default=None)


class LoopShare:
    """The share of an event loop. `clock` returns the time, `worked` this thread's processor time,
    in seconds."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        self.clock, self.worked = clock, worked
        self._own, self._groups = Usages(_HOLDER_QUOTA), Usages(_GROUP_QUOTA)
        self._foreground = 0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._credit = _SLICE_SECONDS  # seconds that slowed callers may work before they wait again
        self._worked_until = 0.0
        self._is_granted = False  # whether a waiting consumer has its turn
        self._next: asyncio.Handle | None = None

    @contextmanager
    def foreground(self) -> Iterator[None]:
        """Marks a running request to which slowed callers yield."""
        self._foreground += 1
        try:
            yield
        finally:
            self._leave_foreground()

    async def run(self, holder: Holder, work: Coroutine[Any, Any, T]) -> T:
        """Runs work for the holder and returns its result. All tasks that it creates belong to the
        holder."""
        consumer = self._consumer(holder)
        if not consumer.is_slowed(self.clock()):
            consumer.is_foreground = True
            self._foreground += 1
        token = _current.set(consumer)
        try:
            result: T = await _Steps(work, consumer)
            return result
        finally:
            _current.reset(token)
            self._leave_foreground_of(consumer)

    def is_slowed(self, holder: Holder) -> bool:
        return self._consumer(holder).is_slowed(self.clock())

    async def give_way(self, holder: Holder) -> None:
        """Waits for a turn of the holder if it is slowed."""

        async def nothing() -> None:
            pass

        if self.is_slowed(holder):
            await self.run(holder, nothing())

    async def in_thread(self, holder: Holder, work: Callable[[], T]) -> T:
        """Does long work in a thread, charges it to the holder, and returns its result."""
        result, worked = await asyncio.to_thread(_measured, work)
        self.end(self._consumer(holder), worked, was_granted=False)
        return result

    def _consumer(self, holder: Holder) -> _Consumer:
        now = self.clock()
        return _Consumer(self, self._own.of(holder, now), self._groups.of(holder.group, now))

    def _leave_foreground_of(self, consumer: _Consumer) -> None:
        if consumer.is_foreground:
            consumer.is_foreground = False
            self._leave_foreground()

    def _leave_foreground(self) -> None:
        self._foreground -= 1
        if not self._foreground and self._next is not None:
            self._schedule()

    def must_wait(self, consumer: _Consumer) -> bool:
        if not consumer.is_slowed(self.clock()):
            return False
        self._leave_foreground_of(consumer)
        return self._credit <= 0 or self._is_granted or bool(self._waiting)

    def wait(self, consumer: _Consumer) -> asyncio.Future[None]:
        """A future that is done when the consumer's turn starts; `end` ends the turn."""
        turn = asyncio.get_running_loop().create_future()
        place = (consumer.own.seconds(self.clock()), next(self._numbers), turn)
        heapq.heappush(self._waiting, place)
        if self._next is None and not self._is_granted:
            self._schedule()
        return turn

    def end(self, consumer: _Consumer, worked: float, *, was_granted: bool) -> None:
        """Records the end of a step of the consumer."""
        now = self.clock()
        consumer.add(worked, now)
        if was_granted or consumer.is_slowed(now):
            self._credit -= worked
            self._worked_until = now
        if was_granted:
            self._is_granted = False
            if self._waiting:
                self._schedule()

    def _schedule(self) -> None:
        if self._next is not None:
            self._next.cancel()
        loop, pause = asyncio.get_running_loop(), self._pause()
        if pause > 0:
            self._next = loop.call_later(pause, self._grant)
        else:
            self._next = loop.call_soon(self._grant)

    def _pause(self) -> float:
        """Seconds until slowed callers may work again."""
        if self._credit > 0 or not self._foreground:
            return 0.0
        used = _SLICE_SECONDS - self._credit
        return self._worked_until + used * (1 / _SLOWED_SHARE - 1) - self.clock()

    def _grant(self) -> None:
        """Lets the caller that has used the least work."""
        self._next = None
        if self._credit <= 0:
            self._credit = _SLICE_SECONDS
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():  # done: its task was canceled
                self._is_granted = True
                turn.set_result(None)
                return


class _Steps:
    """A coroutine whose steps are measured. Before each step it waits for its turn if the caller is
    slowed."""

    def __init__(self, work: Coroutine[Any, Any, Any], consumer: _Consumer) -> None:
        self._work, self._consumer = work, consumer

    def __await__(self) -> Generator[Any, None, Any]:
        share, error = self._consumer.share, None
        while True:
            was_granted = False
            if share.must_wait(self._consumer):
                turn = share.wait(self._consumer)
                error = (yield from self._pass_on(turn.__await__())) or error
                was_granted = turn.done() and not turn.cancelled()
            try:
                awaited = self._step(error, was_granted)
            except StopIteration as stop:
                return stop.value
            error = yield from self._pass_on((awaited,))

    def _pass_on(self, awaited: Iterable[Any]) -> Generator[Any, None, BaseException | None]:
        """Waits as the coroutine does; returns what is raised in it."""
        try:
            yield from awaited
        except GeneratorExit:
            self._work.close()
            raise
        except BaseException as error:
            return error
        return None

    def _step(self, error: BaseException | None, was_granted: bool) -> Any:
        share, work = self._consumer.share, self._work
        began = share.worked()
        try:
            return work.send(None) if error is None else work.throw(error)
        finally:
            share.end(self._consumer, share.worked() - began, was_granted=was_granted)


_shares: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopShare] = WeakKeyDictionary()


def of_running_loop() -> LoopShare:
    loop = asyncio.get_running_loop()
    share = _shares.get(loop)
    if share is None:
        share = _shares[loop] = LoopShare()
        loop.set_task_factory(create_task)
    return share


def create_task(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> "asyncio.Task[Any]":
    """A task that belongs to the operation that creates it: it is measured and waits as well."""
    context: contextvars.Context | None = more.get("context")
    consumer = _current.get() if context is None else context.get(_current)
    if consumer is None:
        return asyncio.Task(work, loop=loop, **more)
    return asyncio.Task(_run(_Steps(work, consumer)), loop=loop, **more)


async def _run(steps: _Steps) -> Any:
    return await steps


async def in_thread(work: Callable[[], T]) -> T:
    """Does long work of the current operation in a thread, and returns its result."""
    result, worked = await asyncio.to_thread(_measured, work)
    consumer = _current.get()
    if consumer is not None:
        consumer.share.end(consumer, worked, was_granted=False)
    return result


def _measured(work: Callable[[], T]) -> tuple[T, float]:
    began = time.thread_time()
    return work(), time.thread_time() - began
