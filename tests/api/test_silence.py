"""PostgreSQL or Redis fall silent and close nothing: nobody waits for them for ever."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from callers import Caller, Carrier
from programs import Program
from silence import Wire, wire
from sockets import LIVE, closed, hear, say, signed_in, subscribe

from runtime import clock

WHO = "{ viewer { __typename } }"


@asynccontextmanager
async def _web(database_url: str, redis_url: str) -> AsyncIterator[Program]:
    program = Program.web(
        {
            "CALLBOARD_DATABASE_URL": database_url,
            "CALLBOARD_REDIS_URL": redis_url,
            "CALLBOARD_SECRET_KEY": "a key for tests alone, long enough to sign with",
        }
    )
    await asyncio.to_thread(program.start)
    try:
        yield program
    finally:
        await asyncio.to_thread(program.stop)


@pytest.fixture(scope="module")
async def database_wire(api_database: str) -> AsyncIterator[Wire]:
    async with wire(api_database) as opened:
        yield opened


@pytest.fixture(scope="module")
async def redis_wire(services: Any) -> AsyncIterator[Wire]:
    async with wire(services.redis_url) as opened:
        yield opened


@pytest.fixture(scope="module")
async def server(database_wire: Wire, redis_wire: Wire) -> AsyncIterator[Program]:
    async with _web(database_wire.url, redis_wire.url) as program:
        yield program


@pytest.fixture
async def account(server: Program, database_wire: Wire, redis_wire: Wire) -> AsyncIterator[Carrier]:
    yield await Carrier.create(server.url, clock.now())
    database_wire.mend()
    redis_wire.mend()


async def test_a_revoked_key_loses_its_socket_though_the_connections_before_hang(
    account: Carrier, api: Program, database_wire: Wire
) -> None:
    made = await account.owner.do(
        "createApiKey", "CreatedApiKey", "id secret", name="a program", scopes=["LIVE_READ"]
    )
    elsewhere = Caller(api.url, account.owner.token)
    async with signed_in(account.url, made["secret"]) as socket:
        await say(socket, subscribe("1", LIVE))
        assert (await hear(socket))["type"] == "next"
        database_wire.silence(new_ones=False)
        await elsewhere.do("revokeApiKey", "ApiKey", "id", id=made["id"])
        began = time.monotonic()
        assert await closed(socket) == 4403
        print("closed after", time.monotonic() - began)
    assert time.monotonic() - began < 8


async def test_a_server_told_to_end_does_so_within_ten_seconds_though_all_hang(
    account: Carrier, api: Program, api_database: str, services: Any
) -> None:
    async with (
        wire(api_database) as database_wire,
        wire(services.redis_url) as redis_wire,
        _web(database_wire.url, redis_wire.url) as ending,
        signed_in(ending.url, account.owner.token) as socket,
    ):
        await say(socket, subscribe("1", LIVE))
        assert (await hear(socket))["type"] == "next"
        database_wire.silence()
        redis_wire.silence()
        owner = Caller(ending.url, account.owner.token)
        waiting = [asyncio.create_task(owner.send(WHO)) for _ in range(12)]
        await asyncio.sleep(1)
        began = time.monotonic()
        assert ending.process is not None
        ending.process.terminate()
        assert await asyncio.to_thread(ending.process.wait, 20) in (0, -signal.SIGTERM)
        print("ended after", time.monotonic() - began)
        assert time.monotonic() - began < 10
        await asyncio.gather(*waiting, return_exceptions=True)
