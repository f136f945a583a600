"""What the database's errors mean to a caller."""

import asyncpg
from tortoise.exceptions import DBConnectionError

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


class OvertakenError(Exception):
    """Another transaction wrote what this one had looked for and not found."""


# Two transactions were in each other's way: the whole transaction again.
COLLISION: tuple[type[Exception], ...] = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
    OvertakenError,
)

NoPartition = asyncpg.CheckViolationError
Taken = asyncpg.UniqueViolationError
