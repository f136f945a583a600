"""Up to when sums include the records that were acknowledged."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

MAX_AGE = timedelta(seconds=120)


@dataclass(frozen=True, slots=True)
class Freshness:
    """Every record acknowledged before `as_of` is included. `is_stale`: that is long ago."""

    as_of: datetime
    is_stale: bool

    @classmethod
    def of(cls, oldest_mark: datetime | None, now: datetime) -> Self:
        """`oldest_mark`: when the oldest record that may not be included was received; None: all
        are. Read it before the sums, or with them in one statement."""
        as_of = now if oldest_mark is None else min(oldest_mark, now)
        return cls(as_of, now - as_of > MAX_AGE)
