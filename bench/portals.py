"""Measures how long 1,000 portals of one account wait for their dashboards after a restart.

Each portal has its own WebSocket, subscribes to its live channels and queries its dashboard.
100 customers have 10 portals each. The web process has its default limits. All portals connect
at once, and again to the restarted process. Goal: all dashboards within 30 s, none refused.

Run: `./callboard bench portals [PORTALS]`.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from bench import ingest
from bench.fanout import meter
from bench.support import cost_cases as cases
from bench.support import cost_data as data
from models import db
from models.identity import contacts, logins
from resolvers.identity import sign_in
from runtime import clock, embedded

DAYS = 1  # of the dashboard's graph
CHANNELS = (
    """subscription($c: ID!) { liveChannels(customerId: $c) { sequence asOf inUse limit } }"""
)
PAUSE = 0.1  # seconds until a portal whose connection was refused tries again


async def people(world: data.World) -> list[tuple[str, str]]:
    """A contact of each customer, with the token of a session and the customer."""
    password_hash, results = await sign_in.hash_password(data.PASSWORD), []
    for n, (number, customer) in enumerate(zip(world.numbers, world.customers, strict=True)):
        email = f"portal-{n}@bench.example"
        login_id = await logins.insert(world.account_id, email, password_hash, world.now)
        await contacts.insert(
            world.account_id,
            contacts.NewContact(
                customer_id=number,
                login_id=login_id,
                name="A person",
                email=email,
                mobile=None,
                language="en",
                time_zone="UTC",
            ),
            world.now,
        )
        results.append((await data.session(world, email), customer))
    return results


class Portal:
    """The requests of a page when it is loaded, until it has its dashboard."""

    def __init__(self, port: int, token: str, customer: str, variables: dict[str, Any]) -> None:
        self._url = f"ws://127.0.0.1:{port}/graphql"
        self._token = token
        self._messages = (
            ("live", CHANNELS, {"c": customer}),
            ("dashboard", cases.DASHBOARD, variables),
        )

    async def load(self, sockets: AsyncExitStack) -> str:
        """OK, or the code of the refusal. Tries until it is connected."""
        while True:
            try:
                return await self._load(sockets)
            except (OSError, WebSocketException):
                await asyncio.sleep(PAUSE)

    async def _load(self, sockets: AsyncExitStack) -> str:
        protocol = Subprotocol("graphql-transport-ws")
        socket = await sockets.enter_async_context(
            connect(self._url, subprotocols=[protocol], open_timeout=None, max_size=None)
        )
        authorization = {"authorization": f"Bearer {self._token}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": authorization}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        for id, query, variables in self._messages:
            payload = {"query": query, "variables": variables}
            await socket.send(json.dumps({"id": id, "type": "subscribe", "payload": payload}))
        return await _outcome(socket)


async def _outcome(socket: ClientConnection) -> str:
    """The outcome of the dashboard, including refusals of the subscription."""
    while True:
        message = json.loads(await socket.recv())
        if message["type"] == "error":
            return str(message["payload"][0]["extensions"]["code"])
        if message["type"] == "next" and message["id"] == "dashboard":
            errors = message["payload"].get("errors")
            return str(errors[0]["extensions"]["code"]) if errors else "OK"


async def load_all(portals: list[Portal], sockets: AsyncExitStack) -> None:
    """Loads all portals and prints when they had their dashboards, from the first attempt to
    connect."""
    began = time.monotonic()

    async def load(portal: Portal) -> tuple[str, float]:
        return await portal.load(sockets), time.monotonic() - began

    results = await asyncio.gather(*map(load, portals))
    seconds = sorted(seconds_of_portal for _, seconds_of_portal in results)
    tenths = quantiles(seconds, n=10)
    print(
        f"{len(portals)} portals: {dict(Counter(code for code, _ in results))}; the first after"
        f" {seconds[0]:.1f} s, half after {tenths[4]:.1f} s, the last after {seconds[-1]:.1f} s"
    )


async def main(count: int) -> None:
    meter.allow_open_files()
    with tempfile.TemporaryDirectory() as folder, embedded.servers(Path(folder)) as urls:
        await db.open_database(urls.database_url)
        await db.migrate()
        world = await data.prepare(clock.now())
        tokens = await people(world)
        for turn in ("the first time", "after a restart"):
            async with ingest.web_process(urls.database_url, urls.redis_url, {}) as (port, _):
                if turn == "the first time":
                    async with httpx2.AsyncClient(timeout=120) as client:
                        asker = data.Asker(client, f"http://127.0.0.1:{port}", "")
                        await data.post(world, asker)
                print(turn, end=": ", flush=True)
                async with AsyncExitStack() as sockets:
                    await load_all(chosen(world, port, tokens, count), sockets)
        await db.close_database()


def chosen(world: data.World, port: int, tokens: list[tuple[str, str]], count: int) -> list[Portal]:
    end = world.now.replace(minute=0, second=0, microsecond=0)
    variables = {"from": (end - timedelta(days=DAYS)).isoformat(), "to": end.isoformat()}
    return [Portal(port, *tokens[n % len(tokens)], variables) for n in range(count)]


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000))
