"""What the database's errors mean to a caller."""

from collections.abc import Collection

import asyncpg
from tortoise.exceptions import DBConnectionError

from domain.revisions import Hour

# It cannot be reached, is starting, stopping or full: nothing was stored for sure; try again.
AWAY: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    DBConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InternalClientError,  # a connection was cut between two statements
)


def is_away(error: Exception) -> bool:
    """Whether it is of AWAY, and not a value of ours that asyncpg could not send."""
    return isinstance(error, AWAY) and not isinstance(error, ValueError)


class OvertakenError(Exception):
    """Another transaction wrote what this one had looked for and not found."""


class CurrencyChangedError(Exception):
    """Records were read for a customer that is billed in another currency by now."""


class FrozenHoursError(Exception):
    """Records would enter or leave hours that can no longer change."""

    def __init__(self, hours: Collection[Hour]) -> None:
        super().__init__(hours)
        self.hours = frozenset(hours)


class RatesChangedError(Exception):
    """Records were rated by rates that have changed since; rate them again."""


# The records say what was true when their references were read: read those and check them again.
REFERENCES_CHANGED: tuple[type[Exception], ...] = (CurrencyChangedError, RatesChangedError)

# Two transactions were in each other's way: the whole transaction again.
COLLISION: tuple[type[Exception], ...] = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
    OvertakenError,
)

# A connection has no session of its own: a statement is run in another one than that in which it
# was prepared, or waits for one.
NO_SESSION: tuple[type[Exception], ...] = (
    TimeoutError,
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
)

NoPartition = asyncpg.CheckViolationError
Taken = asyncpg.UniqueViolationError
