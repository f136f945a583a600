"""The latency of another account's ingest, viewer query and pushes during a load."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import quantiles

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from bench import ingest
from bench.support import fairness_data as data
from bench.support.attack import Http
from runtime import clock

_EVERY = 0.05  # seconds between two requests of a kind
_WITHIN = 60.0
_VIEWER = {"query": "{ viewer { __typename ... on Contact { id customer { id name } } } }"}
_LIVE = "subscription L($c: ID) { liveChannels(customerId: $c) { inUse } }"


@dataclass
class Latencies:
    """Milliseconds of each kind of request of the other account."""

    taken: dict[str, list[float]] = field(default_factory=dict)

    async def every(self, name: str, work: Callable[[int], Awaitable[None]], until: float) -> None:
        number, times = 0, self.taken.setdefault(name, [])
        while time.perf_counter() < until:
            number, start = number + 1, time.perf_counter()
            await work(number)
            times.append((time.perf_counter() - start) * 1000)
            await asyncio.sleep(max(0.0, start + _EVERY - time.perf_counter()))

    def p99(self, name: str) -> float:
        return quantiles(self.taken[name], n=100)[98]


@dataclass(frozen=True, slots=True)
class Ports:
    """The web process of queries and pushes, and that of ingest. They can be the same."""

    web: int
    ingest: int


async def other_account(ports: Ports, side: data.Side, run: str, seconds: float) -> Latencies:
    """Its ingest, viewer query and pushes, each over a separate connection."""
    latencies, until = Latencies(), time.perf_counter() + seconds
    posting = await Http(ports.ingest, side.ingest_key).open()
    asking = await Http(ports.web, side.contact).open()
    calling = await Http(ports.ingest, side.ingest_key).open()

    async def post(number: int) -> None:
        call = ingest.event(number, clock.now() - timedelta(seconds=400), f"{run}-")
        answer = await posting.send("/ingest/calls", json.dumps([call]).encode())
        assert answer["accepted"] == 1, answer

    async def ask(_: int) -> None:
        answer = await asking.send("/graphql", json.dumps(_VIEWER).encode())
        assert "errors" not in answer, answer

    async with pushes(ports.web, side) as wait:

        async def push(number: int) -> None:
            """From a call's start until the push that shows it."""
            event = ingest.event(0, clock.now(), f"{run}-live-{number}-")
            fields = ("call_id", "leg", "switch", "setup_at")
            call = {name: event[name] for name in fields} | {"type": "start"}
            call |= {"customer": "customer-0", "at": event["setup_at"]}
            answer = await calling.send("/ingest/calls", json.dumps([call]).encode())
            assert answer["accepted"] == 1, answer
            await wait(number)

        await asyncio.gather(
            latencies.every("ingest", post, until),
            latencies.every("viewer query", ask, until),
            latencies.every("push", push, until),
        )
    for http in (posting, asking, calling):
        http.close()
    return latencies


@asynccontextmanager
async def pushes(port: int, side: data.Side) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """A function that waits until `n` more calls are active than at first."""
    protocol = [Subprotocol("graphql-transport-ws")]
    async with connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=protocol) as socket:
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {side.contact}"}}
        await socket.send(json.dumps(init))
        await socket.recv()
        payload = {"query": _LIVE, "variables": {"c": side.customer}}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))

        async def state() -> int:
            while True:
                async with asyncio.timeout(_WITHIN):
                    message = json.loads(await socket.recv())
                if message["type"] == "next":
                    return int(message["payload"]["data"]["liveChannels"]["inUse"])

        first = await state()

        async def wait(number: int) -> None:
            while await state() < first + number:
                pass

        yield wait
