"""The figures of subscribers and queries, compared with the count of the switch."""

import asyncio
import json
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

from simulator.switch import Switch

FIELDS = "sequence asOf complete inUse cps byCarrier { inUse }"
SUBSCRIPTION = f"subscription {{ liveChannels {{ {FIELDS} }} }}"
QUERY = f"{{ viewer {{ ... on Staff {{ account {{ channels {{ {FIELDS} }} }} }} }} }}"
LATE = 5.0  # seconds: maximum age of a complete figure; beats arrive every 2 s
SLACK = 15  # events under way at 50 calls/s
LEAST_CPS = 20.0  # of 50: figures in transit while a server is unavailable arrive a little later
_SAMPLE_EVERY = 0.02

State = dict[str, Any]


@dataclass
class Truth:
    """How many calls the switch had, over the last seconds."""

    switch: Switch
    counts: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=3_000))

    async def follow(self) -> None:
        while True:
            self.counts.append((asyncio.get_running_loop().time(), self.switch.active))
            await asyncio.sleep(_SAMPLE_EVERY)

    def allows(self, in_use: int) -> bool:
        """Whether it was the count at some time in the last LATE seconds."""
        since = asyncio.get_running_loop().time() - LATE
        counts = [count for at, count in self.counts if at >= since] or [self.switch.active]
        return min(counts) - SLACK <= in_use <= max(counts) + SLACK


@dataclass
class Observer:
    """Counts the figures by kind, and stores the false ones."""

    truth: Truth
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)  # (during, value)
    false: list[str] = field(default_factory=list)
    during: str = ""

    def take(self, source: str, state: State | None) -> None:
        if state is None:
            self.count(f"{source}: none")
            return
        assert sum(row["inUse"] for row in state["byCarrier"]) == state["inUse"]
        kind = "complete" if state["complete"] else "incomplete"
        self.count(f"{source}: {kind}")
        is_right = self.truth.allows(state["inUse"]) and state["cps"] >= LEAST_CPS
        if state["complete"] and not is_right:
            active = self.truth.switch.active
            self.false.append(f"{self.during}: {source} {state}, active {active}")

    def count(self, kind: str) -> None:
        self.kinds[self.during, kind] += 1

    async def subscribe(self, url: str, token: str) -> None:
        while True:
            with suppress(OSError, TimeoutError, WebSocketException, InvalidHandshake):
                await self._listen(url.replace("http", "ws") + "/graphql", token)
            await asyncio.sleep(0.1)

    async def _listen(self, url: str, token: str) -> None:
        protocols = [Subprotocol("graphql-transport-ws")]
        async with connect(url, subprotocols=protocols, open_timeout=3) as socket:
            init = {"authorization": f"Bearer {token}"}
            await socket.send(json.dumps({"type": "connection_init", "payload": init}))
            await socket.recv()
            subscribe = {"id": "1", "type": "subscribe", "payload": {"query": SUBSCRIPTION}}
            await socket.send(json.dumps(subscribe))
            async for text in socket:
                message = json.loads(text)
                if message["type"] != "next":
                    return
                self.take("push", message["payload"]["data"]["liveChannels"])

    async def poll(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=url, timeout=10, headers=headers) as client:
            while True:
                try:
                    answer = (await client.post("/graphql", json={"query": QUERY})).json()
                except (httpx2.TransportError, ValueError):
                    self.count("query: not answered")
                else:
                    for error in answer.get("errors", ()):
                        self.count(f"query: {error['extensions']['code']}")
                    viewer = (answer.get("data") or {}).get("viewer") or {}
                    account = viewer.get("account") or {}
                    self.take("query", account.get("channels"))
                await asyncio.sleep(0.2)


@asynccontextmanager
async def observed(
    switch: Switch, urls: list[str], token: str, each: int = 2
) -> AsyncIterator[Observer]:
    """`each` subscribers and pollers at each URL, once the truth reaches LATE seconds back."""
    truth = Truth(switch)
    observer = Observer(truth)
    tasks = [asyncio.create_task(truth.follow())]
    await asyncio.sleep(LATE)
    for url in urls * each:
        tasks.append(asyncio.create_task(observer.subscribe(url, token)))
        tasks.append(asyncio.create_task(observer.poll(url, token)))
    try:
        yield observer
        assert not [task for task in tasks if task.done()], "an observer has failed"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
