"""A Redis of one test, which kills it and starts it again, empty or with its saved data."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from runtime import child, embedded_processes
from tests.support.programs import free_port


class OwnRedis:
    """`save` stores its state for the next start; otherwise it starts with the last stored
    state."""

    def __init__(self, folder: Path, program: str | None = None) -> None:
        self.folder = folder
        self.program = program or str(embedded_processes.valkey_binary())
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
        options = ("--port", str(self.port), "--dir", str(self.folder), "--save", "")
        self.process = subprocess.Popen(
            child.command(self.program, "--bind", "127.0.0.1", *options),
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


async def program_of(url: str) -> str:
    """The program that answers at this URL, as it is installed on this machine."""
    async with Redis.from_url(url) as client:
        executable = (await client.info("server"))["executable"]
    program = shutil.which(executable) or shutil.which(Path(executable).name)
    assert program, f"{executable} of {url} is not on this machine: use -n 0"
    return program


@asynccontextmanager
async def own_redis(program: str | None = None) -> AsyncIterator[OwnRedis]:
    with tempfile.TemporaryDirectory(prefix="cb-redis-") as folder:
        redis = OwnRedis(Path(folder), program)
        try:
            yield await redis.start()
        finally:
            redis.kill()
