"""Fair scheduling of work, with limits in total, per group and per member.

The next waiting item is of the group whose last turn is the longest ago, and of the member in that
group whose last turn is the longest ago.
"""

from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Holder:
    """The owner of work: a group, such as an account, and a member, such as a customer."""

    group: Hashable
    member: Hashable = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The number of items that may run at once: in total, per group, per member."""

    total: int
    group: int
    member: int


class Turns(Generic[T]):
    """Counts running items and queues waiting items."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._groups: Counter[Hashable] = Counter()
        self._members: Counter[Holder] = Counter()
        # In order: the first had its turn the longest ago.
        self._waiting: dict[Hashable, dict[Holder, deque[T]]] = {}
        self._waiting_of: Counter[Holder] = Counter()
        self._waiting_in: Counter[Hashable] = Counter()
        self._running = self._number_waiting = 0

    def count(self, holder: Holder) -> int:
        """The number of the holder's items that run or wait."""
        return self._members[holder] + self._waiting_of[holder]

    def count_group(self, group: Hashable) -> int:
        """The number of the group's items that run or wait."""
        return self._groups[group] + self._waiting_in[group]

    def total(self) -> int:
        """The number of items that run or wait."""
        return self._running + self._number_waiting

    def begin(self, holder: Holder) -> bool:
        """Starts an item of the holder, and returns whether it did. If not, call `wait`."""
        if self._is_full() or not self._is_below_limits(holder):
            return False
        self._start(holder)
        return True

    def wait(self, holder: Holder, item: T) -> None:
        members = self._waiting.setdefault(holder.group, {})
        members.setdefault(holder, deque()).append(item)
        self._waiting_of[holder] += 1
        self._waiting_in[holder.group] += 1
        self._number_waiting += 1

    def leave(self, holder: Holder, item: T) -> None:
        """Removes a waiting item."""
        self._waiting[holder.group][holder].remove(item)
        self._count_removed(holder)

    def displace(self, holder: Holder) -> T | None:
        """Removes a waiting item in favor of the holder's, and returns it.

        It is the last item of the group with the most waiting items, if the holder's group has at
        least two fewer. In the holder's own group, the same applies to its members. None if none
        has two more.
        """
        if not self._waiting:
            return None
        group = max(self._waiting, key=self._waiting_in.__getitem__)
        most = max(self._waiting[group], key=self._waiting_of.__getitem__)
        lead = self._waiting_in[group] - self._waiting_in[holder.group]
        if group == holder.group:
            lead = self._waiting_of[most] - self._waiting_of[holder]
        if lead < 2:
            return None
        item = self._waiting[group][most].pop()
        self._count_removed(most)
        return item

    def end(self, holder: Holder) -> list[T]:
        """Ends an item of the holder, and returns the items that start in its place."""
        self._running -= 1
        _subtract(self._groups, holder.group)
        _subtract(self._members, holder)
        started_turns: list[T] = []
        while not self._is_full() and (next_holder := self._next()) is not None:
            started_turns.append(self._waiting[next_holder.group][next_holder].popleft())
            self._count_removed(next_holder)
            self._start(next_holder)
        return started_turns

    def _is_full(self) -> bool:
        return self._running >= self._limits.total

    def _is_below_limits(self, holder: Holder) -> bool:
        limits = self._limits
        return self._groups[holder.group] < limits.group and self._members[holder] < limits.member

    def _start(self, holder: Holder) -> None:
        self._running += 1
        self._groups[holder.group] += 1
        self._members[holder] += 1
        members = self._waiting.pop(holder.group, None)
        if members is not None:  # move the group and member to the end
            if holder in members:
                members[holder] = members.pop(holder)
            self._waiting[holder.group] = members

    def _next(self) -> Holder | None:
        """The next holder below its limits."""
        for group, members in self._waiting.items():
            if self._groups[group] < self._limits.group:
                for holder in members:
                    if self._members[holder] < self._limits.member:
                        return holder
        return None

    def _count_removed(self, holder: Holder) -> None:
        """Counts one waiting item less."""
        self._number_waiting -= 1
        _subtract(self._waiting_of, holder)
        _subtract(self._waiting_in, holder.group)
        members = self._waiting[holder.group]
        if not members[holder]:
            del members[holder]
        if not members:
            del self._waiting[holder.group]


def _subtract(counter: Counter[T], name: T) -> None:
    counter[name] -= 1
    if not counter[name]:
        del counter[name]
