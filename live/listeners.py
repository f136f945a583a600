"""The consumers of a topic of `live.bus`: a loop over its changes, or a callback."""

import asyncio
from collections.abc import Callable
from typing import Self


class Listener:
    """Iterates each time the state has to be read: immediately, then after changes.

    It may skip changes, but never the last one.

    Yields the payload of the last change; None if there was no message. Ends when the bus closes.
    """

    def __init__(self, min_interval: float, max_interval: float) -> None:
        self._min_interval = min_interval
        self.max_interval = max_interval  # seconds; may be changed during the iteration
        self._changed = asyncio.Event()
        self._changed.set()
        self._payload: bytes | None = None
        self._closed = False
        self._last = float("-inf")

    def wake(self, payload: bytes | None = None) -> None:
        self._payload = payload
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
        self._changed.clear()  # a change from now on belongs to the next iteration
        self._last = loop.time()
        return self._payload


class Callback:
    """Calls a function for each message; a `Listener` may skip messages."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change

    def wake(self, payload: bytes | None = None) -> None:
        self._on_change()

    def close(self) -> None:
        pass
