"""Server CPU per pushed message of `liveChannels`, against a bare fan-out of encoded text.

The web process is the real one. The baseline is a Starlette app on the same uvicorn settings that
sends one string, of the same length, to as many sockets: no GraphQL, no Redis, no reading of
state. CPU is user and system time of the server's process (Linux: /proc).
Run: `./callboard bench push [sockets] [pushes]`.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from domain import callers, calls, tokens
from live import channels
from models import credentials, db, people
from runtime import clock, embedded

_TICK = os.sysconf("SC_CLK_TCK")
_SECRET = "b" * 43
_EVERY = 0.25  # seconds between pushes: no two are coalesced
QUERY = """subscription { liveChannels { sequence asOf inUse limit cps
    byCarrier { carrier { id name } inUse } } }"""

Push = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Measured:
    messages: int
    cpu: float  # seconds
    length: int  # characters of a message

    @property
    def microseconds(self) -> float:
        return 1e6 * self.cpu / self.messages


async def measure(sockets: list[ClientConnection], pid: int, push: Push, pushes: int) -> Measured:
    """Pushes at an even pace, reads all that comes, and takes the process's CPU over it."""
    heard, length, all_heard = 0, 0, asyncio.Event()

    async def listen(connection: ClientConnection) -> None:
        nonlocal heard, length
        async for text in connection:
            heard, length = heard + 1, len(text)
            if heard == pushes * len(sockets):
                all_heard.set()

    listening = [asyncio.create_task(listen(one)) for one in sockets]
    await asyncio.sleep(1)
    heard, before = 0, _cpu(pid)
    for number in range(pushes):
        await push(number)
        await asyncio.sleep(_EVERY)
    async with asyncio.timeout(60):
        await all_heard.wait()
    cpu = _cpu(pid) - before
    for task in listening:
        task.cancel()
    return Measured(heard, cpu, length)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


# The real thing ------------------------------------------------------------------------------


async def callboard(urls: embedded.Urls, count: int, pushes: int) -> Measured:
    now = clock.now()
    account = await people.insert_account("Bench", now)
    key = await credentials.insert_key(
        account.id,
        name="bench",
        scopes=[callers.Scope.LIVE_READ],
        customer_id=None,
        secret_hash=tokens.digest(_SECRET),
        now=now,
    )
    carrier = await people.insert_carrier(
        account.id, reference="a", name="Carrier A", currency="EUR", sip_uri=None, now=now
    )
    token = tokens.Token(account.id, tokens.Of.KEY, key.id, _SECRET)
    redis = Redis.from_url(urls.redis_url)

    async def push(number: int) -> None:
        at = clock.now()
        start = calls.LiveEvent(
            calls.EventType.START, "edge-1", f"call-{number}", 0, 1, carrier.id, at, at, True,
            None, 3600,
        )  # fmt: skip
        await channels.apply(redis, account.id, [start], at)

    environment = {
        "CALLBOARD_DATABASE_URL": urls.database_url,
        "CALLBOARD_REDIS_URL": urls.redis_url,
        "CALLBOARD_SECRET_KEY": "a key for measuring alone, long enough",
    }
    with _process("server.cli", "serve", environment=environment) as (pid, port):
        async with _opened(port, "/graphql", count, "graphql-transport-ws") as sockets:
            await asyncio.gather(*(_subscribe(one, str(token)) for one in sockets))
            measured = await measure(sockets, pid, push, pushes)
    await redis.aclose()
    return measured


async def _subscribe(connection: ClientConnection, token: str) -> None:
    init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
    await connection.send(json.dumps(init))
    await connection.recv()
    subscribe = {"id": "1", "type": "subscribe", "payload": {"query": QUERY}}
    await connection.send(json.dumps(subscribe))
    await connection.recv()


# The baseline --------------------------------------------------------------------------------


async def bare(count: int, pushes: int, length: int) -> Measured:
    with _process("bench.push", "baseline") as (pid, port):

        async def push(number: int) -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"POST /push?length={length} HTTP/1.0\r\n\r\n".encode())
            await reader.read()
            writer.close()

        async with _opened(port, "/", count, "bare") as sockets:
            return await measure(sockets, pid, push, pushes)


def serve_baseline(port: int) -> None:
    sockets: set[WebSocket] = set()

    async def hold(connection: WebSocket) -> None:
        await connection.accept("bare")
        sockets.add(connection)
        await connection.receive()
        sockets.discard(connection)

    async def push(request: Request) -> Response:
        text = "x" * int(request.query_params["length"])
        for connection in list(sockets):
            await connection.send({"type": "websocket.send", "text": text})
        return Response()

    app = Starlette(routes=[Route("/push", push, methods=["POST"]), WebSocketRoute("/", hold)])
    uvicorn.run(
        app,
        port=port,
        loop="uvloop",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )


# Processes and sockets -----------------------------------------------------------------------


@contextmanager
def _process(
    *arguments: str, environment: dict[str, str] | None = None
) -> Iterator[tuple[int, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    module, command = arguments
    process = subprocess.Popen(
        [sys.executable, "-m", module, command, "--port", str(port)],
        env=os.environ | (environment or {}),
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def _opened(
    port: int, path: str, count: int, protocol: str
) -> AsyncIterator[list[ClientConnection]]:
    url = f"ws://127.0.0.1:{port}{path}"
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.1)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                connect(
                    url,
                    subprotocols=[Subprotocol(protocol)],
                    compression=None,
                    ping_interval=None,
                    close_timeout=1,
                )
            )
            for _ in range(count)
        ]


async def main(count: int, pushes: int) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="cb-bench-") as folder,
        embedded.servers(Path(folder), durable=False) as urls,
    ):
        await db.open_database(urls.database_url)
        await db.migrate()
        real = await callboard(urls, count, pushes)
        await db.close_database()
    baseline = await bare(count, pushes, real.length)
    for name, measured in [("liveChannels", real), ("bare fan-out", baseline)]:
        print(
            f"{name}: {measured.microseconds:.0f} µs of CPU a message"
            f" ({measured.messages} messages of {measured.length} characters to {count} sockets,"
            f" {timedelta(seconds=round(measured.cpu, 2))} in all)"
        )
    print(f"ratio: {real.microseconds / baseline.microseconds:.1f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["baseline"]:
        serve_baseline(int(sys.argv[3]))
    else:
        numbers = [int(argument) for argument in sys.argv[1:]]
        asyncio.run(main(*(numbers + [500, 32][len(numbers) :])))
