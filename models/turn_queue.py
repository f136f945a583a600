"""Work that waits for its turn in this process, for a bounded time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from domain import turns

Holder = turns.Holder
Limits = turns.Limits


class BusyError(Exception):
    """No turn became free in time, or too much work waits."""


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """How long work may wait, and how much work of a holder, of a group and in total may run or
    wait. If all places are taken, a group with fewer waiting displaces work of the group with the
    most."""

    seconds: float
    max_of_holder: int = 1_000_000
    max_of_group: int = 1_000_000
    max_total: int = 1_000_000


class Turns:
    """Turns for the work of one process; see `domain.turns`."""

    def __init__(self, limits: Limits, wait_limits: WaitLimits) -> None:
        self._turns: turns.Turns[asyncio.Future[None]] = turns.Turns(limits)
        self._limits = wait_limits

    @asynccontextmanager
    async def turn(self, holder: Holder, *, more: int = 0) -> AsyncIterator[None]:
        """Raises BusyError. `more` is the holder's reserve: that much more may wait in total."""
        await self.enter(holder, more=more)
        try:
            yield
        finally:
            self.leave(holder)

    async def enter(self, holder: Holder, *, more: int = 0) -> None:
        """Returns when the turn begins; `leave` ends it. Raises BusyError."""
        if self._turns.begin(holder):
            return
        queue, limits = self._turns, self._limits
        if (
            queue.count(holder) >= limits.max_of_holder
            or queue.count_group(holder.group) >= limits.max_of_group
        ):
            raise BusyError
        if queue.total() >= limits.max_total + more:
            displaced = queue.displace(holder)
            if displaced is None:
                raise BusyError
            displaced.set_exception(BusyError())
        await self._wait(holder)

    async def _wait(self, holder: Holder) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.wait(holder, turn)
        try:
            async with asyncio.timeout(self._limits.seconds):
                await asyncio.shield(turn)
        except BaseException as error:
            if not turn.done():
                self._turns.leave(holder, turn)
            elif turn.exception() is None:  # its turn came while it was cancelled
                self.leave(holder)
            if isinstance(error, TimeoutError):
                raise BusyError from None
            raise

    def leave(self, holder: Holder) -> None:
        for turn in self._turns.end(holder):
            turn.set_result(None)
