"""The meaning of the database's errors to a caller."""

from collections.abc import Collection
from enum import StrEnum

import asyncpg
from tortoise.exceptions import DBConnectionError

from domain.records.revisions import Hour


class Condition(StrEnum):
    """Whether the database can be used, and if not, the reason."""

    AVAILABLE = "AVAILABLE"
    READ_ONLY = "READ_ONLY"  # a standby, or set to read-only
    DISK_FAILED = "DISK_FAILED"  # full, or failing
    UNREACHABLE = "UNREACHABLE"  # stopped, starting, or without a free connection


# By the start of the SQLSTATE. Nothing was stored, and a retry may succeed later. None: the
# statement met a limit or was canceled, and other statements may succeed.
_CONDITIONS: dict[str, Condition | None] = {
    "08": Condition.UNREACHABLE,  # connection exceptions
    "25006": Condition.READ_ONLY,
    "53100": Condition.DISK_FAILED,
    "53300": Condition.UNREACHABLE,  # too many connections
    "53": None,  # out of memory, a configured limit
    "57P": Condition.UNREACHABLE,  # shut down, starting, dropped
    "57": None,  # canceled
    "58": Condition.DISK_FAILED,  # input or output failed
}

# Errors without a SQLSTATE: no server answered, or the connection was lost between statements.
_NO_ANSWER_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    DBConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class UnavailableError(Exception):
    """The database cannot be reached or cannot store anything now. `condition` is that of the
    database; None if only this statement failed."""

    def __init__(self, cause: BaseException, condition: Condition | None) -> None:
        super().__init__(str(cause) or repr(cause))
        self.condition = condition


def as_unavailable(error: BaseException) -> UnavailableError | None:
    """The error as an UnavailableError; None if it does not mean that the database is unavailable.

    Tortoise wraps some errors of the server. A time-out is not an answer of the server.
    """
    for cause in (error, error.__cause__):
        if isinstance(cause, UnavailableError):
            return cause
        if isinstance(cause, asyncpg.PostgresError) and cause.sqlstate is not None:
            for beginning, condition in _CONDITIONS.items():
                if cause.sqlstate.startswith(beginning):
                    return UnavailableError(cause, condition)
    # A ValueError means that asyncpg could not send a value of a parameter.
    if isinstance(error, _NO_ANSWER_ERRORS) and not isinstance(error, TimeoutError | ValueError):
        return UnavailableError(error, Condition.UNREACHABLE)
    return None


def cannot_store(error: Exception) -> bool:
    """Whether the database would refuse every other write too."""
    unavailable = as_unavailable(error)
    conditions = (Condition.READ_ONLY, Condition.DISK_FAILED)
    return unavailable is not None and unavailable.condition in conditions


# Raised by `db.connection` and `db.transaction` if the database is unavailable or does not answer
# in time.
UNAVAILABLE_ERRORS: tuple[type[Exception], ...] = (UnavailableError, TimeoutError)


def is_unavailable(error: Exception) -> bool:
    return isinstance(error, UNAVAILABLE_ERRORS)


class ConcurrentInsertError(Exception):
    """Another transaction inserted a row after this one had not found it."""


class CurrencyChangedError(Exception):
    """Records were read for a customer whose currency has changed since."""


class FrozenHoursError(Exception):
    """Records would enter or leave hours that can no longer change."""

    def __init__(self, hours: Collection[Hour]) -> None:
        super().__init__(hours)
        self.hours = frozenset(hours)


class RatesChangedError(Exception):
    """Records were rated by rates that have changed since. Rate them again."""


# The records depend on references that have changed. Read the references and check them again.
REFERENCES_CHANGED_ERRORS: tuple[type[Exception], ...] = (CurrencyChangedError, RatesChangedError)

# Two transactions collided. Run the whole transaction again.
COLLISION_ERRORS: tuple[type[Exception], ...] = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.UniqueViolationError,
    ConcurrentInsertError,
)

# The connection has no session of its own: a statement runs in another session than the one that
# prepared it, or waits for a session.
NO_SESSION_ERRORS: tuple[type[Exception], ...] = (
    TimeoutError,
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
)

NoPartitionError = asyncpg.CheckViolationError
KeyTakenError = asyncpg.UniqueViolationError
