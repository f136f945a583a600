"""PostgreSQL or Redis stop responding without closing connections: no caller waits for ever."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from resolvers.live import captions
from runtime import clock
from tests.support.api.callers import Caller, Carrier
from tests.support.api.sockets import LIVE, closed, hear, say, signed_in, subscribe
from tests.support.api.switches import Calls
from tests.support.programs import Program
from tests.support.silent_network import Wire, wire
from workers import main

WHO = "{ viewer { __typename } }"


@asynccontextmanager
async def _running(
    of: Callable[[dict[str, str]], Program], database: Wire, redis: Wire
) -> AsyncIterator[Program]:
    program = of(
        {
            "CALLBOARD_DATABASE_URL": database.url,
            "CALLBOARD_REDIS_URL": redis.url,
            "CALLBOARD_SECRET_KEY": "a key for tests alone, long enough to sign with",
        }
    )
    await asyncio.to_thread(program.start)
    try:
        yield program
    finally:
        await asyncio.to_thread(program.stop)


NOTHING = rb"(?!)"  # a pattern that nothing matches


@pytest.fixture(scope="module")
async def database_wire(api_database: str) -> AsyncIterator[Wire]:
    async with wire(api_database) as network:
        yield network


@pytest.fixture(scope="module")
async def redis_wire(services: Any) -> AsyncIterator[Wire]:
    async with wire(services.redis_url) as network:
        yield network


@pytest.fixture(scope="module")
async def server(database_wire: Wire, redis_wire: Wire) -> AsyncIterator[Program]:
    async with _running(Program.web, database_wire, redis_wire) as program:
        yield program


@pytest.fixture
async def account(server: Program, database_wire: Wire, redis_wire: Wire) -> AsyncIterator[Carrier]:
    yield await Carrier.create(server.url, clock.now())
    database_wire.mend()
    redis_wire.mend()


async def test_a_revoked_key_loses_its_socket_although_earlier_connections_hang(
    account: Carrier, api: Program, database_wire: Wire
) -> None:
    key = await account.owner.do(
        "createApiKey", "CreatedApiKey", "id secret", name="a program", scopes=["LIVE_READ"]
    )
    elsewhere = Caller(api.url, account.owner.token)
    async with signed_in(account.url, key["secret"]) as socket:
        await say(socket, subscribe("1", LIVE))
        assert (await hear(socket))["type"] == "next"
        database_wire.silence(new_ones=False)
        await elsewhere.do("revokeApiKey", "ApiKey", "id", id=key["id"])
        began = time.monotonic()
        assert await closed(socket) == 4403
    assert time.monotonic() - began < 8


async def test_with_all_connections_hanging_a_stopped_server_and_worker_end(
    account: Carrier, api_database: str, database_wire: Wire, api_redis: Redis, services: Any
) -> None:
    async with (
        wire(api_database) as hanging_database,
        wire(services.redis_url) as hanging_redis,
        _running(Program.web, hanging_database, hanging_redis) as ending,
        _running(Program.worker, database_wire, hanging_redis) as worker,
        signed_in(ending.url, account.owner.token) as socket,
    ):
        await say(socket, subscribe("1", LIVE))
        assert (await hear(socket))["type"] == "next"
        async with asyncio.timeout(15):
            while not await api_redis.exists(main.HEARTBEAT):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)
        hanging_database.silence()
        hanging_redis.silence()
        owner = Caller(ending.url, account.owner.token)
        waiting = [asyncio.create_task(owner.send(WHO)) for _ in range(12)]
        await asyncio.sleep(0.5)
        assert ending.process is not None
        assert worker.process is not None
        began = time.monotonic()
        ending.process.terminate()
        assert await asyncio.to_thread(ending.process.wait, 20) in (0, -signal.SIGTERM)
        assert time.monotonic() - began < 10
        worker.process.terminate()
        assert await asyncio.to_thread(worker.process.wait, 30) in (0, 1, -signal.SIGTERM)
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_worker_continues_after_redis_hung_while_it_took_a_job(
    database_wire: Wire, api_redis: Redis, services: Any
) -> None:
    async with (
        wire(services.redis_url) as hanging_redis,
        _running(Program.worker, database_wire, hanging_redis) as worker,
    ):
        await _until_beating(api_redis, True)
        hanging_redis.silence_at(rb"PSETEX\r\n\$\d+\r\narq:in-progress")
        await _until_beating(api_redis, False)
        hanging_redis.silence_at(NOTHING)
        hanging_redis.mend()
        await _until_beating(api_redis, True)
        assert worker.process is not None
        assert worker.process.poll() is None


async def _until_beating(redis: Redis, is_beating: bool) -> None:
    async with asyncio.timeout(120):
        while bool(await redis.exists(main.HEARTBEAT)) != is_beating:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_without_the_database_callers_are_asked_to_retry_and_gauges_continue(
    account: Carrier, database_wire: Wire, api_redis: Redis
) -> None:
    customer = await account.customer()
    of_customer = LIVE.replace("Channels", f'Channels(customerId: "{customer}")')
    switch = Calls(api_redis, account, customer)
    contact = await account.contact(customer)
    async with (
        signed_in(account.url, account.owner.token) as socket,
        signed_in(account.url, contact.token) as watching,
    ):
        await say(watching, subscribe("1", of_customer))
        assert (await hear(watching))["type"] == "next"
        database_wire.cut()
        began = time.monotonic()
        await say(socket, subscribe("query", WHO), subscribe("listen", of_customer))
        for id in ("query", "listen"):  # refused before it runs: the caller cannot be read
            refusal = await hear(socket)
            assert (refusal["id"], refusal["type"]) == (id, "error")
            [error] = refusal["payload"]
            assert error["extensions"] == {"code": "UNAVAILABLE", "retryAfterSeconds": 1}
            assert "Try again" in error["message"]
        max_age = began + captions.MAX_AGE_SECONDS - time.monotonic() + 0.5
        await asyncio.sleep(max_age)  # the customer must not be cached
        await switch.start(1)
        sent_at = time.monotonic()
        assert (await hear(watching))["payload"]["data"]["liveChannels"]["inUse"] == 1
        assert time.monotonic() - sent_at < 3
        answer = await _post(account.owner, "/graphql", {"query": WHO})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["errors"][0]["extensions"] == {
            "code": "UNAVAILABLE",
            "retryAfterSeconds": 1,
        }
        database_wire.mend()
        assert "errors" not in await account.owner.send(WHO)


async def test_a_hanging_redis_delays_no_query_and_no_ingest(
    account: Carrier, redis_wire: Wire
) -> None:
    customer, key = await account.customer(), await account.key("INGEST")
    redis_wire.silence()
    began = time.monotonic()
    live_query = "query ($id: ID!) { customer(id: $id) { channels { inUse } } }"
    beat = {"type": "beat", "switch": "edge-1", "active": 0, "at": clock.now().isoformat()}
    code, who, answer = await asyncio.gather(
        account.owner.code(live_query, id=customer),
        account.owner.send(WHO),
        _post(key, "/ingest/calls", [beat]),
    )
    assert code == "LIVE_UNAVAILABLE"
    assert "errors" not in who
    assert answer.status_code == 200
    assert time.monotonic() - began < 8


async def _post(caller: Caller, path: str, content: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(verify=False, timeout=15) as client:
        return await client.post(caller.url + path, json=content, headers=caller.headers)
