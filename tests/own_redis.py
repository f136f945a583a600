"""A Redis of a test's own, to be killed and started again, empty or with what it saved."""

import asyncio
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from programs import free_port
from redis.asyncio import Redis
from redis.exceptions import RedisError

from runtime import child, embedded_processes


class OwnRedis:
    """`save` keeps its state for the next start; otherwise it starts as it was saved last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> Self:
        """Until it answers."""
        self._run()
        async with asyncio.timeout(10), Redis.from_url(self.url) as client:
            while not await _answers(client):  # noqa: ASYNC110 - it tells nobody when
                await asyncio.sleep(0.01)
        return self

    def _run(self) -> None:
        binary = str(embedded_processes.valkey_binary())
        options = ("--port", str(self.port), "--dir", str(self.folder), "--save", "")
        self.process = subprocess.Popen(
            child.command(binary, "--bind", "127.0.0.1", *options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    async def save(self) -> None:
        async with Redis.from_url(self.url) as client:
            await client.save()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


async def _answers(client: Redis) -> bool:
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False


@asynccontextmanager
async def own_redis() -> AsyncIterator[OwnRedis]:
    with tempfile.TemporaryDirectory(prefix="cb-redis-") as folder:
        redis = OwnRedis(Path(folder))
        try:
            yield await redis.start()
        finally:
            redis.kill()
