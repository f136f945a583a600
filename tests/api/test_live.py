"""liveChannels, by the client that others will use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from callers import Caller, Carrier
from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from redis.asyncio import Redis
from switches import Calls, number

from models.tables import Account
from runtime import clock
from schema import base

QUERY = """subscription Channels($customer: ID) { liveChannels(customerId: $customer) {
    sequence asOf inUse limit cps byCarrier { carrier { id name } inUse } } }"""


class Watched:
    """The states that come, one at a time."""

    def __init__(self, results: Any) -> None:
        self._results = results

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            state: dict[str, Any] = (await anext(self._results))["liveChannels"]
        assert sum(one["inUse"] for one in state["byCarrier"]) == state["inUse"]
        return state

    async def until(self, in_use: int) -> list[dict[str, Any]]:
        """All that comes up to the first state with so many calls."""
        states = [await self.next()]
        while states[-1]["inUse"] != in_use:
            states.append(await self.next())
        sequences = [state["sequence"] for state in states]
        assert sequences == sorted(set(sequences))
        return states


@asynccontextmanager
async def watching(caller: Caller, customer: str | None = None) -> AsyncIterator[Watched]:
    transport = WebsocketsTransport(
        url=caller.url.replace("http", "ws") + "/graphql",
        init_payload={"authorization": f"Bearer {caller.token}"},
    )
    async with Client(transport=transport) as session:
        request = GraphQLRequest(QUERY, variable_values={"customer": customer})
        results = session.subscribe(request)
        try:
            yield Watched(results)
        finally:
            await results.aclose()


async def test_the_whole_state_comes_at_once_and_at_every_change(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer(channelLimit=30)
    made = await carrier.owner.do(
        "createCarrier", "Carrier", "id", name="Carrier A", reference="a", currency="EUR"
    )
    switch = Calls(api_redis, carrier, customer, over=number(made["id"]))
    await switch.start(1, 2)
    async with watching(await carrier.contact(customer), customer) as watched:
        [first] = await watched.until(2)
        assert first["limit"] == 30
        assert first["byCarrier"] == [
            {"carrier": {"id": made["id"], "name": "Carrier A"}, "inUse": 2}
        ]
        await switch.start(3)
        await watched.until(3)
        await switch.end(1, 2, 3)
        assert (await watched.until(0))[-1]["byCarrier"] == []


async def test_many_changes_come_as_few_states_and_the_last_one_arrives(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    switch = Calls(api_redis, carrier, customer)
    async with watching(await carrier.key("LIVE_READ")) as watched:
        await watched.until(0)
        began = clock.now()
        for id in range(300):
            await switch.start(id)
        states = await watched.until(300)
        seconds = (clock.now() - began).total_seconds()
        assert len(states) <= 10 * seconds + 2


async def test_every_watcher_of_a_scope_gets_the_last_state(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    switch = Calls(api_redis, carrier, customer)
    async with (
        watching(carrier.owner) as account,
        watching(carrier.owner, customer) as one,
        watching(await carrier.contact(customer), customer) as another,
    ):
        for watched in (account, one, another):
            await watched.until(0)
        await switch.start(1, 2, 3)
        for watched in (account, one, another):
            await watched.until(3)


async def test_a_lost_connection_to_redis_loses_no_state(
    carrier: Carrier, api_redis: Redis
) -> None:
    switch = Calls(api_redis, carrier, await carrier.customer())
    async with watching(carrier.owner) as watched:
        await watched.until(0)
        await api_redis.client_kill_filter(_type="pubsub")
        await switch.start(1)
        await watched.until(1)


async def test_the_sequence_rises_even_when_redis_has_lost_everything(
    carrier: Carrier, api_redis: Redis
) -> None:
    switch = Calls(api_redis, carrier, await carrier.customer())
    await switch.start(1)
    async with watching(carrier.owner) as watched:
        await watched.until(1)
        await api_redis.flushdb()
        await watched.until(0)


async def test_carriers_that_the_account_hides_have_no_names_for_its_customers(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    made = await carrier.owner.do(
        "createCarrier", "Carrier", "id", name="Carrier A", reference="a", currency="EUR"
    )
    await Account.filter(id=carrier.account_id).update(hide_carriers=True)
    await Calls(api_redis, carrier, customer, over=number(made["id"])).start(1)
    for caller, name in [
        (await carrier.contact(customer), None),
        (await carrier.key("LIVE_READ", customer_id=customer), None),
        (carrier.owner, "Carrier A"),
    ]:
        async with watching(caller, customer) as watched:
            [state] = await watched.until(1)
            assert state["byCarrier"][0]["carrier"]["name"] == name


async def test_who_may_not_watch_is_told_why(carrier: Carrier) -> None:
    mine, others = await carrier.customer(), await carrier.customer()
    contact = await carrier.contact(mine)
    for caller, customer, code in [
        (contact, None, "FORBIDDEN"),
        (contact, others, "NOT_FOUND"),
        (carrier.owner, "x", "NOT_FOUND"),
        (carrier.owner, base.encode_id("Customer", carrier.account_id, 2**40), "NOT_FOUND"),
        (await carrier.key("BILLING_READ"), None, "FORBIDDEN"),
        (await carrier.key("LIVE_READ", customer_id=mine), None, "FORBIDDEN"),
    ]:
        async with watching(caller, customer) as watched:
            with pytest.raises(TransportQueryError) as refused:
                await watched.next()
        assert refused.value.errors is not None
        assert refused.value.errors[0]["extensions"]["code"] == code


async def test_the_channels_of_a_query_are_those_of_the_push(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    await Calls(api_redis, carrier, customer).start(1, 2)
    contact = await carrier.contact(customer)
    query = """{ viewer { ... on Contact { customer { channels {
        inUse limit byCarrier { carrier { id name } inUse } } } } } }"""
    answer = (await contact.ask(query))["viewer"]["customer"]["channels"]
    async with watching(contact, customer) as watched:
        [pushed] = await watched.until(2)
    assert answer == {name: pushed[name] for name in answer}
