"""One web process for all tests of the API: each makes an account and sees only that."""

import os
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from callers import Carrier
from programs import Program
from redis.asyncio import Redis

from models import db
from runtime import clock


@pytest.fixture(scope="package")
async def api_database(services: Any, template: str) -> AsyncIterator[str]:
    name = f"callboard_api_{os.getpid()}"
    credentials = db.config(services.database_url)["connections"]["default"]["credentials"]
    options = {key: credentials[key] for key in ("host", "port", "user", "password")}
    connection = await asyncpg.connect(**options, database="postgres")
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    url = urlunsplit(urlsplit(services.database_url)._replace(path=f"/{name}"))
    await db.open_database(url)
    yield url
    await db.close_database()
    await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await connection.close()


@pytest.fixture(scope="package")
async def api(services: Any, api_database: str) -> AsyncIterator[Program]:
    environment = {
        "CALLBOARD_DATABASE_URL": api_database,
        "CALLBOARD_REDIS_URL": services.redis_url,
        "CALLBOARD_SECRET_KEY": "a key for tests alone, long enough to sign with",
    }
    with Program.web(environment) as program:
        yield program


@pytest.fixture(scope="package")
async def api_redis(services: Any) -> AsyncIterator[Redis]:
    client = Redis.from_url(services.redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def carrier(api: Program) -> Carrier:
    """A carrier's account with its owner signed in."""
    return await Carrier.create(api.url, clock.now())


@pytest.fixture
async def other(api: Program) -> Carrier:
    """Another carrier on the same installation."""
    return await Carrier.create(api.url, clock.now())
