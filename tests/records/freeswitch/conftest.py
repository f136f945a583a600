"""An account with the customers and carriers of the recorded calls."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from redis.asyncio import Redis
from starlette.applications import Starlette

from tests.support.records.fixtures import app  # noqa: F401
from tests.support.records.freeswitch_account import FreeSwitch, account_with_references
from tests.support.records.posting import issue_key


@pytest.fixture
async def freeswitch_account(database: str, redis: Redis) -> AsyncIterator[FreeSwitch]:
    switch = FreeSwitch(redis, await account_with_references())
    yield switch
    await switch.pipeline.close()


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[tuple[httpx2.AsyncClient, int, str]]:  # noqa: F811
    """A client of the routes, the account and its key."""
    account_id = await account_with_references()
    key = await issue_key(account_id)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test.example") as opened:
        yield opened, account_id, key
