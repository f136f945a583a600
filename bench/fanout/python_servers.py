"""Code that the compared Python servers share: Callboard's uvicorn settings and a Redis
listener."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn
from redis.asyncio import Redis

from runtime.settings import Settings
from server.cli import serve

PREFIX = "bench:"  # of a topic, before the customer's id

Tell = Callable[[str, bytes], None]


def run(app: Any, port: int) -> None:
    config = serve.config(Settings(), host="127.0.0.1", port=port)
    config.app = app
    uvicorn.Server(config).run()


@asynccontextmanager
async def listen(redis_url: str, tell: Tell) -> AsyncIterator[None]:
    """Calls `tell` with each message and its customer."""
    task = asyncio.create_task(_listen(redis_url, tell))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _listen(redis_url: str, tell: Tell) -> None:
    async with Redis.from_url(redis_url) as redis, redis.pubsub() as messages:
        await messages.psubscribe(PREFIX + "*")
        async for message in messages.listen():
            if message["type"] == "pmessage":
                tell(message["channel"].decode().removeprefix(PREFIX), message["data"])
