"""The last complete states that this process has shown, for times when Redis has none."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Protocol, Self, TypeVar

MAX_STATES = 10_000  # about half a kilobyte each


class Completable(Protocol):
    @property
    def sequence(self) -> int: ...

    @property
    def complete(self) -> bool: ...

    def as_incomplete(self, sequence: int) -> Self:
        """The same figures, marked as incomplete, with another sequence."""


S = TypeVar("S", bound=Completable)


class LastStates:
    """Last complete states by their scope. The least recently stored are dropped first."""

    def __init__(self, max_states: int = MAX_STATES) -> None:
        self._states: OrderedDict[Hashable, Any] = OrderedDict()
        self._max_states = max_states

    def select_state(self, key: Hashable, state: S | None) -> S | None:
        """The state if it is complete, which is then stored; else the last one that was, as
        incomplete. None: there was none."""
        if state is not None and state.complete:
            self._store(key, state)
            return state
        last: S | None = self._states.get(key)
        if last is None:
            return None
        return last.as_incomplete(max(last.sequence + 1, state.sequence if state else 0))

    def _store(self, key: Hashable, state: Completable) -> None:
        self._states[key] = state
        self._states.move_to_end(key)
        if len(self._states) > self._max_states:
            self._states.popitem(last=False)
