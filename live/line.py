"""One connection to Redis for all who read the live picture, one after the other.

A pool asks each time whether its connection still lives, and a client that bounds its waiting makes
a task of every command: of a small read that is most of the cost.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis


class Line(Redis):
    """Waits for an answer without end: whoever asks says for how long.

    A command that was broken off, or finds the connection lost, ends it; the next one opens it
    anew. Only commands that are executed one by one: no pipelines, no listening.
    """

    def __init__(self, like: Redis) -> None:
        super().__init__(connection_pool=like.connection_pool)
        self._line: Any = like.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        self._line.socket_timeout = None
        self._turn = asyncio.Lock()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        async with self._turn:
            await self._line.send_command(*args)
            return await self._line.read_response()

    async def hang_up(self) -> None:
        await self._line.disconnect(nowait=True)


@asynccontextmanager
async def opened(like: Redis) -> AsyncIterator[Line]:
    """To where `like` is connected; connects at the first command."""
    line = Line(like)
    try:
        yield line
    finally:
        await line.hang_up()
