"""The order of rebuilds: recent hours first, accounts in turn, failing hours ever later.

A round visits some accounts. Each gives a share of its recent hours, then, once these are rebuilt,
a share of its older ones. Rounds are short, so that a backfill holds up a live hour for one round.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

from domain import periods

RECENT_SPAN = timedelta(hours=3)  # before the current hour
ACCOUNTS_PER_ROUND = 32
_FIRST_DELAY = timedelta(seconds=15)
_MAX_DELAY = timedelta(hours=1)

T = TypeVar("T")


class Place(NamedTuple):
    """A marked hour of an account, in the order in which walks pass them, backwards."""

    hour: datetime
    customer_id: int


class Step(NamedTuple):
    """A place that a walk comes to; `waits` if the hour failed and is not yet due again."""

    place: Place
    waits: bool


@dataclass(frozen=True, slots=True)
class Share:
    """How many hours a round takes of all its accounts, and at least of each."""

    total: int
    least: int

    def of(self, accounts: int) -> int:
        return max(self.least, self.total // accounts)


RECENT_SHARE = Share(total=96, least=8)
OLDER_SHARE = Share(total=48, least=2)


@dataclass(slots=True)
class Walk:
    """One account's marked hours, from the newest to the oldest, then from the newest again.

    It passes hours that wait and hours that other workers hold, so these block no other hour. It
    does not go back for hours marked meanwhile, so no hour waits longer than two walks.
    """

    after: Place | None = None
    is_idle: bool = False  # the last complete walk rebuilt nothing
    _fruitless: bool = False  # since it started at the newest hour

    def restart_idleness(self) -> None:
        self.is_idle = self._fruitless = False

    def advance(
        self, steps: Sequence[Step], tried: Collection[Place], *, ends: bool, rebuilt: bool
    ) -> None:
        """Up to the first step that should have been tried and was not, since time was up."""
        self._fruitless = (self._fruitless or self.after is None) and not rebuilt
        for place, waits in steps:
            if not waits and place not in tried:
                return
            self.after = place
        if ends:
            self.after, self.is_idle = None, self._fruitless


@dataclass(slots=True)
class Walks:
    recent: Walk = field(default_factory=Walk)
    older: Walk = field(default_factory=Walk)


@dataclass(slots=True)
class Turns:
    """Which accounts come next, and how far each has come. A process keeps it between jobs."""

    walks: dict[int, Walks] = field(default_factory=dict)
    _last: int = 0

    def start_job(self) -> None:
        for walks in self.walks.values():
            walks.recent.restart_idleness()
            walks.older.restart_idleness()

    def next_accounts(self, marked: Sequence[int]) -> list[int]:
        """Of the accounts with marks, in order of id, those that come after the last round's."""
        self.walks = {account: self.walks.get(account) or Walks() for account in marked}
        at = bisect_right(marked, self._last)
        accounts = [*marked[at:], *marked[:at]][:ACCOUNTS_PER_ROUND]
        if accounts:
            self._last = accounts[-1]
        return accounts

    def put_first(self, account: int) -> None:
        """In the next round, since this one had no time for any hour of it."""
        self._last = account - 1

    def are_idle(self) -> bool:
        """Whether every account's hours were all walked by, and none could be rebuilt."""
        return all(walks.recent.is_idle and walks.older.is_idle for walks in self.walks.values())


def recent_from(now: datetime) -> datetime:
    """The first hour that is recent."""
    return periods.hour_of(now) - RECENT_SPAN


def delay_after(failures: int) -> timedelta:
    """15 s after the first failure, twice as long after each further one, at most an hour."""
    return min(_FIRST_DELAY * (1 << min(failures - 1, 20)), _MAX_DELAY)


def take_turns(queues: Sequence[Sequence[T]]) -> list[T]:
    """The first of each queue, then the second of each, and so on, without repetitions."""
    longest = max(map(len, queues), default=0)
    return list(dict.fromkeys(q[n] for n in range(longest) for q in queues if n < len(q)))


def group_by_customer(hours: Iterable[tuple[int, Place]]) -> list[list[tuple[int, Place]]]:
    """(account, place) pairs in groups of one customer each, both in the order given.

    The hours of one customer are rebuilt one after another, different customers at once.
    """
    groups: dict[tuple[int, int], list[tuple[int, Place]]] = {}
    for account, place in hours:
        groups.setdefault((account, place.customer_id), []).append((account, place))
    return list(groups.values())
