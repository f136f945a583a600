"""Changes of a transaction that have follow-ups, passed on after its commit.

The statements record them, so that the author of a mutation need not. A rollback has no follow-ups,
nor has a change outside `follow_with`: workers and commands find pending work in the tables.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Set
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias


class Work(StrEnum):
    """Rows that a worker has to process."""

    MARKS = "marks"
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class AuditedChange:
    """A change with an audit log entry. `customer_id` is None if it concerns no customer."""

    account_id: int
    customer_id: int | None
    at: datetime


Change: TypeAlias = Work | AuditedChange
Follow: TypeAlias = Callable[[Set[Change]], Awaitable[None]]

_follow: ContextVar[Follow | None] = ContextVar("follow", default=None)
_recorded: ContextVar[set[Change] | None] = ContextVar("recorded_changes", default=None)


@contextmanager
def follow_with(follow: Follow) -> Iterator[None]:
    """Calls `follow` with the changes of each transaction of the block, after its commit."""
    token = _follow.set(follow)
    try:
        yield
    finally:
        _follow.reset(token)


def record(change: Change) -> None:
    """Raises RuntimeError if `follow_with` applies and no transaction is open."""
    recorded = _recorded.get()
    if recorded is not None:
        recorded.add(change)
    elif _follow.get() is not None:
        raise RuntimeError(f"no transaction is open for {change!r}")


@asynccontextmanager
async def collect() -> AsyncIterator[None]:
    """Collects the changes of a transaction. An inner one adds its changes to the outer one unless
    it was rolled back."""
    outer, inner = _recorded.get(), set[Change]()
    token = _recorded.set(inner)
    try:
        yield
    finally:
        _recorded.reset(token)
    if outer is not None:
        outer.update(inner)
    elif inner and (follow := _follow.get()):
        await follow(inner)
