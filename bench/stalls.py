"""The longest that batches of 10,000 records keep the event loop, and how fast they are taken.

They go through the ingest route in this process, one after another: new ones, the same again,
others of unknown customers, and another content of the first. Goal: at most 20 ms at a stretch.
Run: `./callboard bench stalls [ROUNDS]`.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import httpx2
from redis.asyncio import Redis
from starlette.applications import Starlette

from bench import _scratch as scratch
from bench import _stalls, ingest
from ingest import pipeline
from models import db
from runtime import clock
from server import ingest_routes

SIZE = 10_000


def body(now: datetime, run: str, **said: Any) -> bytes:
    return json.dumps([ingest.event(n, now, run) | said for n in range(SIZE)]).encode()


async def post(client: httpx2.AsyncClient, name: str, bodies: Iterable[bytes]) -> None:
    content = list(bodies)
    await asyncio.sleep(0.01)
    async with _stalls.watched() as stalls:
        start = time.perf_counter()
        for one in content:
            answer = await client.post("/ingest/calls", content=one)
            assert answer.status_code == 200, answer.text
        speed = SIZE * len(content) / (time.perf_counter() - start)
    print(f"{name}: {stalls}; {speed:,.0f} events/s")


async def measure(client: httpx2.AsyncClient, now: datetime, rounds: int) -> None:
    runs = [f"run{n}-" for n in range(rounds)]
    await post(client, "warming up", [body(now, "warm-")])
    gc.collect()
    gc.freeze()  # as the web process does
    await post(client, "new", [body(now, run) for run in runs])
    await post(client, "repeated", [body(now, run) for run in runs])
    await post(client, "refused", [body(now, run, customer="nobody") for run in runs])
    await post(client, "held", [body(now, run, sip_reason="Other", revision=0) for run in runs])
    await post(client, "corrected", [body(now, run, sip_code=500, revision=2) for run in runs])


async def run(rounds: int) -> None:
    async with scratch.database() as settings:
        await db.migrate()
        assert settings.redis_url is not None
        now, redis = clock.now(), Redis.from_url(settings.redis_url)
        key = await ingest.prepare(now)
        app = Starlette(routes=ingest_routes.routes)
        app.state.ingest = pipeline.Pipeline(redis, None)
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
