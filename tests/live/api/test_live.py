"""liveChannels, by the gql client."""

import pytest
from gql.transport.exceptions import TransportQueryError
from redis.asyncio import Redis

from models.tables import Account
from runtime import clock
from schema.engine import base
from tests.support.api.callers import Carrier
from tests.support.api.live_channels import watching
from tests.support.api.switches import Calls, number


async def test_the_complete_state_arrives_immediately_and_at_every_change(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer(channelLimit=30)
    carrier_node = await carrier.owner.do(
        "createCarrier", "Carrier", "id", name="Carrier A", reference="a", currency="EUR"
    )
    switch = Calls(api_redis, carrier, customer, over=number(carrier_node["id"]))
    await switch.start(1, 2)
    async with watching(await carrier.contact(customer), customer) as stream:
        [first] = await stream.until(2)
        assert first["limit"] == 30
        assert first["byCarrier"] == [
            {"carrier": {"id": carrier_node["id"], "name": "Carrier A"}, "inUse": 2}
        ]
        await switch.start(3)
        await stream.until(3)
        await switch.end(1, 2, 3)
        assert (await stream.until(0))[-1]["byCarrier"] == []


async def test_many_changes_arrive_as_few_states_and_the_last_one_arrives(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    switch = Calls(api_redis, carrier, customer)
    async with watching(await carrier.key("LIVE_READ")) as stream:
        await stream.until(0)
        began = clock.now()
        for id in range(300):
            await switch.start(id)
        states = await stream.until(300)
        seconds = (clock.now() - began).total_seconds()
        assert len(states) <= 10 * seconds + 2


async def test_every_watcher_of_a_scope_receives_the_last_state(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    switch = Calls(api_redis, carrier, customer)
    async with (
        watching(carrier.owner) as account,
        watching(carrier.owner, customer) as first,
        watching(await carrier.contact(customer), customer) as another,
    ):
        for stream in (account, first, another):
            await stream.until(0)
        await switch.start(1, 2, 3)
        for stream in (account, first, another):
            await stream.until(3)


async def test_a_lost_connection_to_redis_loses_no_state(
    carrier: Carrier, api_redis: Redis
) -> None:
    switch = Calls(api_redis, carrier, await carrier.customer())
    async with watching(carrier.owner) as stream:
        await stream.until(0)
        await api_redis.client_kill_filter(_type="pubsub")
        await switch.start(1)
        await stream.until(1)


async def test_the_sequence_increases_even_if_redis_has_lost_everything(
    carrier: Carrier, api_redis: Redis
) -> None:
    switch = Calls(api_redis, carrier, await carrier.customer())
    await switch.start(1)
    async with watching(carrier.owner) as stream:
        await stream.until(1)
        await api_redis.flushdb()
        await stream.until(0)


async def test_customers_do_not_see_the_names_of_carriers_that_the_account_hides(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    carrier_node = await carrier.owner.do(
        "createCarrier", "Carrier", "id", name="Carrier A", reference="a", currency="EUR"
    )
    await Account.filter(id=carrier.account_id).update(hide_carriers=True)
    await Calls(api_redis, carrier, customer, over=number(carrier_node["id"])).start(1)
    for caller, name in [
        (await carrier.contact(customer), None),
        (await carrier.key("LIVE_READ", customer_id=customer), None),
        (carrier.owner, "Carrier A"),
    ]:
        async with watching(caller, customer) as stream:
            [state] = await stream.until(1)
            assert state["byCarrier"][0]["carrier"]["name"] == name


async def test_a_refused_watcher_receives_the_reason(carrier: Carrier) -> None:
    mine, others = await carrier.customer(), await carrier.customer()
    contact = await carrier.contact(mine)
    for caller, customer, code in [
        (contact, others, "NOT_FOUND"),
        (carrier.owner, "x", "NOT_FOUND"),
        (carrier.owner, base.encode_id("Customer", carrier.account_id, 2**40), "NOT_FOUND"),
        (await carrier.key("BILLING_READ"), None, "FORBIDDEN"),
    ]:
        async with watching(caller, customer) as stream:
            with pytest.raises(TransportQueryError) as error:
                await stream.next()
        assert error.value.errors is not None
        assert error.value.errors[0]["extensions"]["code"] == code


async def test_a_caller_with_only_one_customer_watches_it_without_selecting_it(
    carrier: Carrier, api_redis: Redis
) -> None:
    mine, others = await carrier.customer(), await carrier.customer()
    await Calls(api_redis, carrier, mine).start(1)
    await Calls(api_redis, carrier, others).start(1, 2)
    for caller in (
        await carrier.contact(mine),
        await carrier.key("LIVE_READ", customer_id=mine),
    ):
        async with watching(caller, None) as states:
            assert (await states.next())["inUse"] == 1


async def test_the_channels_of_a_query_equal_those_of_the_push(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    await Calls(api_redis, carrier, customer).start(1, 2)
    contact = await carrier.contact(customer)
    query = """{ viewer { ... on Contact { customer { channels {
        inUse limit byCarrier { carrier { id name } inUse } } } } } }"""
    answer = (await contact.ask(query))["viewer"]["customer"]["channels"]
    async with watching(contact, customer) as stream:
        [pushed] = await stream.until(2)
    assert answer == {name: pushed[name] for name in answer}
