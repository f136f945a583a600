"""Subscriptions that share an execution send each subscriber only data that it may see."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from models.tables import Account
from runtime import clock
from tests.support.api.callers import Caller, Carrier
from tests.support.api.sockets import say, signed_in, subscribe
from tests.support.api.switches import Calls, number
from tests.support.message_servers import until
from tests.support.programs import Program

pytestmark = pytest.mark.once

LIVE = """subscription Live($c: ID) { liveChannels(customerId: $c) {
    sequence inUse limit byCarrier { carrier { id name } inUse } } }"""
# Other subscriptions to the same data under other names: none may share an execution wrongly.
DOCUMENTS = (
    LIVE,
    LIVE.replace("{ id name }", "{ ...N }") + " fragment N on Carrier { id name }",
    LIVE.replace("limit", "limit: limit"),
)
WITHIN = 10.0  # seconds until a revocation takes effect: 1, and the delay of a busy machine


@dataclass
class Tenant:
    """An account with two customers of distinct channel limits, and a carrier of a fixed name."""

    carrier: Carrier
    customers: list[str]
    limits: dict[str | None, int | None]
    carrier_id: str
    name: str
    switches: list[Calls]
    started: int = 0

    @classmethod
    async def create(cls, url: str, redis: Redis, which: int) -> "Tenant":
        carrier = await Carrier.create(url, clock.now())
        limits = [1_000 * which + n for n in (1, 2)]
        customers = [await carrier.customer(channelLimit=limit) for limit in limits]
        name = f"Carrier of {which}"
        carrier_node = await carrier.owner.do(
            "createCarrier", "Carrier", "id", name=name, reference="a", currency="EUR"
        )
        switches = [
            Calls(redis, carrier, customer, over=number(carrier_node["id"]))
            for customer in customers
        ]
        return cls(
            carrier,
            customers,
            {None: None, **dict(zip(customers, limits, strict=True))},
            carrier_node["id"],
            name,
            switches,
        )

    async def start(self, customer: int) -> None:
        self.started += 1
        await self.switches[customer].start(self.started)


@dataclass
class Who:
    """A caller, the customers that it may watch (None: the account), and the key that can be
    revoked."""

    tenant: Tenant
    caller: Caller
    may: set[str | None]
    only: str | None = None  # the one customer it sees
    key_id: str | None = None
    is_german: bool = False


KINDS = (
    *("owner", "support", "contact", "German contact"),
    *("key", "customer key", "billing key", "nobody"),
)


async def someone(tenant: Tenant, kind: str, which: int) -> Who:
    customer = tenant.customers[which]
    everything: set[str | None] = {None, *tenant.customers}
    match kind:
        case "owner":
            return Who(tenant, tenant.carrier.owner, everything)
        case "support":
            return Who(tenant, await tenant.carrier.staff("SUPPORT"), everything)
        case "contact":
            return Who(tenant, await tenant.carrier.contact(customer), {customer}, customer)
        case "German contact":
            contact = await tenant.carrier.contact(customer, language="de")
            return Who(tenant, contact, {customer}, customer, is_german=True)
        case "nobody":
            return Who(tenant, Caller(tenant.carrier.url, None), set())
    scopes = ["BILLING_READ"] if kind == "billing key" else ["LIVE_READ"]
    key = await tenant.carrier.owner.do(
        "createApiKey",
        "CreatedApiKey",
        "id secret",
        name="a program",
        scopes=scopes,
        customerId=customer if kind == "customer key" else None,
    )
    may = {"key": everything, "customer key": {customer}, "billing key": set()}[kind]
    caller = Caller(tenant.carrier.url, key["secret"])
    only = customer if kind == "customer key" else None
    return Who(tenant, caller, may, only, key["id"])


@dataclass
class Listener:
    who: Who
    of: str | None
    told: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    code: int | None = None
    closed_at: float | None = None
    revoked_at: float | None = None

    @property
    def shown(self) -> str | None:
        """The customer whose state it requests: a caller of one customer need not select it."""
        return self.who.only if self.of is None else self.of

    @property
    def may(self) -> bool:
        return self.shown in self.who.may

    @property
    def is_settled(self) -> bool:
        if self.revoked_at is not None:
            return self.closed_at is not None
        return bool(self.told) or self.closed_at is not None

    async def listen(self, socket: ClientConnection) -> None:
        try:
            while True:
                self.told.append((time.monotonic(), json.loads(await socket.recv())))
        except ConnectionClosed:
            self.code, self.closed_at = socket.close_code, time.monotonic()

    def check(self, hidden_since: float | None) -> None:
        """Checks that all received data are its own, and from the time in which it may receive
        them."""
        for at, message in self.told:
            if message["type"] == "complete":
                continue
            payload = message["payload"]
            data = None if message["type"] == "error" else payload["data"]
            if data is None:
                assert not self.may, payload
                [fault] = payload if message["type"] == "error" else payload["errors"]
                assert (" Sie " in fault["message"]) == self.who.is_german
                continue
            assert self.may, f"told {payload} though it may not see it"
            self._check_state(at, data["liveChannels"], hidden_since)
        if self.may and not self._ended_before_its_first_state(hidden_since):
            assert self.told, "it was told nothing"
        if self.revoked_at is not None:
            assert self.code == 4403
            assert self.closed_at is not None
            assert self.closed_at < self.revoked_at + WITHIN

    def _ended_before_its_first_state(self, hidden_since: float | None) -> bool:
        """Possible if the visible data have changed immediately after the subscription."""
        has_changed = self.revoked_at is not None or (
            self.who.only is not None and hidden_since is not None
        )
        return self.code == 4403 and has_changed

    def _check_state(self, at: float, state: dict[str, Any], hidden_since: float | None) -> None:
        tenant = self.who.tenant
        assert state["limit"] == tenant.limits[self.shown]
        assert self.revoked_at is None or at < self.revoked_at + WITHIN
        for row in state["byCarrier"]:
            assert row["carrier"]["id"] == tenant.carrier_id
            names = {tenant.name}
            if self.who.only is not None and hidden_since is not None:
                names = {None} if at > hidden_since + WITHIN else {None, tenant.name}
            assert row["carrier"]["name"] in names
        assert sum(row["inUse"] for row in state["byCarrier"]) == state["inUse"]


LISTENERS = st.lists(
    st.tuples(
        st.integers(0, 1),  # of which account
        st.sampled_from(KINDS),
        st.integers(0, 1),  # of which customer
        st.tuples(st.integers(0, 1), st.sampled_from([None, 0, 1])),  # listens to what
        st.integers(0, len(DOCUMENTS) - 1),
    ),
    min_size=4,
    max_size=14,
)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, 1), st.integers(0, 1)),
        st.tuples(st.just("revoke"), st.integers(0, 13), st.just(0)),
        st.tuples(st.just("hide"), st.integers(0, 1), st.just(0)),
    ),
    min_size=3,
    max_size=12,
)


@pytest.fixture(scope="package")
async def tenants(api: Program, api_redis: Redis) -> list[Tenant]:
    return [await Tenant.create(api.url, api_redis, which) for which in (1, 2)]


@given(LISTENERS, CHANGES)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
async def test_no_caller_receives_data_that_it_may_not_see(
    tenants: list[Tenant], subscribers: list[Any], changes: list[Any]
) -> None:
    for tenant in tenants:
        await Account.filter(id=tenant.carrier.account_id).update(hide_carriers=False)
    await asyncio.sleep(0.5)  # until cached permissions have expired
    hidden: dict[int, float] = {}
    listeners: list[Listener] = []
    async with AsyncExitStack() as stack:
        tasks = []
        for account, kind, customer, (other, of), document in subscribers:
            who = await someone(tenants[account], kind, customer)
            target = None if of is None else tenants[other].customers[of]
            listener = Listener(who, target)
            listeners.append(listener)
            socket = await stack.enter_async_context(_socket(who.caller))
            await say(socket, subscribe("1", DOCUMENTS[document], variables={"c": target}))
            tasks.append(asyncio.create_task(listener.listen(socket)))
        for change, one, two in changes:
            await _change(change, one, two, tenants, listeners, hidden)
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.2)  # in which no caller may receive more
        await until(lambda: all(one.is_settled for one in listeners), within=WITHIN)
        for task in tasks:
            task.cancel()
    for listener in listeners:
        listener.check(hidden.get(tenants.index(listener.who.tenant)))


def _socket(caller: Caller) -> Any:
    return signed_in(caller.url, caller.token)


async def _change(
    change: str,
    first: int,
    two: int,
    tenants: list[Tenant],
    listeners: list[Listener],
    hidden: dict[int, float],
) -> None:
    match change:
        case "call":
            await tenants[first].start(two)
        case "hide":
            await Account.filter(id=tenants[first].carrier.account_id).update(hide_carriers=True)
            hidden.setdefault(first, time.monotonic())
        case "revoke":
            listener = listeners[first % len(listeners)]
            who = listener.who
            if who.key_id is not None and listener.revoked_at is None:
                await who.tenant.carrier.owner.do("revokeApiKey", "ApiKey", "id", id=who.key_id)
                listener.revoked_at = time.monotonic()
