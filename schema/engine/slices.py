"""Completes lists in slices, so that other tasks get the event loop in between."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")
V = TypeVar("V")

BATCH_SIZE = 50  # items whose resolvers run concurrently and share statements
_SLICE_SECONDS = 0.002  # of work before other tasks get a turn


class _Turns:
    """Limits the slices of an event loop to _SLICE_SECONDS per turn in total."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._granted_at = 0.0

    async def pause(self) -> None:
        if time.perf_counter() - self._granted_at <= _SLICE_SECONDS:
            return
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._grant)
        waiting = loop.create_future()
        self._waiting.append(waiting)
        await waiting

    def _grant(self) -> None:
        """Lets the slice that has waited longest work in the next turn."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():  # done: its task was canceled
                self._granted_at = time.perf_counter()
                waiting.set_result(None)
                break
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._grant)


_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns] = WeakKeyDictionary()


async def pause() -> None:
    """Gives other tasks a turn if this slice has used its time."""
    await _turns.setdefault(asyncio.get_running_loop(), _Turns()).pause()


async def transform(items: Iterable[T], function: Callable[[T], V]) -> list[V]:
    """The results of the function for all items."""
    results = []
    for number, item in enumerate(items):
        results.append(function(item))
        if number % 32 == 31:
            await pause()
    return results


async def complete(
    items: Sequence[Any],
    start: Callable[[Any, int, list[Any]], bool],
    gather: Callable[[Sequence[Any]], Any],
    cancel: Callable[[list[Any]], None],
) -> list[Any]:
    """The completed items.

    `start` appends an item's value to the list and returns whether it has to be awaited. `gather`
    awaits values together. `cancel` ends values that are no longer needed.
    """
    completed: list[Any] = []
    awaited: list[int] = []
    for number, item in enumerate(items):
        try:
            if start(item, number, completed):
                awaited.append(number)
        except Exception:
            cancel([completed[at] for at in awaited])
            raise
        if len(awaited) == BATCH_SIZE or (awaited and number == len(items) - 1):
            values = await gather([completed[at] for at in awaited])
            for at, value in zip(awaited, values, strict=True):
                completed[at] = value
            awaited = []
        if not awaited:
            await pause()
    return completed


async def complete_one_by_one(
    items: AsyncGenerator[Any, None], start: Callable[[Any, int, list[Any]], bool]
) -> list[Any]:
    """As `complete`, but generates each item only after the previous one is completed.

    Fewer objects exist at once, which shortens the pauses of the garbage collector.
    """
    completed: list[Any] = []
    async with aclosing(items):
        async for item in items:
            if start(item, len(completed), completed):
                completed[-1] = await completed[-1]
            await pause()
    return completed
