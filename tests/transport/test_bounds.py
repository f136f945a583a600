"""A client that does not read, exceeds limits or floods is bounded without affecting others."""

import asyncio
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from graphql import get_introspection_query
from redis.asyncio import Redis

from models import db
from runtime import clock
from tests.support.api.callers import Caller, Carrier
from tests.support.api.sockets import (
    ACK,
    INIT,
    LIVE,
    closed,
    hear,
    open_socket,
    say,
    signed_in,
    subscribe,
)
from tests.support.api.switches import Calls
from tests.support.programs import Program

pytestmark = pytest.mark.once

CUT_WITHIN = 30.0  # seconds
_PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def server(services: Any, api_database: str) -> Iterator[Program]:
    """A web process of its own, that holds three connections a key."""
    environment = {
        "CALLBOARD_DATABASE_URL": api_database,
        "CALLBOARD_REDIS_URL": services.redis_url,
        "CALLBOARD_SECRET_KEY": "a key for tests alone, long enough to sign with",
        "CALLBOARD_SOCKETS_PER_KEY": "3",
    }
    with Program.web(environment) as program:
        yield program


@pytest.fixture
async def account(server: Program, api_redis: Redis) -> Carrier:
    return await Carrier.create(server.url, clock.now())


def _resident(pid: int) -> int:
    """Bytes of memory the process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


class Silent:
    """A TCP client that never reads."""

    def __init__(self, url: str) -> None:
        self.host, port = url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((self.host, int(port)))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(1)

    def is_cut(self) -> bool:
        """Whether the server has reset the connection; reads nothing."""
        return (
            bool(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) or self._state() != 1
        )

    def _state(self) -> int:
        """Of TCP; 1: established."""
        return self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


class Unread(Silent):
    """Queries the schema over HTTP, again and again."""

    def __init__(self, url: str, token: str | None) -> None:
        super().__init__(url)
        body = json.dumps({"query": get_introspection_query()})
        self._request = (
            f"POST /graphql HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def fill(self) -> None:
        with suppress(TimeoutError):
            for _ in range(100):
                self.socket.sendall(self._request)


class Stalled(Silent):
    """A WebSocket that sends and never reads."""

    def __init__(self, url: str, token: str | None) -> None:
        super().__init__(url)
        self.socket.sendall(
            f"GET /graphql HTTP/1.1\r\nHost: {self.host}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )
        received = b""
        while not received.endswith(b"\r\n\r\n"):  # all that it ever reads
            received += self.socket.recv(1)
        self.say(INIT | {"payload": {"authorization": f"Bearer {token}"}}, subscribe("1", LIVE))

    def say(self, *messages: Any) -> None:
        for message in messages:
            self.frame(0x81, json.dumps(message).encode())

    def frame(self, first: int, payload: bytes) -> None:
        """A masked frame, its mask of zeros; bytes that the server does not accept are dropped."""
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", first, 0x80 | length)
        else:
            head = struct.pack("!BBQ", first, 0xFF, length)
        self.socket.sendall(head + bytes(4) + payload)

    def fill(self) -> None:
        """Sends queries until the server waits for its answers to be read."""
        with suppress(TimeoutError, ConnectionError):  # it may be cut off before
            for _ in range(200):
                self.say({"type": "ping", "payload": {"a": "x" * 100_000}})


class Quiet(Stalled):
    """Little is sent to it, so that its buffers never fill; it does not answer the pings."""

    def fill(self) -> None:
        pass


@contextmanager
def stalled(url: str, callers: list[Caller]) -> Iterator[list[Stalled]]:
    clients = [Stalled(url, caller.token) for caller in callers]
    try:
        yield clients
    finally:
        for client in clients:
            client.socket.close()


@contextmanager
def silent(url: str, owner: Caller, keys: list[Caller]) -> Iterator[list[Stalled | Unread]]:
    """Every way of not reading: full buffers over both protocols, and a ping without an answer."""
    with stalled(url, keys) as clients:
        unread, quiet = Unread(url, owner.token), Quiet(url, keys[0].token)
        try:
            yield [unread, *clients, quiet]  # first: a request has to arrive within 10 s
        finally:
            unread.socket.close()
            quiet.socket.close()


async def test_a_client_that_stops_reading_is_disconnected_without_delaying_others(
    server: Program, account: Carrier, api_redis: Redis
) -> None:
    customer = await account.customer()
    keys = [await account.key("LIVE_READ") for _ in range(10)]
    switch = Calls(api_redis, account, customer)
    async with signed_in(server.url, account.owner.token) as healthy:
        await say(healthy, subscribe("1", LIVE))
        await hear(healthy)
        before, began = _resident(server.pid), time.monotonic()
        with silent(server.url, account.owner, keys) as clients:
            await asyncio.to_thread(lambda: [client.fill() for client in clients])
            slowest, number = 0.0, 0
            while not all(client.is_cut() for client in clients):
                assert time.monotonic() - began < CUT_WITHIN + 15, "not cut off"
                number += 1
                sent_at = time.monotonic()
                await switch.start(number)
                while (await hear(healthy))["payload"]["data"]["liveChannels"]["inUse"] < number:
                    pass
                slowest = max(slowest, time.monotonic() - sent_at)
                await asyncio.sleep(0.2)
            grown = _resident(server.pid) - before
    assert slowest < 10  # otherwise it waited for clients that do not read
    # 256 KiB each; besides the memory that a process uses for any work
    assert grown < len(keys) * 256 * 1024 + 10_000_000


class UnreadStream(Silent):
    """An event stream that is never read."""

    def __init__(self, url: str, token: str | None, query: str) -> None:
        super().__init__(url)
        body = json.dumps({"query": query})
        self.socket.sendall(
            f"POST /graphql HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {token}\r\n"
            "Accept: text/event-stream\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )


async def test_a_revoked_key_loses_a_stream_that_it_does_not_read(
    server: Program, account: Carrier
) -> None:
    key = await account.owner.do(
        "createApiKey", "CreatedApiKey", "id secret", name="a program", scopes=["LIVE_READ"]
    )
    async with db.connection() as connection:
        await connection.execute(
            "INSERT INTO facts (account_id, kind, scope, number, at, detail)"
            " SELECT $1, 'CHECKLIST_CHANGED', 0, n, now(), '{\"open\": {}}'"
            " FROM generate_series(1, 60000) n ON CONFLICT DO NOTHING",
            account.account_id,
        )
        await connection.execute(
            "INSERT INTO fact_heads VALUES ($1, 'CHECKLIST_CHANGED', 0, 60000)"
            " ON CONFLICT (account_id, kind, scope) DO UPDATE SET last = 60000",
            account.account_id,
        )
    many = " ".join(f"a{n}: at" for n in range(40))
    query = f"subscription {{ checklistChanged(after: 0) {{ {many} }} }}"
    unread = UnreadStream(server.url, key["secret"], query)
    await asyncio.sleep(4)  # the capacity of the buffers
    assert not unread.is_cut()
    await account.owner.do("revokeApiKey", "ApiKey", "id", id=key["id"])
    began = time.monotonic()
    while not unread.is_cut():
        assert time.monotonic() - began < 5, "not cut off"
        await asyncio.sleep(0.05)
    unread.socket.close()


async def test_a_flood_of_pings_without_reading_pongs_does_not_fill_the_memory(
    server: Program, account: Carrier
) -> None:
    key = await account.key("LIVE_READ")
    with stalled(server.url, [key]) as [client]:
        before = _resident(server.pid)
        pings = struct.pack("!BB", 0x89, 0x80 | 125) + bytes(4 + 125)

        def flood() -> None:
            for _ in range(300):
                try:
                    client.socket.sendall(pings * 1_000)
                except OSError:
                    return

        await asyncio.to_thread(flood)
        assert _resident(server.pid) - before < 20_000_000
    async with signed_in(server.url, key.token) as socket:
        await say(socket, {"type": "ping"})
        assert await hear(socket) == {"type": "pong"}


async def test_completed_operations_that_a_client_does_not_read_do_not_fill_the_memory(
    server: Program, account: Carrier
) -> None:
    key = await account.key("LIVE_READ")
    with stalled(server.url, [key]) as [client]:
        schema = "{ __schema { types { name fields { name description } } } }"
        await asyncio.to_thread(client.say, *(subscribe(f"{n} of 20", schema) for n in range(20)))
        await asyncio.sleep(3)  # the capacity of the buffers
        before = _resident(server.pid)
        client.socket.settimeout(10)

        def come_and_go() -> None:
            until = time.monotonic() + 10
            while time.monotonic() < until:
                client.say(subscribe("2", LIVE), {"id": "2", "type": "complete"})

        await asyncio.to_thread(come_and_go)
        assert not client.is_cut()
        assert _resident(server.pid) - before < 10_000_000


async def test_a_key_cannot_exceed_its_connection_limit(server: Program, account: Carrier) -> None:
    key = await account.key("LIVE_READ")
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(signed_in(server.url, key.token)) for _ in range(3)
        ]
        async with open_socket(server.url) as socket:
            await say(socket, INIT | {"payload": {"authorization": f"Bearer {key.token}"}})
            assert await closed(socket) == 1013
        await sockets[0].close()
        async with asyncio.timeout(10):
            async with signed_in(server.url, key.token):
                pass


async def test_a_socket_cannot_exceed_its_operation_limit_and_stays_usable(
    account: Carrier,
) -> None:
    async with signed_in(account.url, account.owner.token) as socket:
        await say(socket, *(subscribe(f"{n}", LIVE) for n in range(101)))
        messages = [await hear(socket) for _ in range(101)]
        [error] = [message for message in messages if message["type"] == "error"]
        assert error["id"] == "100"
        assert error["payload"][0]["extensions"] == {"code": "TOO_MANY_OPERATIONS", "limit": 100}
        await say(socket, {"id": "0", "type": "complete"}, subscribe("100", LIVE))
        assert (await hear(socket))["type"] == "next"


async def test_a_stopped_server_disconnects_all_clients_within_ten_seconds(
    server: Program, account: Carrier
) -> None:
    keys = [await account.key("LIVE_READ") for _ in range(12)]
    async with AsyncExitStack() as stack:
        healthy = [
            await stack.enter_async_context(signed_in(server.url, key.token)) for key in keys[:10]
        ]
        for healthy_client in healthy:
            await say(healthy_client, subscribe("1", LIVE))
            assert (await hear(healthy_client))["type"] == "next"
        clients = stack.enter_context(stalled(server.url, keys[10:]))
        await asyncio.to_thread(lambda: [client.fill() for client in clients])

        async def ending(client: Any) -> tuple[int | None, float]:
            return await closed(client), time.monotonic()

        endings = [asyncio.create_task(ending(healthy_client)) for healthy_client in healthy]
        streaming = asyncio.create_task(_stream_until_its_end(account.owner))
        await asyncio.sleep(0.5)
        began = time.monotonic()
        assert server.process is not None
        server.process.terminate()
        assert await asyncio.to_thread(server.process.wait, 15) in (0, -signal.SIGTERM)
        assert time.monotonic() - began < 10
        ended = [await healthy_client for healthy_client in endings]
        assert await streaming > 0
    assert {code for code, _ in ended} == {1012}
    times = [at for _, at in ended]
    assert max(times) - min(times) > 0.5, "all would come back at once"


async def _stream_until_its_end(caller: Caller) -> int:
    """How many lines an event stream has until the server ends it, which is no error."""
    headers = caller.headers | {"Accept": "text/event-stream"}
    async with (
        httpx2.AsyncClient(verify=False, timeout=30) as client,
        client.stream("POST", f"{caller.url}/graphql", headers=headers, json={"query": LIVE}) as it,
    ):
        return len([line async for line in it.aiter_lines()])


async def test_a_client_that_never_authenticates_is_disconnected(server: Program) -> None:
    async with open_socket(server.url) as socket:
        began = time.monotonic()
        async with asyncio.timeout(15):
            assert await closed(socket) == 4408
        assert time.monotonic() - began < 12
    async with open_socket(server.url) as socket:
        await say(socket, INIT)
        assert await hear(socket) == ACK
