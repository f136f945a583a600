"""Subscriptions to facts over the wire, by the gql client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gql import Client, GraphQLRequest
from gql.transport.websockets import WebsocketsTransport
from redis.asyncio import Redis

from tests.support.api.callers import Caller


@asynccontextmanager
async def following(caller: Caller, query: str, **values: Any) -> AsyncIterator[Any]:
    """The published facts, one at a time."""
    transport = WebsocketsTransport(
        url=caller.url.replace("http", "ws") + "/graphql",
        init_payload={"authorization": f"Bearer {caller.token}"},
    )
    async with Client(transport=transport) as session:
        results = session.subscribe(GraphQLRequest(query, variable_values=values))

        async def told() -> AsyncIterator[Any]:
            async for result in results:
                yield next(iter(result.values()))

        try:
            yield told()
        finally:
            await results.aclose()


async def next_of(socket: Any, within: float = 10) -> Any:
    async with asyncio.timeout(within):
        return await anext(socket)


async def listened_to(redis: Redis, topic: str) -> None:
    async with asyncio.timeout(10):
        while True:
            if (await redis.pubsub_numsub(topic))[0][1]:
                return
            await asyncio.sleep(0.01)
