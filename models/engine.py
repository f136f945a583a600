"""Tortoise's asyncpg engine with a limit on every wait for a PostgreSQL that does not answer.

asyncpg limits a statement by `command_timeout`. By default it then waits as long again for the
server to acknowledge the cancellation, during a rollback and the release to the pool. No time-out
of the caller can end these waits.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from tortoise.backends.asyncpg import client
from tortoise.backends.base.client import PoolConnectionWrapper, TransactionContextPooled
from tortoise.connection import get_connections

from models import availability, faults, pool_shares

CONNECT_TIMEOUT_SECONDS = 5.0
ACQUIRE_TIMEOUT_SECONDS = (
    10.0  # seconds for a connection of the pool to be free, or opened, and to begin
)
CANCEL_TIMEOUT_SECONDS = 1.0  # seconds for the server to acknowledge
CLOSE_TIMEOUT_SECONDS = 0.5  # seconds for what is under way to end

# Compiling a statement over many partitions takes far longer than running it. It is set here and
# not in the start-up message, because PgBouncer refuses that parameter.
_SESSION_SETTINGS = "SET jit = off"


class Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships without types
    """Ends itself if the server does not acknowledge a cancelled statement in time.

    The pool then reopens all of its connections, because the others use the same network path.
    """

    engine: "Client"

    def _cancel_current_command(self, sent: Any, acknowledged: Any) -> None:
        super()._cancel_current_command(sent, acknowledged)
        self._loop.call_later(CANCEL_TIMEOUT_SECONDS, self._terminate_unless, acknowledged)

    def _terminate_unless(self, acknowledged: "asyncio.Future[None]") -> None:
        if not acknowledged.done():
            self.terminate()
            self.engine.replace_connections()


class Client(client.AsyncpgDBClient):
    connection_class = Connection
    pool_shares: pool_shares.PoolShares

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.monitor = availability.Monitor(self._acquire_outside_shares, self.replace_connections)

    @asynccontextmanager
    async def _acquire_outside_shares(self) -> AsyncIterator[Any]:
        """Outside the shares: a wait for a share says nothing about the server."""
        with pool_shares.use_for(None):
            async with self.acquire_connection() as connection:
                yield connection

    async def create_pool(self, **options: Any) -> Any:
        self.lanes = pool_shares.PoolShares(options["max_size"])

        async def begin(connection: Connection) -> None:
            connection.engine = self
            await connection.execute(_SESSION_SETTINGS)

        return await super().create_pool(init=begin, **options)

    def replace_connections(self) -> None:
        self._expiring = asyncio.create_task(self._expire_connections())

    def acquire_connection(self) -> PoolConnectionWrapper[Any]:
        return _AcquiredConnection(self, self._pool_init_lock)

    def _in_transaction(self) -> TransactionContextPooled:
        return _Transaction(_InTransaction(self), self._pool_init_lock)

    def raise_unavailable(self, error: BaseException | None) -> None:
        """Raises `faults.UnavailableError` and reports it to the monitor, if the error means that
        the database is unavailable."""
        unavailable = None if error is None else faults.as_unavailable(error)
        if unavailable is not None:
            self.monitor.report(unavailable)
            raise unavailable from error

    async def _close(self) -> None:
        await self.monitor.close()
        if self._pool is not None:
            with suppress(TimeoutError):  # asyncpg has aborted the statements by then
                async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                    await self._pool.close()
            self._pool = None


client_class = Client  # the name that Tortoise looks for


class _InTransaction(client.TransactionWrapper):
    async def _translate_exceptions(self, func: Any, *args: Any, **options: Any) -> Any:
        """Translates an error of a read-only database first: Tortoise reports it as a misused
        transaction and does not roll back."""
        try:
            return await super()._translate_exceptions(func, *args, **options)
        except Exception as error:
            unavailable = faults.as_unavailable(error)
            if unavailable is None:
                raise
            raise unavailable from error


class _AcquiredConnection(PoolConnectionWrapper[Any]):
    __slots__ = ("_place",)

    client: Any  # a Client

    async def __aenter__(self) -> Any:
        self._place = None
        try:
            async with asyncio.timeout(ACQUIRE_TIMEOUT_SECONDS):
                await self.ensure_connection()
                self._place = await self.client.lanes.enter()
                return await super().__aenter__()
        except BaseException as error:
            pool_shares.leave(self._place)
            self.client.raise_unavailable(error)
            raise

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        except Exception as other:
            self.client.raise_unavailable(other)
            raise
        finally:
            pool_shares.leave(self._place)
        self.client.raise_unavailable(error)


class _Transaction(TransactionContextPooled):
    __slots__ = ("_place",)

    client: Any  # _InTransaction, of a Client
    token: Any  # of the context that the transaction is in; None once it is left

    async def __aenter__(self) -> Any:
        self._place = None
        try:
            async with asyncio.timeout(ACQUIRE_TIMEOUT_SECONDS):
                await self.ensure_connection()
                self._place = await self.client._parent.lanes.enter()
                return await super().__aenter__()
        except BaseException as error:
            self._undo_failed_begin()
            pool_shares.leave(self._place)
            self.client._parent.raise_unavailable(error)
            raise

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        # Tortoise leaves the transaction's context after it has released the connection. If the
        # release fails, the task would use the released connection for everything that follows.
        token, self.token = self.token, None
        try:
            await super().__aexit__(kind, error, trace)
        except Exception as other:
            self.client._parent.raise_unavailable(other)
            raise
        finally:
            get_connections().reset(token)
            pool_shares.leave(self._place)
        self.client._parent.raise_unavailable(error)

    def _undo_failed_begin(self) -> None:
        """Releases the context and connection that Tortoise keeps after a failed BEGIN."""
        if hasattr(self, "token"):
            get_connections().reset(self.token)
        if self.client._connection is not None:
            with suppress(
                asyncpg.InterfaceError
            ):  # the connection was lost and is back in the pool
                self.client._connection.terminate()
