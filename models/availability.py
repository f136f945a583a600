"""Whether the database can be used now. The log gets one line for each change and no others."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import asyncpg

from models.faults import Condition, UnavailableError

_CHECK_INTERVAL_SECONDS = 1.0  # while the database cannot be used
_CHECK_TIMEOUT_SECONDS = 3.0

_IS_READ_ONLY = """
SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean
"""
# Writes pages to the database's disk, in a temporary table that is dropped with the transaction.
# Used only after the disk has failed.
_WRITE_PROBE = """
SET LOCAL temp_tablespaces = '';
CREATE TEMPORARY TABLE callboard_disk_check ON COMMIT DROP AS
SELECT repeat('x', 1900) FROM generate_series(1, 100)
"""

_log = logging.getLogger("models.availability")
_log.addHandler(logging.NullHandler())  # without a log, the command reports its own error

Acquire = Callable[[], AbstractAsyncContextManager[Any]]


class Monitor:
    """The condition of one pool's database.

    Users of the pool report failures. The monitor then checks the server itself until it can be
    used again. `renew` reopens all connections of the pool, because a connection that was opened
    while the server was read-only may stay read-only.
    """

    def __init__(self, acquire: Acquire, renew: Callable[[], None]) -> None:
        self._acquire = acquire
        self._renew = renew
        self._condition = Condition.AVAILABLE
        self._checking: asyncio.Task[None] | None = None
        self._is_closed = False

    def report(self, error: UnavailableError) -> None:
        """Records the failure of a statement or connection."""
        if self._is_closed or error.condition is None:
            return
        self._set(error.condition, str(error))

    async def check(self) -> Condition:
        """Checks whether the server accepts writes, without storing a row."""
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT_SECONDS), self._acquire() as conn:
                if await conn.fetchval(_IS_READ_ONLY):
                    self._set(Condition.READ_ONLY, "it is a standby or set to read-only")
                    return self._condition
                if self._condition is Condition.DISK_FAILED:
                    await _probe_write(conn)
        except TimeoutError:
            self._set(
                Condition.UNREACHABLE, f"it does not answer within {_CHECK_TIMEOUT_SECONDS:.0f} s"
            )
        except UnavailableError:
            pass  # reported
        else:
            self._set(Condition.AVAILABLE, "")
        return self._condition

    async def close(self) -> None:
        self._is_closed = True
        if self._checking is not None:
            self._checking.cancel()
            with suppress(asyncio.CancelledError):
                await self._checking

    def _set(self, condition: Condition, reason: str) -> None:
        if condition is Condition.READ_ONLY:
            self._renew()
        if condition is self._condition:
            return
        self._condition = condition
        if condition is Condition.AVAILABLE:
            _log.warning("database available again")
            return
        _log.warning("database unavailable: %s (%s)", condition, reason.strip(". "))
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check_until_available())

    async def _check_until_available(self) -> None:
        while self._condition is not Condition.AVAILABLE:
            await asyncio.sleep(_CHECK_INTERVAL_SECONDS)
            await self.check()


async def _probe_write(conn: Any) -> None:
    with suppress(asyncpg.InsufficientPrivilegeError):  # then the next real write shows more
        async with conn.transaction():
            await conn.execute(_WRITE_PROBE)
