"""One web process for all tests of the API; each test creates an account and reads only that."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis

from live import keys
from runtime import clock
from tests.support import databases, redises
from tests.support.api import world
from tests.support.api.callers import Caller, Carrier
from tests.support.api.world import World
from tests.support.programs import Program


@pytest.fixture(autouse=True)
def _own_tries(request: pytest.FixtureRequest) -> None:
    """The tests of this folder share one Redis, and many of them an address, or an e-mail that no
    login has: a try of one must not hold up another."""
    if "services" in request.fixturenames:
        redises.forget_tries(request.getfixturevalue("services").redis_url)


@pytest.fixture(scope="package")
async def api_database(services: Any, template: str, api_redis: Redis) -> AsyncIterator[str]:
    name = f"callboard_api_{os.getpid()}"
    async with databases.open_copy(services.database_url, name, template) as url:
        yield url


@pytest.fixture(scope="package")
def environment(services: Any, api_database: str) -> dict[str, str]:
    """Of the web process."""
    return {
        "CALLBOARD_DATABASE_URL": api_database,
        "CALLBOARD_REDIS_URL": services.redis_url,
        "CALLBOARD_SECRET_KEY": "a key for tests alone, long enough to sign with",
    }


@pytest.fixture(scope="package")
async def api(environment: dict[str, str]) -> AsyncIterator[Program]:
    with Program.web(environment) as program:
        yield program


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[Program]:
    """A web process of a test's own."""
    with Program.web(environment) as program:
        yield program


@pytest.fixture(scope="package")
async def api_redis(services: Any) -> AsyncIterator[Redis]:
    async with redises.empty_redis(services.redis_url) as client:
        yield client


@pytest.fixture
async def carrier(api: Program) -> Carrier:
    """A carrier's account with its owner signed in."""
    return await Carrier.create(api.url, clock.now())


@pytest.fixture
async def other(api: Program) -> Carrier:
    """Another carrier on the same installation."""
    return await Carrier.create(api.url, clock.now())


@pytest.fixture
def reference(carrier: Carrier) -> str:
    """The reference by which a switch names the customer."""
    return carrier.unique("acme")


@pytest.fixture
async def customer(carrier: Carrier, reference: str) -> str:
    """The id of a customer of the carrier."""
    return await carrier.customer(reference=reference)


@pytest.fixture
async def switch(carrier: Carrier) -> Caller:
    """A program of the carrier that posts call records."""
    return await carrier.key("INGEST")


@pytest.fixture(scope="package")
async def everything(api: Program, api_redis: Redis) -> World:
    accounts = await world.create(api.url)
    await _settled(accounts)
    return accounts


@pytest.fixture(scope="package")
async def http(everything: World, api_redis: Redis) -> AsyncIterator[httpx2.AsyncClient]:
    """A client whose earlier requests cost its account nothing."""
    buckets = keys.prefix(everything.account.account_id) + keys.PATTERNS["bucket"] % "*"

    async def empty(_: httpx2.Request) -> None:
        if names := [name async for name in api_redis.scan_iter(buckets, count=10_000)]:
            await api_redis.delete(*names)

    hooks: Any = {"request": [empty]}
    async with httpx2.AsyncClient(verify=False, timeout=60, event_hooks=hooks) as client:
        yield client


@pytest.fixture(scope="package")
async def case_counts() -> AsyncIterator[Counter[str]]:
    """Numbers of cases by subject, printed at the end (`pytest -s`)."""
    counts: Counter[str] = Counter()
    yield counts
    print("\ncases of who may:", dict(counts), "in all", counts.total())


async def _settled(world: World) -> None:
    """Waits until the live window is filled from the records, which the first answer needs."""
    async with asyncio.timeout(15):
        query = "query Q($id: ID!) { customer(id: $id) { liveStats { sequence } } }"
        while True:
            if "errors" not in await world.account.owner.send(query, id=world.ids["Customer"].own):
                return
            await asyncio.sleep(0.05)
