"""The gql client over its WebSocket transport: pings, queries and subscriptions on one socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from gql import Client, GraphQLRequest, gql
from gql.client import AsyncClientSession
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from redis.asyncio import Redis

from tests.support.api.callers import Carrier
from tests.support.api.switches import Calls

pytestmark = pytest.mark.once

BOARD = "subscription B($of: ID!) { liveChannels(customerId: $of) { inUse } }"


@asynccontextmanager
async def _session(url: str, token: str | None) -> AsyncIterator[AsyncClientSession]:
    transport = WebsocketsTransport(
        url=url.replace("http", "ws") + "/graphql",
        init_payload={"authorization": f"Bearer {token}"},
        ping_interval=0.2,
        pong_timeout=5,
    )
    async with Client(transport=transport) as session:
        yield session


async def test_queries_and_subscriptions_share_a_socket_that_is_pinged(
    carrier: Carrier, api_redis: Redis
) -> None:
    customers = [await carrier.customer(), await carrier.customer()]
    async with _session(carrier.url, carrier.owner.token) as session:
        boards = [
            session.subscribe(GraphQLRequest(BOARD, variable_values={"of": customer}))
            for customer in customers
        ]
        for board in boards:
            assert await anext(board) == {"liveChannels": {"inUse": 0}}
        for count, (customer, board) in enumerate(zip(customers, boards, strict=True), 1):
            await Calls(api_redis, carrier, customer).start(*range(10 * count, 11 * count))
            assert await anext(board) == {"liveChannels": {"inUse": count}}
        assert await session.execute(gql("{ __typename }")) == {"__typename": "Query"}
        await asyncio.sleep(0.5)  # two pings at least; a pong too few would close the socket
        assert await session.execute(gql("{ viewer { __typename } }"))
        for board in boards:
            await board.aclose()


async def test_an_invalid_document_raises_only_in_its_own_call(
    carrier: Carrier,
) -> None:
    async with _session(carrier.url, carrier.owner.token) as session:
        for document in ("{ x }", "{ viewer { unknown } }"):
            with pytest.raises(TransportQueryError) as error:
                await session.execute(gql(document))
            assert error.value.errors
        assert await session.execute(gql("{ __typename }")) == {"__typename": "Query"}


async def test_an_unknown_token_cannot_connect(carrier: Carrier) -> None:
    with pytest.raises(TransportConnectionFailed) as failed:
        async with _session(carrier.url, "cb_1_1_made-up"):
            pass
    assert "4403" in str(failed.value.__cause__)
