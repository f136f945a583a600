"""liveStats, from the events of a switch to the pushes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from redis.asyncio import Redis

from live import keys, sliding_window
from runtime import clock
from schema.engine import base
from tests.support.api.callers import Caller, Carrier
from tests.support.programs import Program

FIELDS = "sequence asOf windowSeconds attempts answered asr acdSeconds pddMs cps"
QUERY = f"""subscription Stats($customer: ID, $seconds: Long! = 900) {{
    liveStats(customerId: $customer, windowSeconds: $seconds) {{ {FIELDS} }} }}"""
Shown = dict[str, Any]


class Switch:
    """Posts to `/ingest/calls`, with a customer of the account."""

    def __init__(self, url: str, key: Caller, customer: str) -> None:
        self.url, self.key, self.customer = url, key, customer
        self.made = 0

    async def post(self, *events: Shown) -> Shown:
        async with httpx2.AsyncClient(verify=False, timeout=60) as client:
            answer = await client.post(
                f"{self.url}/ingest/calls", content=json.dumps(events), headers=self.key.headers
            )
        body: Shown = answer.json()
        assert not body["refused"], body
        return body

    def end(self, talk: float | None = None, ended: float = 1.0, **changes: Any) -> Shown:
        """Ended `ended` seconds ago; answered if there was talk, in seconds. It rang after 1 s."""
        self.made += 1
        at = clock.now() - timedelta(seconds=ended)
        answer = None if talk is None else at - timedelta(seconds=talk)
        ringing = (answer or at) - timedelta(seconds=2)
        return {
            "type": "end",
            "call_id": f"call-{self.made}",
            "switch": "edge-1",
            "customer": self.customer,
            "source": "+441632960000",
            "destination": "+15550100",
            "setup_at": _written(ringing - timedelta(seconds=1)),
            "ringing_at": _written(ringing),
            "answer_at": answer and _written(answer),
            "end_at": _written(at),
        } | changes


def _written(at: datetime) -> str:
    return at.isoformat()


@pytest.fixture
async def customer(carrier: Carrier) -> str:
    return await carrier.customer(reference="acme")


@pytest.fixture
async def switch(carrier: Carrier, customer: str) -> Switch:
    return Switch(carrier.url, await carrier.key("INGEST"), "acme")


class StateStream:
    """The received states; each is consistent and newer than the previous one."""

    def __init__(self, results: Any) -> None:
        self._results = results
        self.seen: list[Shown] = []

    async def next(self) -> Shown:
        async with asyncio.timeout(15):
            state: Shown = (await anext(self._results))["liveStats"]
        assert not self.seen or state["sequence"] > self.seen[-1]["sequence"]
        assert (state["asr"] is None) == (state["attempts"] == 0)
        assert (state["acdSeconds"] is None) == (state["answered"] == 0)
        self.seen.append(state)
        return state

    async def until(self, attempts: int, **more: Any) -> Shown:
        while True:
            state = await self.next()
            if state | {"attempts": attempts, **more} == state:
                return state


@asynccontextmanager
async def watching(
    caller: Caller, customer: str | None = None, seconds: int | None = None
) -> AsyncIterator[StateStream]:
    transport = WebsocketsTransport(
        url=caller.url.replace("http", "ws") + "/graphql",
        init_payload={"authorization": f"Bearer {caller.token}"},
    )
    variables = {"customer": customer} | ({} if seconds is None else {"seconds": seconds})
    async with Client(transport=transport) as session:
        results = session.subscribe(GraphQLRequest(QUERY, variable_values=variables))
        try:
            yield StateStream(results)
        finally:
            await results.aclose()


async def test_the_complete_state_arrives_immediately_and_after_every_end(
    carrier: Carrier, customer: str, switch: Switch
) -> None:
    await switch.post(switch.end(talk=30), switch.end(talk=15), switch.end(ringing_at=None))
    async with watching(await carrier.contact(customer), customer) as stream:
        state = await stream.until(3)
        assert (state["windowSeconds"], state["answered"]) == (900, 2)
        assert (state["asr"], state["acdSeconds"], state["pddMs"]) == (200 / 3, 22.5, 1_000)
        await switch.post(switch.end())
        assert (await stream.until(4))["asr"] == 50


async def test_a_query_returns_the_pushed_figures(
    carrier: Carrier, customer: str, switch: Switch
) -> None:
    await carrier.customer(reference="other")
    other = Switch(carrier.url, switch.key, "other")
    await switch.post(switch.end(talk=30), switch.end(), other.end(call_id="o", talk=5))
    async with watching(carrier.owner) as all, watching(carrier.owner, customer, 60) as of_customer:
        await all.until(3)
        await of_customer.until(2)
        answer = await carrier.owner.ask(
            f"query($c: ID!) {{ customer(id: $c) {{ liveStats(windowSeconds: 60) {{ {FIELDS} }} }}"
            f" viewer {{ ... on Staff {{ account {{ liveStats {{ {FIELDS} }} }} }} }} }}",
            c=customer,
        )
    for figures, pushed in (
        (answer["customer"]["liveStats"], of_customer.seen[-1]),
        (answer["viewer"]["account"]["liveStats"], all.seen[-1]),
    ):
        assert figures["sequence"] == pushed["sequence"]
        assert figures | {"asOf": pushed["asOf"]} == pushed


async def test_calls_leave_the_window_without_an_event(
    carrier: Carrier, customer: str, switch: Switch
) -> None:
    async with watching(carrier.owner, customer, 10) as stream:
        assert (await stream.next())["asr"] is None
        await switch.post(switch.end(talk=1, ended=6), switch.end(ended=8))
        await stream.until(2)
        await stream.until(1, answered=1, asr=100.0)
        await stream.until(0, answered=0, asr=None, acdSeconds=None, pddMs=None)
    assert all(state["windowSeconds"] == 10 for state in stream.seen)


async def test_attempts_per_second_count_started_attempts(
    carrier: Carrier, customer: str, switch: Switch
) -> None:
    async with watching(carrier.owner, customer) as stream:
        starts = [
            {"type": "start", "call_id": f"s{n}", "switch": "edge-1", "customer": "acme"}
            | {"at": _written(clock.now())}
            for n in range(5)
        ]
        await switch.post(*starts)
        await stream.until(0, cps=0.5)


async def test_states_arrive_at_most_once_a_second(
    carrier: Carrier, customer: str, switch: Switch
) -> None:
    async with watching(carrier.owner, customer) as stream:
        await stream.until(0)
        began = clock.now()
        for _ in range(40):
            await switch.post(switch.end())
        await stream.until(40)
        seconds = (clock.now() - began).total_seconds()
    assert len(stream.seen) <= seconds + 2


async def test_a_correction_replaces_the_record_it_corrects(
    carrier: Carrier, customer: str, switch: Switch
) -> None:
    first = switch.end(talk=None)
    await switch.post(first)
    async with watching(carrier.owner, customer) as stream:
        await stream.until(1, answered=0)
        corrected = switch.end(talk=12, call_id=first["call_id"], correction=True)
        assert (await switch.post(corrected))["corrected"] == 1
        await stream.until(1, answered=1, acdSeconds=12.0)
        await switch.post(first)
        assert (await switch.post(first | {"destination": "+15550199"}))["held"]
        await switch.post(switch.end())
        await stream.until(2, answered=1, acdSeconds=12.0)


async def test_an_end_held_for_review_does_not_count_even_after_a_loss_of_redis(
    carrier: Carrier, customer: str, switch: Switch, api_redis: Redis
) -> None:
    first = switch.end(talk=10)
    await switch.post(first)
    await api_redis.flushdb()
    assert (await switch.post(switch.end(talk=99, call_id=first["call_id"])))["held"]
    async with watching(carrier.owner, customer) as stream:
        await stream.until(1, answered=1, acdSeconds=10.0)


async def test_after_a_loss_of_redis_no_caller_sees_partial_figures(
    carrier: Carrier, customer: str, switch: Switch, api_redis: Redis
) -> None:
    await switch.post(*[switch.end(talk=2) for _ in range(30)])
    async with watching(carrier.owner, customer) as of_customer, watching(carrier.owner) as all:
        for stream in (of_customer, all):
            await stream.until(30)
        await api_redis.flushdb()
        await switch.post(switch.end())
        for stream in (of_customer, all):
            await stream.until(31)
            assert {state["attempts"] for state in stream.seen} <= {0, 30, 31}
            assert {state["attempts"] for state in stream.seen[-2:]} == {30, 31}
        query = f"query($c: ID!) {{ customer(id: $c) {{ liveStats {{ {FIELDS} }} }} }}"
        await api_redis.flushdb()
        answer = await carrier.owner.ask(query, c=customer)
        assert answer["customer"]["liveStats"]["attempts"] == 31


async def test_two_web_processes_show_the_same_before_and_after_a_loss_of_redis(
    carrier: Carrier, customer: str, switch: Switch, api: Program, api_redis: Redis
) -> None:
    with Program.web(api.environment) as second:
        there = Caller(second.url, carrier.owner.token)
        async with watching(carrier.owner, customer) as first, watching(there, customer) as other:
            elsewhere = Switch(second.url, switch.key, "acme")
            await switch.post(*[switch.end(talk=n) for n in range(20)])
            await elsewhere.post(*[elsewhere.end(call_id=f"x{n}") for n in range(20)])
            for stream in (first, other):
                await stream.until(40, answered=20)
            await api_redis.flushdb()
            await asyncio.gather(switch.post(switch.end()), elsewhere.post(elsewhere.end()))
            for stream in (first, other):
                await stream.until(41)


async def test_queries_wait_for_a_reader_that_needs_long_to_fill_the_window(
    carrier: Carrier, customer: str, switch: Switch, api_redis: Redis
) -> None:
    """The query and the watcher still show the last window, as incomplete."""
    query = "query($c: ID!) { customer(id: $c) { liveStats { attempts complete } } }"
    await switch.post(switch.end())
    async with watching(carrier.owner, customer) as stream:
        await stream.until(1)
        await api_redis.delete(keys.prefix(carrier.account_id) + keys.PATTERNS["window"])
        fill_token = await sliding_window.begin_fill(api_redis, carrier.account_id)
        assert fill_token is not None
        await switch.post(switch.end())
        stats = (await carrier.owner.ask(query, c=customer))["customer"]["liveStats"]
        assert stats == {"attempts": 1, "complete": False}
        assert stream.seen[-1]["attempts"] == 1
        await stream.until(2)  # once it has sent no sign of life for 5 s


async def test_a_refused_watcher_receives_the_reason(carrier: Carrier, customer: str) -> None:
    others = await carrier.customer()
    contact = await carrier.contact(customer)
    for caller, of, seconds, code in [
        (contact, others, 900, "NOT_FOUND"),
        (carrier.owner, "x", 900, "NOT_FOUND"),
        (carrier.owner, base.encode_id("Customer", carrier.account_id, 2**40), 900, "NOT_FOUND"),
        (await carrier.key("BILLING_READ"), None, 900, "FORBIDDEN"),
        (carrier.owner, customer, 9, "BAD_WINDOW"),
        (carrier.owner, None, 901, "BAD_WINDOW"),
    ]:
        async with watching(caller, of, seconds) as stream:
            with pytest.raises(TransportQueryError) as error:
                await stream.next()
        assert error.value.errors is not None
        assert error.value.errors[0]["extensions"]["code"] == code


async def test_a_caller_that_sees_a_customer_but_not_its_calls_is_refused_the_figures(
    carrier: Carrier, customer: str
) -> None:
    query = (
        "query($c: ID!, $s: Long!) { customer(id: $c) { liveStats(windowSeconds: $s) { asr } } }"
    )
    billing, wallboard = await carrier.key("BILLING_READ"), await carrier.key("LIVE_READ")
    assert await billing.code(query, c=customer, s=900) == "FORBIDDEN"
    assert await wallboard.code(query, c=customer, s=9) == "BAD_WINDOW"
    assert (await wallboard.ask(query, c=customer, s=10))["customer"]["liveStats"]["asr"] is None
