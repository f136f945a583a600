"""Measures the effect of a contact's heaviest load on another account and the event loop.

First it runs every field and mutation of the schema alone, with its largest input
(`largest_data`), and measures how long the event loop of the web process is blocked (goal: 20
ms). Then many connections send all of them, each as soon as the previous response arrives, with
the limits of the settings. It compares the latency of another account's ingest, viewer query
and pushes with and without this load (goal: p99 at most doubles). The contact's program has the
lowest priority, because in production it runs on another machine. Both are measured twice: with one
web process for everything, and with a second one for ingest, as in docker-compose.yml.

Run: `./callboard bench fairness [SECONDS] [CONNECTIONS] [CALLS]`.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench import ingest
from bench.support import fairness_data as data
from bench.support import largest_data, scratch
from bench.support.attack import Http, outcome
from bench.support.other_account import Latencies, Ports, other_account
from models import db
from runtime import clock
from runtime.settings import Settings

GOAL_STALL = 20.0  # milliseconds
GOAL_RATIO = 2.0
_NO_LIMITS = {
    f"CALLBOARD_{name.upper()}": "1000000000"
    for name in Settings.model_fields
    if name.endswith(("cost_capacity", "cost_per_second"))
}


@asynccontextmanager
async def web(settings: Settings, **more: str) -> AsyncIterator[int]:
    assert settings.database_url is not None
    assert settings.redis_url is not None
    port = await ingest.free_port()
    urls = {
        "CALLBOARD_DATABASE_URL": settings.database_url,
        "CALLBOARD_REDIS_URL": settings.redis_url,
        "CALLBOARD_SECRET_KEY": "a key for measuring alone, long enough",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.support.watched_web", str(port)),
        env=os.environ | urls | more,
    )
    try:
        await asyncio.wait_for(ingest.listening(port), 30)
        yield port
    finally:
        process.terminate()
        await process.wait()


# Each alone ---------------------------------------------------------------------------------------


async def stalls_of(port: int) -> dict[str, float]:
    http = await Http(port, "").open()
    stalls: dict[str, float] = await http.send("/stalls")
    http.close()
    return stalls


@dataclass(frozen=True, slots=True)
class Alone:
    operation: largest_data.Operation
    worked: float  # longest block in milliseconds of processor time
    collected: float  # of it by the garbage collector, at most
    total: float  # milliseconds of the loop in total
    wall: float  # milliseconds until the response
    outcome: str


async def each_alone(http: Http, operations: Sequence[largest_data.Operation]) -> list[Alone]:
    results = []
    for operation in operations:
        if operation.query.startswith("subscription"):
            continue
        await http.send("/stalls")
        start = time.perf_counter()
        answer = await http.send("/graphql", operation.body())
        wall = (time.perf_counter() - start) * 1000
        stalls = await http.send("/stalls")
        loop = (stalls["worked"], stalls["collected"], stalls["total"])
        results.append(Alone(operation, *loop, wall, outcome(answer)))
    return results


def show(results: Sequence[Alone]) -> None:
    print(
        f"{'field':44} {'aliases':>7} {'cost':>6} {'stall':>8} {'loop':>9} {'answer':>9}  outcome"
    )
    for result in sorted(results, key=lambda result: -result.worked):
        print(
            f"{result.operation.name:44} {result.operation.aliases:7} {result.operation.cost:6}"
            f" {result.worked:5.1f} ms {result.collected:5.1f} ms {result.total:6.0f} ms"
            f" {result.wall:6.0f} ms  {result.outcome}"
        )
    above = [result for result in results if result.worked > GOAL_STALL]
    print(f"{len(results)} operations, {len(above)} above {GOAL_STALL:.0f} ms at a stretch\n")


# All at once --------------------------------------------------------------------------------------


@asynccontextmanager
async def attacked(
    port: int, side: data.Side, bodies: Sequence[str], connections: int
) -> AsyncIterator[Counter[str]]:
    """Another process sends them meanwhile; afterwards the counter has its outcomes."""
    outcomes: Counter[str] = Counter()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(bodies, file)
        file.flush()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.support.attack"),
            *(str(port), side.contact, file.name, str(connections)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"begun\n"
        yield outcomes
        out, _ = await process.communicate(b"")
        outcomes.update(json.loads(out))


async def measure(settings: Settings, seconds: float, connections: int, calls: int) -> None:
    now = clock.now()
    await db.migrate()
    side, other = await data.create(now), await data.create(now)
    assert settings.database_url is not None
    assert settings.redis_url is not None
    await data.fill(side, calls, (settings.database_url, settings.redis_url))
    ids = await data.ids_of(side, clock.now())
    operations = list(largest_data.operations(ids, side.caller))
    async with web(settings, **_NO_LIMITS) as port:
        http = await Http(port, side.contact).open()
        show(await each_alone(http, operations))
        http.close()
    bodies = [
        operation.body().decode()
        for operation in operations
        if not operation.query.startswith("sub")
    ]
    async with web(settings) as port:
        print("One web process:")
        await compare(Ports(port, port), side, other, bodies, connections, seconds)
    async with web(settings) as port, web(settings) as ingest_port:
        print("\nA second web process for ingest:")
        await compare(Ports(port, ingest_port), side, other, bodies, connections, seconds)


async def compare(
    ports: Ports,
    side: data.Side,
    other: data.Side,
    bodies: Sequence[str],
    connections: int,
    seconds: float,
) -> None:
    """Prints the other account's latencies without and with the load."""
    run = f"{ports.ingest}"
    await other_account(ports, other, f"{run}-warm", 3)
    quiet = await other_account(ports, other, f"{run}-quiet", seconds)
    await stalls_of(ports.web)
    async with attacked(ports.web, side, bodies, connections) as outcomes:
        loud = await other_account(ports, other, f"{run}-loud", seconds)
        stalls = await stalls_of(ports.web)
    print(f"{connections} connections, {seconds:.0f} s: {dict(outcomes.most_common())}")
    print(
        f"longest stretch of the loop {stalls['worked']:.1f} ms, {stalls['passed']:.0f} ms passed;"
        f" collecting garbage {stalls['collected']:.1f} ms"
    )
    show_ratios(quiet, loud)


def show_ratios(quiet: Latencies, loud: Latencies) -> None:
    for name in quiet.taken:
        ratio = loud.p99(name) / quiet.p99(name)
        print(
            f"{name:14} p99 {quiet.p99(name):7.1f} ms without, {loud.p99(name):7.1f} ms with:"
            f" {ratio:.2f} (goal {GOAL_RATIO})"
        )


async def run(seconds: float, connections: int, calls: int) -> None:
    async with scratch.database(statement_timeout=None) as settings:
        await measure(settings, seconds, connections, calls)


if __name__ == "__main__":
    arguments = [int(value) for value in sys.argv[1:]]
    asyncio.run(run(*(arguments + [20, 20, 60_000][len(arguments) :])))
