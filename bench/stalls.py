"""Measures how long large batches and hostile bodies block the event loop, and their
throughput.

They go through the ingest route in this process, one after another: batches of 10,000 records
(new ones, the same again, one that is not JSON, unknown customers, other content), bodies of a
few kilobytes that decompress to 16,000,000 bytes, and a snapshot of 100,000 calls with one that
is not JSON. Goal: at most 20 ms at a time.

Run: `./callboard bench stalls [ROUNDS]`.
"""

import asyncio
import gzip
import json
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import httpx2
from redis.asyncio import Redis
from starlette.applications import Starlette

from bench import ingest
from bench.support import scratch, stall_meter
from ingest import pipeline
from models import db
from runtime import clock, garbage
from server import ingest_routes

SIZE = 10_000


def body(now: datetime, run: str, **fields: Any) -> bytes:
    return json.dumps([ingest.event(n, now, run) | fields for n in range(SIZE)]).encode()


async def post(client: httpx2.AsyncClient, name: str, bodies: Iterable[bytes]) -> None:
    content = list(bodies)
    await asyncio.sleep(0.01)
    async with stall_meter.watch() as stalls:
        start = time.perf_counter()
        for event in content:
            answer = await client.post("/ingest/calls", content=event)
            assert answer.status_code == 200, answer.text
        speed = SIZE * len(content) / (time.perf_counter() - start)
    print(f"{name}: {stalls}; {speed:,.0f} events/s")


BYTES = 16_000_000
HOSTILE = {
    "blank lines": b"\n" * BYTES,
    "short lines": b"1\n" * (BYTES // 2),
    "short elements": b"[" + b"NaN," * (BYTES // 4 - 1) + b"1]",
    "a long text": b'["' + b"\\n" * (BYTES // 2 - 4) + b'\t"]',
    "open quotes": b'["' + b'"' * (BYTES - 4) + b"]",
    "nested arrays": b"[[" + b"[]," * (BYTES // 3 - 2) + b"NaN]]",
    "open brackets": b"[" * (BYTES // 2) + b"]" * (BYTES // 2),
}


async def unpack(client: httpx2.AsyncClient, name: str, content: bytes) -> None:
    packed = gzip.compress(content)
    await asyncio.sleep(0.01)
    async with stall_meter.watch() as stalls:
        start = time.perf_counter()
        response = await client.post(
            "/ingest/calls", content=packed, headers={"Content-Encoding": "gzip"}
        )
        seconds = time.perf_counter() - start
    print(f"{name} ({len(packed):,} bytes): {response.status_code}, {stalls}; {seconds:.2f} s")


async def show(client: httpx2.AsyncClient, now: datetime) -> None:
    calls = [{"call_id": f"{n}", "customer": f"customer-{n % 20}"} for n in range(99_999)]
    snapshot = {"switch": "edge-0", "at": now.isoformat(), "calls": [*calls, {"call_id": "BAD"}]}
    content = json.dumps(snapshot).encode().replace(b"BAD", b"\t", 1)
    async with stall_meter.watch() as stalls:
        response = await client.post("/ingest/snapshot", content=content)
    assert response.status_code == 200, response.text
    print(f"a snapshot of 100,000 calls: {stalls}")


async def measure(client: httpx2.AsyncClient, now: datetime, rounds: int) -> None:
    runs = [f"run{n}-" for n in range(rounds)]
    await post(client, "warming up", [body(now, "warm-")])
    garbage.configure()  # as the web process does
    await post(client, "new", [body(now, run) for run in runs])
    await post(client, "repeated", [body(now, run) for run in runs])
    bad = [body(now, run).replace(b'"OK"', b'"\\x41"', 1) for run in runs]
    await post(client, "repeated, not JSON", bad)
    await post(client, "refused", [body(now, run, customer="nobody") for run in runs])
    await post(client, "held", [body(now, run, sip_reason="Other", revision=0) for run in runs])
    await post(client, "corrected", [body(now, run, sip_code=500, revision=2) for run in runs])
    for name, content in HOSTILE.items():
        await unpack(client, name, content)
    await show(client, now)


async def run(rounds: int) -> None:
    async with scratch.database() as settings:
        await db.migrate()
        assert settings.redis_url is not None
        now, redis = clock.now(), Redis.from_url(settings.redis_url)
        key = await ingest.prepare(now)
        app = Starlette(routes=ingest_routes.routes)
        app.state.ingest_pipeline = pipeline.Pipeline(redis, None)
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app),
            base_url="http://bench.example",
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        ) as client:
            await measure(client, now, rounds)
        await redis.aclose()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
