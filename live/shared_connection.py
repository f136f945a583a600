"""One Redis connection for all readers of the live state, one command at a time.

A pool checks at each use whether its connection is still open, and a client with a timeout creates
a task for each command. These are most of the cost of a small read.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis


class SharedConnection(Redis):
    """Sets no timeout, because the caller does.

    A canceled command, or a lost connection, closes the connection; the next command opens it
    again. Supports single commands only: no pipelines, no subscriptions.
    """

    def __init__(self, like: Redis) -> None:
        super().__init__(connection_pool=like.connection_pool)
        self._connection: Any = like.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        self._connection.socket_timeout = None
        self._turn = asyncio.Lock()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        async with self._turn:
            await self._connection.send_command(*args)
            return await self._connection.read_response()

    async def disconnect(self) -> None:
        await self._connection.disconnect(nowait=True)


@asynccontextmanager
async def open_connection(like: Redis) -> AsyncIterator[SharedConnection]:
    """Yields a connection to the server of `like`. It opens with the first command."""
    connection = SharedConnection(like)
    try:
        yield connection
    finally:
        await connection.disconnect()
