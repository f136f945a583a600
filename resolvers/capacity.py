"""Limits concurrent operations. Others wait for their turn in a fair order, for a limited time.

Only a few operations of a customer (or person or key) and of an account run at once, so that the
event loop stays available to others. Of expensive fields, only a few run in a process, and one of a
customer.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from weakref import WeakValueDictionary

from domain import refusals
from domain.identity import callers
from models import turn_queue
from resolvers import loop_share

MAX_EXPENSIVE = 2  # default, per process
MAX_PER_HOLDER = 10  # running or waiting, of one customer, or one person or key of the account
WAIT_SECONDS = 10.0
_RETRY_SECONDS = 5


class Capacity:
    """Turns of the expensive fields of this process."""

    def __init__(self, at_once: int = MAX_EXPENSIVE) -> None:
        limits = turn_queue.Limits(total=at_once, group=max(1, at_once // 2), member=1)
        self._turns = turn_queue.Turns(
            limits, turn_queue.WaitLimits(WAIT_SECONDS, max_of_holder=MAX_PER_HOLDER)
        )

    @asynccontextmanager
    async def turn(self, caller: callers.Caller) -> AsyncIterator[None]:
        """A turn of the caller's customer, or of the person or key. Refuses BUSY."""
        holder = _holder(caller)
        async with aside():
            try:
                await self._turns.enter(holder)
            except turn_queue.BusyError:
                raise _busy() from None
            try:
                yield
            finally:
                self._turns.leave(holder)


# Concurrent operations of signed-in callers: in this process, of an account, and of one customer
# (or one person or key of the account).
_OPERATION_LIMITS = turn_queue.Limits(total=8, group=6, member=2)
_SLOWED_LIMITS = turn_queue.Limits(total=4, group=2, member=1)  # of slowed callers
_MAX_WAIT_SECONDS = 120.0
_WAIT_LIMITS = turn_queue.WaitLimits(_MAX_WAIT_SECONDS, max_of_holder=2_000, max_of_group=5_000)


class Admission:
    """Turns of whole operations. Without them, many concurrent operations would compete for the
    event loop and database connections until all of them are too slow."""

    def __init__(self, share: loop_share.LoopShare) -> None:
        self._share = share
        self._turns = turn_queue.Turns(_OPERATION_LIMITS, _WAIT_LIMITS)
        self._slowed = turn_queue.Turns(_SLOWED_LIMITS, _WAIT_LIMITS)

    @asynccontextmanager
    async def turn(self, caller: callers.Caller | None) -> AsyncIterator[None]:
        """A turn of the caller. Refuses BUSY. An unauthenticated caller does not wait, because
        signing in has its own limits."""
        if caller is None:
            yield
            return
        holder = _holder(caller)
        waiting = self._slowed if self._share.is_slowed(holder) else self._turns
        await _enter(waiting, holder)
        place = _Place(waiting, holder)
        token = _own_place.set(place)
        try:
            yield
        finally:
            _own_place.reset(token)
            place.end()


_UNAUTHENTICATED_GROUP = "not signed in"  # all unauthenticated addresses form one group
# Parsing a long document blocks the event loop for about 10 ms.
_DOCUMENT_LIMITS = turn_queue.Limits(total=1, group=1, member=1)


class Reading:
    """Turns for parsing documents that are not cached. One at a time, so that many new documents do
    not block the event loop."""

    def __init__(self) -> None:
        self._turns = turn_queue.Turns(_DOCUMENT_LIMITS, _WAIT_LIMITS)
        # For each waiting text, an event that is set once a request has parsed it.
        self._read: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, text: str, holder: turn_queue.Holder) -> AsyncIterator[None]:
        """A turn, or the end of the wait if another request has parsed the text. Refuses BUSY."""
        is_read = self._read.setdefault(text, asyncio.Event())
        # In a task, so that each turn lasts until the event loop has run the other waiting tasks.
        entering = asyncio.create_task(_enter(self._turns, holder))
        reading = asyncio.create_task(is_read.wait())
        try:
            await asyncio.wait((entering, reading), return_when=asyncio.FIRST_COMPLETED)
            if entering.done():
                entering.result()
            yield
            is_read.set()
        finally:
            reading.cancel()
            if not entering.cancel() and entering.exception() is None:
                self._turns.leave(holder)


def holder(caller: callers.Caller | None, address: str | None) -> turn_queue.Holder:
    """The holder of turns; that of an unauthenticated caller is its `address`."""
    return turn_queue.Holder(_UNAUTHENTICATED_GROUP, address) if caller is None else _holder(caller)


def _holder(caller: callers.Caller) -> turn_queue.Holder:
    return turn_queue.Holder(caller.account_id, caller.customer_id or caller.actor)


async def _enter(waiting: turn_queue.Turns, holder: turn_queue.Holder) -> None:
    """Waits for a turn. Refuses BUSY."""
    try:
        await waiting.enter(holder)
    except turn_queue.BusyError:
        raise refusals.TemporaryRefusal(
            "BUSY",
            "Too many operations are waiting. Try again in {seconds} seconds.",
            seconds=_RETRY_SECONDS,
        ) from None


@dataclass(slots=True)
class _Place:
    """The turn of an operation. It has none while some of its work waits for a turn of another kind
    or has that turn."""

    place_in: turn_queue.Turns
    holder: turn_queue.Holder
    waits: int = 0
    has_turn: bool = True
    has_ended: bool = False

    def step_aside(self) -> None:
        self.waits += 1
        self._leave()

    async def take_turn_again(self) -> None:
        """Waits for a turn again. Continues without one if too many wait, because part of the work
        is done."""
        self.waits -= 1
        if self._is_placed():
            return
        try:
            await self.place_in.enter(self.holder)
        except turn_queue.BusyError:
            return
        if self._is_placed():  # meanwhile
            self.place_in.leave(self.holder)
        else:
            self.has_turn = True

    def end(self) -> None:
        self.has_ended = True
        self._leave()

    def _is_placed(self) -> bool:
        return self.has_turn or self.has_ended or self.waits > 0

    def _leave(self) -> None:
        if self.has_turn:
            self.has_turn = False
            self.place_in.leave(self.holder)


_own_place: ContextVar[_Place | None] = ContextVar("own_place", default=None)


@asynccontextmanager
async def aside() -> AsyncIterator[None]:
    """Releases the operation's turn inside, because it waits for turns of another kind."""
    place = _own_place.get()
    if place is None:
        yield
        return
    place.step_aside()
    try:
        yield
    except asyncio.CancelledError:
        place.waits -= 1
        raise
    except Exception:
        await place.take_turn_again()
        raise
    await place.take_turn_again()


def _busy() -> refusals.Refusal:
    return refusals.TemporaryRefusal(
        "BUSY",
        "Too many operations are running. Try again in {seconds} seconds, and send fewer of them at"
        " once.",
        seconds=_RETRY_SECONDS,
    )
