"""Strawberry as it comes: one generator and one execution a subscriber.

One listener to Redis a process reads each message once and hands it to the generators' queues.
`python -m bench.fanout.plain PORT REDIS_URL`.
"""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import strawberry
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from strawberry.asgi import GraphQL
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from bench.fanout import python_servers


@strawberry.type
class Carrier:
    id: strawberry.ID
    name: str


@strawberry.type
class CarrierChannels:
    carrier: Carrier | None
    in_use: int


@strawberry.type
class Channels:
    sequence: float  # above 2^31
    as_of: str
    in_use: int
    limit: int | None
    cps: float
    by_carrier: list[CarrierChannels]


_queues: dict[str, set["asyncio.Queue[Channels]"]] = defaultdict(set)


@strawberry.type
class Query:
    ok: bool = True


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def live_channels(
        self, customer_id: strawberry.ID | None = None
    ) -> AsyncGenerator[Channels, None]:
        queue: asyncio.Queue[Channels] = asyncio.Queue()
        queues = _queues[customer_id or ""]
        queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            queues.discard(queue)


def tell(customer: str, message: bytes) -> None:
    state = _channels(json.loads(message))
    for queue in _queues[customer]:
        queue.put_nowait(state)


def _channels(state: dict) -> Channels:  # type: ignore[type-arg]
    return Channels(
        sequence=state["sequence"],
        as_of=state["asOf"],
        in_use=state["inUse"],
        limit=state["limit"],
        cps=state["cps"],
        by_carrier=[
            CarrierChannels(carrier=Carrier(**item["carrier"]), in_use=item["inUse"])
            for item in state["byCarrier"]
        ],
    )


def main(port: int, redis_url: str) -> None:
    schema = strawberry.Schema(Query, subscription=Subscription)
    graphql = GraphQL[None, None](schema, subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL])

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with python_servers.listen(redis_url, tell):
            yield

    app = Starlette(routes=[WebSocketRoute("/graphql", graphql)], lifespan=lifespan)
    python_servers.run(app, port)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
