"""The time of an event loop that each caller used recently.

A caller that has used more than its quota is slowed down while others have work.
"""

from collections.abc import Hashable
from dataclasses import dataclass

_RECOVERY_SECONDS = 30.0  # until a caller is below its quota again, whatever it used


@dataclass(frozen=True, slots=True)
class Quota:
    """Seconds of the loop: at most `burst` at once, replenished by `per_second`."""

    burst: float
    per_second: float


class Usage:
    """The usage of one caller or of an account."""

    __slots__ = ("_at", "_quota", "_seconds")

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._seconds = self._at = 0.0

    def seconds(self, now: float) -> float:
        """The used seconds that are not replenished yet."""
        return max(0.0, self._seconds - self._quota.per_second * (now - self._at))

    def add(self, seconds: float, now: float) -> None:
        limit = self._quota.burst + _RECOVERY_SECONDS * self._quota.per_second
        self._seconds = min(limit, self.seconds(now) + seconds)
        self._at = now

    def exceeds_quota(self, now: float) -> bool:
        return self.seconds(now) > self._quota.burst


class Usages:
    """Usages by name. Those without used seconds are removed."""

    def __init__(self, quota: Quota, forget_above: int = 10_000) -> None:
        self._quota = quota
        self._limit = self._forget_above = forget_above
        self._by_name: dict[Hashable, Usage] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def of(self, name: Hashable, now: float) -> Usage:
        usage = self._by_name.get(name)
        if usage is None:
            if len(self._by_name) >= self._limit:
                self._forget(now)
            usage = self._by_name[name] = Usage(self._quota)
        return usage

    def _forget(self, now: float) -> None:
        used = {name: usage for name, usage in self._by_name.items() if usage.seconds(now) > 0}
        self._by_name = used
        self._limit = max(self._forget_above, 2 * len(used))
