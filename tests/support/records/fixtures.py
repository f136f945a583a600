"""The ingest routes over real services, and a carrier with two customers that posts to them."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from redis.asyncio import Redis
from starlette.applications import Starlette

from ingest import pipeline
from runtime import clock
from server import ingest_routes
from tests.support.records import sample_records
from tests.support.records.posting import Switch, issue_key


@pytest.fixture
async def app(database: str, redis: Redis) -> Starlette:
    app = Starlette(routes=ingest_routes.routes)
    app.state.ingest_pipeline = pipeline.Pipeline(redis, records_days=400)
    return app


@pytest.fixture
async def switch(app: Starlette) -> AsyncIterator[Switch]:
    account_id = await sample_records.account()
    customer_id = await sample_records.customer(account_id, "acme")
    await sample_records.customer(account_id, "other")
    await sample_records.carrier(account_id, "carrier-a")
    key = await issue_key(account_id)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test.example") as client:
        yield Switch(client, account_id, customer_id, clock.now(), key)
