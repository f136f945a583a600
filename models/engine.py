"""Tortoise's asyncpg engine, but that nobody waits for ever for a PostgreSQL that says nothing.

asyncpg bounds a statement by `command_timeout`; left to itself it then waits as long again for the
server to acknowledge that it was cancelled, in a rollback and on the way back to the pool, both of
which no time-out of the caller's can end.
"""

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg
from tortoise.backends.asyncpg import client
from tortoise.backends.base.client import PoolConnectionWrapper, TransactionContextPooled
from tortoise.connection import get_connections

CONNECT_WITHIN = 5.0  # seconds
FREE_WITHIN = 10.0  # seconds for a connection of the pool to be free, or opened, and to begin
CANCEL_WITHIN = 1.0  # seconds for the server to acknowledge
CLOSE_WITHIN = 0.5  # seconds for what is under way to end

# Compiling a statement over many partitions takes far longer than running it. Set here rather than
# in the start-up message, because PgBouncer refuses a connection whose message has it.
_SET = "SET jit = off"


class Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships without types
    """Ends itself where a cancelled statement is not acknowledged in time.

    The pool then opens all of its connections anew: those beside it went the same way.
    """

    engine: "Client"

    def _cancel_current_command(self, sent: Any, acknowledged: Any) -> None:
        super()._cancel_current_command(sent, acknowledged)
        self._loop.call_later(CANCEL_WITHIN, self._give_up_unless, acknowledged)

    def _give_up_unless(self, acknowledged: "asyncio.Future[None]") -> None:
        if not acknowledged.done():
            self.terminate()
            self.engine.distrust()


class Client(client.AsyncpgDBClient):
    connection_class = Connection

    async def create_pool(self, **options: Any) -> Any:
        async def begin(connection: Connection) -> None:
            connection.engine = self
            await connection.execute(_SET)

        return await super().create_pool(init=begin, **options)

    def distrust(self) -> None:
        self._expiring = asyncio.create_task(self._expire_connections())

    def acquire_connection(self) -> PoolConnectionWrapper[Any]:
        return _Acquired(self, self._pool_init_lock)

    def _in_transaction(self) -> TransactionContextPooled:
        return _Transaction(client.TransactionWrapper(self), self._pool_init_lock)

    async def _close(self) -> None:
        if self._pool is not None:
            with suppress(TimeoutError):  # then asyncpg has cut them off
                async with asyncio.timeout(CLOSE_WITHIN):
                    await self._pool.close()
            self._pool = None


client_class = Client  # where Tortoise looks for it


class _Acquired(PoolConnectionWrapper[Any]):
    async def __aenter__(self) -> Any:
        async with asyncio.timeout(FREE_WITHIN):
            return await super().__aenter__()


class _Transaction(TransactionContextPooled):
    async def __aenter__(self) -> Any:
        try:
            async with asyncio.timeout(FREE_WITHIN):
                return await super().__aenter__()
        except BaseException:
            self._not_begun()
            raise

    def _not_begun(self) -> None:
        """Takes back what Tortoise would leave for good where its BEGIN fails or is cancelled."""
        if hasattr(self, "token"):
            get_connections().reset(self.token)
        if self.client._connection is not None:
            self.client._connection.terminate()
