"""Clients that request dashboards, and checks that no answer misses a committed rebuild."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import quantiles
from typing import Any

import msgspec

from bench.fanout import meter
from models import db

CLIENTS = 16
_POLL_SECONDS = 0.05

Floor = Mapping[datetime, tuple[int, int]]  # version and attempts by hour


class _Row(msgspec.Struct, rename="camel"):
    period_start: datetime
    version: int
    attempts: int


class _Edge(msgspec.Struct):
    node: _Row


class _Summary(msgspec.Struct):
    edges: list[_Edge]


class _Point(msgspec.Struct):
    at: datetime
    attempts: int


class _Stats(msgspec.Struct):
    total: list[_Point]


class _Customer(msgspec.Struct):
    summary: _Summary
    stats: _Stats


class _Viewer(msgspec.Struct):
    customer: _Customer


class _Data(msgspec.Struct):
    viewer: _Viewer


class _Answer(msgspec.Struct):
    data: _Data
    errors: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(_Answer).decode


@dataclass(frozen=True, slots=True)
class Portal:
    """A customer's contact: its token and the request of its dashboard."""

    customer_id: int
    token: str
    body: bytes


@dataclass(slots=True)
class Committed:
    """The newest hours of all customers, as SQL shows them; read again and again."""

    account_id: int
    since: datetime
    floors: dict[int, Floor] = field(default_factory=dict)

    async def follow(self) -> None:
        while True:
            await self.read()
            await asyncio.sleep(_POLL_SECONDS)

    async def read(self) -> None:
        async with db.connection() as conn:
            rows = await conn.fetch(
                "SELECT customer_id, hour, version, attempts FROM hours"
                " WHERE account_id = $1 AND hour >= $2",
                self.account_id,
                self.since,
            )
        floors: dict[int, dict[datetime, tuple[int, int]]] = {}
        for row in rows:
            hours = floors.setdefault(row["customer_id"], {})
            hours[row["hour"]] = row["version"], row["attempts"]
        self.floors = dict(floors)


@dataclass(slots=True)
class Result:
    name: str
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    length: int = 0
    stale: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def line(self) -> str:
        cuts = quantiles(self.latencies, n=100)
        return (
            f"| {self.name} | {self.rate:,.0f} | {1e3 * cuts[49]:.1f} ms | {1e3 * cuts[98]:.1f} ms"
            f" | {1e3 * self.cpu_seconds / len(self.latencies):.2f} ms | {self.length / 1e3:.1f} kB"
            f" | {self.stale} |"
        )


async def run(
    name: str, pid: int, port: int, portals: Sequence[Portal], committed: Committed, seconds: float
) -> Result:
    """The figures of a server after some seconds of warming up. `stale` counts answers without a
    rebuild that had been committed before their request was sent."""
    result = Result(name)
    deadline = time.monotonic() + seconds * 1.25
    tasks = [
        asyncio.create_task(_client(result, port, portals, n, committed, deadline))
        for n in range(CLIENTS)
    ]
    await asyncio.sleep(seconds * 0.25)
    result.latencies.clear()
    started, cpu = time.monotonic(), meter.cpu_seconds(pid)
    await asyncio.sleep(seconds * 0.98)
    result.seconds = time.monotonic() - started
    result.cpu_seconds = meter.cpu_seconds(pid) - cpu
    count = len(result.latencies)
    await asyncio.gather(*tasks)
    del result.latencies[count:]
    return result


async def _client(
    result: Result,
    port: int,
    portals: Sequence[Portal],
    number: int,
    committed: Committed,
    deadline: float,
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    while time.monotonic() < deadline:
        portal = portals[number % len(portals)]
        number += 1
        floor = committed.floors.get(portal.customer_id, {})
        start = time.perf_counter()
        writer.write(_request(portal))
        body = await _response(reader)
        result.latencies.append(time.perf_counter() - start)
        result.length = len(body)
        result.stale += not _is_current(body, floor)
    writer.close()


def _request(portal: Portal) -> bytes:
    head = (
        "POST /graphql HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {portal.token}\r\nContent-Length: {len(portal.body)}\r\n\r\n"
    )
    return head.encode() + portal.body


async def _response(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"content-length:" in head:
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        return await reader.readexactly(length)
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


def _is_current(body: bytes, floor: Floor) -> bool:
    try:
        answer = _decode(body)
    except msgspec.DecodeError as error:
        raise AssertionError(body[:2_000]) from error
    assert not bytes(answer.errors), bytes(answer.errors)[:500]
    customer = answer.data.viewer.customer
    rows = {edge.node.period_start: edge.node for edge in customer.summary.edges}
    points = {point.at: point.attempts for point in customer.stats.total}
    return all(
        (hour not in rows or (rows[hour].version >= version and rows[hour].attempts >= attempts))
        and points.get(hour, attempts) >= attempts
        for hour, (version, attempts) in floor.items()
    )


async def post(port: int, token: str, batch: Any, period: float) -> None:
    """Posts batches of records until it is cancelled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        body = json.dumps(batch()).encode()
        head = (
            "POST /ingest/calls HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await _response(reader)
        await asyncio.sleep(period)


def hours(now: datetime) -> tuple[datetime, datetime]:
    """The period of the graph: the current hour and the 23 before it."""
    current = now.replace(minute=0, second=0, microsecond=0)
    return current - timedelta(hours=23), current + timedelta(hours=1)
