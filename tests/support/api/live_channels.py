"""Subscriptions to live channels over the wire, by the gql client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gql import Client, GraphQLRequest
from gql.transport.websockets import WebsocketsTransport

from tests.support.api.callers import Caller

QUERY = """subscription Channels($customer: ID) { liveChannels(customerId: $customer) {
    sequence asOf inUse limit cps byCarrier { carrier { id name } inUse } } }"""


class StateStream:
    """The states of a subscription, one at a time."""

    def __init__(self, results: Any) -> None:
        self._results = results

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            state: dict[str, Any] = (await anext(self._results))["liveChannels"]
        assert sum(carrier["inUse"] for carrier in state["byCarrier"]) == state["inUse"]
        return state

    async def until(self, in_use: int) -> list[dict[str, Any]]:
        """All states up to the first with `in_use` calls."""
        states = [await self.next()]
        while states[-1]["inUse"] != in_use:
            states.append(await self.next())
        sequences = [state["sequence"] for state in states]
        assert sequences == sorted(set(sequences))
        return states


@asynccontextmanager
async def watching(caller: Caller, customer: str | None = None) -> AsyncIterator[StateStream]:
    transport = WebsocketsTransport(
        url=caller.url.replace("http", "ws") + "/graphql",
        init_payload={"authorization": f"Bearer {caller.token}"},
    )
    async with Client(transport=transport) as session:
        request = GraphQLRequest(QUERY, variable_values={"customer": customer})
        results = session.subscribe(request)
        try:
            yield StateStream(results)
        finally:
            await results.aclose()
