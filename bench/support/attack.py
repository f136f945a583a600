"""Sends operations over many connections, each right after the previous response, until it is
ended.

Uses only the standard library, so that it starts quickly in spite of its lowest priority. Run:
`python -m bench.support.attack PORT TOKEN FILE CONNECTIONS`, with a JSON array of bodies in the
file.
"""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

_WITHIN = 60.0


class Http:
    """A keep-alive connection."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token

    async def open(self) -> "Http":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def send(self, path: str, body: bytes | None = None) -> Any:
        """The response's JSON."""
        method = "GET" if body is None else "POST"
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body or b'')}\r\n\r\n"
        )
        self._writer.write(head.encode() + (body or b""))
        async with asyncio.timeout(_WITHIN):
            headers = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(headers.split("content-length:")[1].split("\r\n")[0])
            return json.loads(await self._reader.readexactly(length))

    def close(self) -> None:
        self._writer.close()


def outcome(answer: Any) -> str:
    """The code of the first refusal, or `ok`."""
    for error in answer.get("errors") or ():
        return str(error["extensions"]["code"])
    for value in (answer.get("data") or {}).values():
        if isinstance(value, dict) and "code" in value:
            return str(value["code"])
    return "ok"


async def load(port: int, token: str, path: str, connections: int) -> None:
    """Sends the operations of a file until it is ended, then prints the outcomes."""
    os.nice(19)
    text = await asyncio.to_thread(Path(path).read_text)
    bodies = [body.encode() for body in json.loads(text)]
    outcomes: Counter[str] = Counter()

    async def send(seed: int) -> None:
        order, http = random.Random(seed), await Http(port, token).open()
        while True:
            try:
                outcomes[outcome(await http.send("/graphql", order.choice(bodies)))] += 1
                if outcomes.total() == connections:
                    print("begun", flush=True)
            except (OSError, EOFError, TimeoutError):
                outcomes["no answer"] += 1
                http = await Http(port, token).open()

    tasks = [asyncio.create_task(send(seed)) for seed in range(connections)]
    await asyncio.to_thread(sys.stdin.read)  # until it is closed
    for task in tasks:
        task.cancel()
    print(json.dumps(outcomes))


if __name__ == "__main__":
    port, token, path, connections = sys.argv[1:]
    asyncio.run(load(int(port), token, path, int(connections)))
