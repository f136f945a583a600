"""A wallboard: holds its subscriptions through every failure and records wrong numbers."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException
from websockets.typing import Subprotocol

CHANNELS = """subscription($c: ID) { liveChannels(customerId: $c) {
    sequence inUse byCarrier { carrier { id } inUse } } }"""
STATS = """subscription($c: ID) { liveStats(customerId: $c) {
    sequence attempts answered asr } }"""
INVOICES = "subscription($after: Long) { invoiceIssued(after: $after) { number invoice { id } } }"


@dataclass
class Gauge:
    """The whole state, each time newer than the last."""

    query: str
    name: str
    variables: dict[str, Any]
    latest: dict[str, Any] | None = None  # None: not connected, nothing is shown
    sequence: int = 0

    def take(self, data: dict[str, Any]) -> None:
        state = data[self.name]
        if self.name == "liveChannels":
            assert sum(row["inUse"] for row in state["byCarrier"]) == state["inUse"]
            assert state["inUse"] >= 0
        # A server that is read again repeats the state; its sequence never decreases.
        assert state["sequence"] >= self.sequence, f"{self.name} went back"
        self.latest, self.sequence = state, state["sequence"]

    def lose(self) -> None:
        self.latest = None


@dataclass
class Facts:
    """Each once, in order, without a gap; resumed after the last."""

    query: str
    name: str
    numbers: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, Any]:
        return {"after": self.numbers[-1] if self.numbers else 0}

    def take(self, data: dict[str, Any]) -> None:
        fact = data[self.name]
        assert fact["number"] == len(self.numbers) + 1, (
            f"{fact['number']} after {self.numbers[-1:]}"
        )
        self.numbers.append(fact["number"])
        self.values.append(fact)

    def lose(self) -> None:
        """Once received, the number of the newest fact never decreases."""


class Wallboard:
    """Connects again, after a random while, as often as it has to."""

    def __init__(self, url: str, token: str, *subscriptions: Gauge | Facts) -> None:
        self.url = url.replace("http", "ws") + "/graphql"
        self.token = token
        self.shown = subscriptions
        self.connected = 0
        self.wrong: list[str] = []

    async def run(self) -> None:
        while True:
            try:
                async with connect(
                    self.url,
                    subprotocols=[Subprotocol("graphql-transport-ws")],
                    compression=None,
                    open_timeout=3,
                    ping_interval=2,
                    ping_timeout=4,
                ) as socket:
                    self.connected += 1
                    await self._listen(socket)
            except (OSError, TimeoutError, WebSocketException, InvalidHandshake):
                pass
            except AssertionError as error:
                self.wrong.append(str(error))
                raise
            for subscription in self.shown:
                subscription.lose()
            await asyncio.sleep(random.uniform(0.1, 0.5))

    async def _listen(self, socket: ClientConnection) -> None:
        init = {"authorization": f"Bearer {self.token}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": init}))
        assert json.loads(await socket.recv()) == {"type": "connection_ack"}
        for id, subscription in enumerate(self.shown):
            payload = {"query": subscription.query, "variables": subscription.variables}
            await socket.send(json.dumps({"id": str(id), "type": "subscribe", "payload": payload}))
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "next":
                assert "errors" not in message["payload"], message
                self.shown[int(message["id"])].take(message["payload"]["data"])
            else:
                assert message["type"] == "error", message
                return  # it is temporarily unavailable: retry


async def until(condition: Callable[[], bool], seconds: float, name: str) -> float:
    """Seconds until it holds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, name
        await asyncio.sleep(0.05)
    return time.monotonic() - began
