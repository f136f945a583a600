"""PostgreSQL or Redis fall silent and close nothing: nobody waits for them for ever."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from callers import Caller, Carrier
from programs import Program
from redis.asyncio import Redis
from silence import Wire, wire
from sockets import LIVE, closed, hear, say, signed_in, subscribe
from switches import Calls

from resolvers import captions
from runtime import clock
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
    async with _running(Program.web, database_wire, redis_wire) as program:
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
    assert time.monotonic() - began < 8


async def test_where_all_hang_a_server_told_to_end_does_and_a_worker_does_by_itself(
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
        assert await asyncio.to_thread(worker.process.wait, 20) == 1  # it is started again
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_worker_ends_where_redis_falls_silent_while_it_takes_a_job(
    database_wire: Wire, services: Any
) -> None:
    """What arq does there goes on waiting for Redis though it is cancelled."""
    async with wire(services.redis_url) as hanging_redis:
        hanging_redis.silence_at(rb"PSETEX\r\n\$\d+\r\narq:in-progress")
        async with _running(Program.worker, database_wire, hanging_redis) as worker:
            assert worker.process is not None
            assert await asyncio.to_thread(worker.process.wait, 40) == 1


async def test_while_the_database_is_away_all_are_told_to_try_again_and_gauges_go_on(
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
        told = [await hear(socket) for _ in range(4)]
        for id in ("query", "listen"):
            answer, end = [one for one in told if one["id"] == id]
            [error] = answer["payload"]["errors"]
            assert error["extensions"] == {"code": "UNAVAILABLE"}
            assert "try again" in error["message"]
            assert end["type"] == "complete"
        known_for = began + captions.KNOWN_FOR - time.monotonic() + 0.5
        await asyncio.sleep(known_for)  # what is known of the customer is to be asked anew
        await switch.start(1)
        said = time.monotonic()
        assert (await hear(watching))["payload"]["data"]["liveChannels"]["inUse"] == 1
        assert time.monotonic() - said < 3
        answer = await _post(account.owner, "/graphql", {"query": WHO})
        assert answer.status_code == 503
        assert answer.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}
        database_wire.mend()
        assert "errors" not in await account.owner.send(WHO)


async def test_a_silent_redis_holds_up_no_query_and_no_ingest(
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
