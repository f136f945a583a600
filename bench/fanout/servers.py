"""The servers that are measured, each as a process on a core of its own, and how to push to one."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from socket import socket
from urllib.parse import urlsplit

from redis.asyncio import Redis

from bench.fanout import account, meter, python_servers
from bench.support import node_packages
from domain.records import calls
from live import channels
from runtime import child, clock
from runtime.settings import ROOT

CALLBOARD = "Callboard"

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_LEASE_SECONDS = 3_600

# Makes a topic (by its position) show that many calls.
Push = Callable[[int, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    process: subprocess.Popen[bytes]
    port: int
    push: Push

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> float:
        """Seconds it took to end after a SIGTERM; killed where it does not."""
        began = time.monotonic()
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return time.monotonic() - began


# Callboard -----------------------------------------------------------------------------------


@asynccontextmanager
async def callboard(of: account.Account) -> AsyncIterator[Server]:
    """The real web process; a push is a call that a switch says has started."""
    environment = {
        "CALLBOARD_DATABASE_URL": of.urls.database_url,
        "CALLBOARD_REDIS_URL": of.urls.redis_url,
        "CALLBOARD_SECRET_KEY": "a key for measuring alone, long enough",
        "CALLBOARD_LOG_LEVEL": "WARNING",
    }
    async with Redis.from_url(of.urls.redis_url) as redis:
        await redis.flushdb()

        async def push(topic: int, number: int) -> None:
            at = clock.now()
            carrier = of.carriers[number % len(of.carriers)]
            await channels.apply(
                redis, of.id, [_start(of.customers[topic], carrier, number, at)], at
            )

        command = [sys.executable, "-P", "-m", "server.cli", "serve", "--port"]
        async with _running(CALLBOARD, command, [], environment, push) as server:
            yield server


async def fill(of: account.Account, topics: int, calls_each: int) -> None:
    """Each topic shows that many calls, spread over all carriers."""
    at = clock.now()
    async with Redis.from_url(of.urls.redis_url) as redis:
        for customer in of.customers[:topics]:
            events = [
                _start(customer, of.carriers[number % len(of.carriers)], number, at)
                for number in range(1, calls_each + 1)
            ]
            await channels.apply(redis, of.id, events, at)


def _start(customer: int, carrier: int, number: int, at: datetime) -> calls.LiveEvent:
    call = f"call-{customer}-{number}"
    kind = calls.EventType.START
    return calls.LiveEvent(
        kind, "edge-1", call, 0, customer, carrier, at, at, True, None, _LEASE_SECONDS
    )


# The compared --------------------------------------------------------------------------------


def bare(of: account.Account) -> AbstractAsyncContextManager[Server]:
    return _python("bare fan-out", "bench.fanout.bare", of)


def plain(of: account.Account) -> AbstractAsyncContextManager[Server]:
    return _python("plain Strawberry", "bench.fanout.plain", of)


@asynccontextmanager
async def yoga(of: account.Account) -> AsyncIterator[Server]:
    parts = urlsplit(of.urls.redis_url)
    redis_url = parts.path if parts.scheme == "unix" else of.urls.redis_url
    command = await asyncio.to_thread(node_packages.command, "yoga.mjs")
    environment = {"NODE_ENV": "production"}
    async with Redis.from_url(of.urls.redis_url) as redis:
        push = _published(redis, of)
        async with _running("yoga", command, [redis_url], environment, push) as server:
            yield server


@asynccontextmanager
async def _python(name: str, module: str, of: account.Account) -> AsyncIterator[Server]:
    command = [sys.executable, "-P", "-m", module]
    async with Redis.from_url(of.urls.redis_url) as redis:
        push = _published(redis, of)
        async with _running(name, command, [of.urls.redis_url], {}, push) as server:
            yield server


def _published(redis: Redis, of: account.Account) -> Push:
    """Publishes what Callboard would show, whole, to the customer's topic."""
    topics = of.topics
    carrier = {"id": topics[0].replace("Customer", "Carrier"), "name": "Carrier 0"}

    async def push(topic: int, number: int) -> None:
        at = clock.now()
        state = {
            "sequence": int(at.timestamp() * 1e6),
            "asOf": at.isoformat().replace("+00:00", "Z"),
            "inUse": number,
            "limit": 100_000,
            "cps": 0.1,
            "byCarrier": [{"carrier": carrier, "inUse": number}],
        }
        message = json.dumps(state, separators=(",", ":"))
        await redis.publish(python_servers.PREFIX + topics[topic], message)

    return push


# Processes -----------------------------------------------------------------------------------


@asynccontextmanager
async def _running(
    name: str, command: list[str], arguments: list[str], environment: dict[str, str], push: Push
) -> AsyncIterator[Server]:
    port = _free_port()
    process = _started([*command, str(port), *arguments], environment)
    server = Server(name, process, port, push)
    try:
        await _answering(server)
        yield server
    finally:
        await asyncio.to_thread(server.stop)


def _started(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with meter.on_core(meter.SERVER_CORE):
        return subprocess.Popen(
            child.command(*command),
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
        )


async def _answering(server: Server) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        except OSError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{server.name} does not start") from None
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return


def _free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
