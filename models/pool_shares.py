"""The shares of a process's database connections: each purpose has a part of the pool.

So no load of queries keeps ingest or pushes from a connection. Work without a purpose, such as that
of the worker, uses the whole pool.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from domain import refusals
from models import turn_queue

WAIT_TIMEOUT_SECONDS = 5.0  # for a free connection of the share
MIN_POOL_SIZE = 4  # of a process with several purposes


class Purpose(StrEnum):
    """INGEST: requests of switches. LIVE: pushes and the look-up of callers. QUERY: operations."""

    INGEST = "INGEST"
    LIVE = "LIVE"
    QUERY = "QUERY"


@dataclass(frozen=True, slots=True)
class _Use:
    purpose: Purpose
    holder: turn_queue.Holder


_use: ContextVar[_Use | None] = ContextVar("lane", default=None)
# Whether the task has a connection. It gets another without waiting, or it could wait for itself.
_has_connection: ContextVar[bool] = ContextVar("has_one", default=False)


@contextmanager
def use_for(
    purpose: Purpose | None, group: Hashable = None, member: Hashable = None
) -> Iterator[None]:
    """Statements inside the block, and in tasks created inside it, have this purpose. None: they
    use the whole pool."""
    use = None if purpose is None else _Use(purpose, turn_queue.Holder(group, member))
    token = _use.set(use)
    try:
        yield
    finally:
        _use.reset(token)


def sizes(pool: int) -> dict[Purpose, int]:
    """Connections of each purpose. They add up to the pool if it has at least MIN_POOL_SIZE.

    Ingest has at least two: a request may hold one connection while it waits for rates.
    """
    live = max(1, pool // 5)
    ingest = max(2, (pool - live) // 2)
    return {
        Purpose.INGEST: ingest,
        Purpose.LIVE: live,
        Purpose.QUERY: max(1, pool - live - ingest),
    }


class PoolShares:
    """The shares of one pool. If a share has two or more connections, one account never has all of
    them, and one customer at most half."""

    def __init__(self, pool: int) -> None:
        self._turns = {
            purpose: turn_queue.Turns(_limits(size), turn_queue.WaitLimits(WAIT_TIMEOUT_SECONDS))
            for purpose, size in sizes(pool).items()
        }

    async def enter(self) -> "Place | None":
        """Waits for a place among the connections of the current purpose.

        Raises TimeoutError; refuses BUSY if the purpose is QUERY.
        """
        use = _use.get()
        if use is None or _has_connection.get():
            return None
        try:
            await self._turns[use.purpose].enter(use.holder)
        except turn_queue.BusyError:
            raise _busy_error(use.purpose) from None
        _has_connection.set(True)
        return Place(self._turns[use.purpose], use.holder)


@dataclass(frozen=True, slots=True)
class Place:
    """A place among the connections of a purpose."""

    share: turn_queue.Turns
    holder: turn_queue.Holder


def leave(place: Place | None) -> None:
    if place is not None:
        _has_connection.set(False)
        place.share.leave(place.holder)


def _limits(size: int) -> turn_queue.Limits:
    return turn_queue.Limits(size, max(1, size - 1), max(1, size // 2))


def _busy_error(purpose: Purpose) -> Exception:
    if purpose is not Purpose.QUERY:
        return TimeoutError(f"no database connection for {purpose} within {WAIT_TIMEOUT_SECONDS} s")
    return refusals.TemporaryRefusal(
        "BUSY",
        "Too many operations wait for the database. Try again in {seconds} seconds.",
        seconds=5,
    )
