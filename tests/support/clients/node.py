"""The client packages of npm, and programs that use them."""

import asyncio
import hashlib
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from runtime.settings import ROOT

HERE = ROOT / "tests/clients"
_WITHIN = 60.0  # seconds for the next line of a program


def install(folder: Path = HERE) -> None:
    """Installs what the package-lock.json of the folder names, unless that is there."""
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / "installed.stamp"
    if not stamp.exists() or stamp.read_text() != digest:
        subprocess.run(["npm", "ci"], cwd=folder, check=True, timeout=300)
        stamp.write_text(digest)


def tell(program: str, *arguments: str) -> Any:
    """The JSON that the program prints."""
    process = subprocess.run(
        ["node", program, *arguments], cwd=HERE, check=True, timeout=120, stdout=subprocess.PIPE
    )
    return json.loads(process.stdout)


class Talk:
    """A running program that receives and sends lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._unheard: list[dict[str, Any]] = []

    def say(self, action: str, **more: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": action} | more).encode() + b"\n")

    def subscribe(self, id: str, query: str, **more: Any) -> None:
        self.say("subscribe", id=id, query=query, **more)

    async def hear(self, event: str, id: str | None = None) -> dict[str, Any]:
        """The next line about that event (of that operation); other lines stay in the queue."""
        async with asyncio.timeout(_WITHIN):
            while True:
                for message in self._unheard:
                    if message["event"] == event and id in (None, message.get("id")):
                        self._unheard.remove(message)
                        return message
                await self._read()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the program has ended"
        self._unheard.append(json.loads(line))

    async def state(self, id: str, in_use: int) -> list[dict[str, Any]]:
        """The operation's `liveChannels`, up to the first with `in_use` calls."""
        states: list[dict[str, Any]] = []
        while not states or states[-1]["inUse"] != in_use:
            result = (await self.hear("next", id))["result"]
            states.append(result["data"]["liveChannels"])
        return states


async def unheard(redis: Redis, topic: str) -> bool:
    """Whether the topic has no listeners in Redis within the time."""
    for _ in range(200):
        [(_, listeners)] = await redis.pubsub_numsub(topic)
        if not listeners:
            return True
        await asyncio.sleep(0.05)
    return False


@asynccontextmanager
async def talking(program: str, *arguments: str) -> AsyncIterator[Talk]:
    process = await asyncio.create_subprocess_exec(
        "node",
        program,
        *arguments,
        cwd=HERE,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Talk(process)
    finally:
        process.kill()
        await process.communicate()
