"""Compares the `Dashboard` query with Mercurius and its JIT, graphql-yoga and plain Strawberry.

16 clients request the dashboards of 10 customers, each right after the previous answer, while
50 records a second arrive and the real worker rebuilds their hours. All servers answer the same
document from the same tables in the same run, each as one process on a core of its own; PostgreSQL,
the worker, the ingest process and the clients share the other. Every answer is compared with SQL:
an answer without a rebuild that was committed before its request was sent is stale. CPU is user
and system time of the server's process (Linux: /proc). Node and npm are needed for the first two.

Goals: with the cache at least 2 times Mercurius, without it at least as fast as yoga, and no stale
answer of Callboard.

    ./callboard bench dashboard             3 rounds of 15 s each
    ./callboard bench dashboard --quick     1 round of 6 s each
    ./callboard bench dashboard --only Callboard
    ./callboard bench dashboard --still     no records arrive, so every part is in the cache
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
import uvloop

from bench import backfill, cost, ingest, portals
from bench.fanout import meter
from bench.support import cost_data as data
from bench.support import dashboard_load as load
from bench.support import node_packages
from models import db
from runtime import child, clock, embedded
from runtime.settings import ROOT

CUSTOMERS, CARRIERS, HOURS = 10, 3, 26
CALLS_AN_HOUR = 20  # of each customer
BATCH, PERIOD = 10, 0.2  # records, seconds
_NO_CACHE = {"CALLBOARD_ANSWER_CACHE_MEGABYTES": "0"}
_ENDS_AFTER = timedelta(seconds=63)  # `data.event`

DOCUMENT = """query Dashboard($from: DateTime!, $to: DateTime!, $carriers: [ID!]) { viewer {
  __typename
  ... on Staff   { id name role account { id name } }
  ... on ApiKey  { id name scopes account { id name } }
  ... on Contact {
    id name email emailVerifiedAt mobile mobileVerifiedAt language timeZone
    customer {
      id reference name currency status paymentUrl
      balance { amount currency }  debitLimit { amount currency }
      checklist { outstanding items { code title detail } }
      channels { inUse limit complete sequence asOf byCarrier { carrier { id name } inUse } }
      stats(from: $from, to: $to, interval: HOUR, carrierIds: $carriers) {
        timeZone
        total     { at attempts answered asr acdSeconds dtmfPercent pddMs channelsMax cps }
        byCarrier { carrier { id name }
          points { at attempts answered asr acdSeconds dtmfPercent channelsMax } }
      }
      summary(granularity: LIVE, first: 24) {
        asOf stale billable
        edges { cursor node { id periodStart periodEnd open version attempts answered asr
          acdSeconds talkSeconds billedSeconds charge { amount currency } invoice { id number }
          invoicing { state invoicedHours hours } } }
        pageInfo { hasNextPage endCursor }
      } } } } }"""


@dataclass(frozen=True, slots=True)
class Compared:
    """A server: its command without the port, which is appended, and its environment."""

    name: str
    command: Callable[[], list[str]]
    environment: dict[str, str]
    arguments: tuple[str, ...] = ()


def compared(urls: embedded.Urls) -> list[Compared]:
    options = db.config(urls.database_url)["connections"]["default"]["credentials"]
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGDATABASE": "database"}
    of_node = {variable: str(options[name]) for variable, name in names.items()}
    of_node |= {"NODE_ENV": "production", "PGPASSWORD": options["password"] or ""}
    ours = cost.SETTINGS | {
        "CALLBOARD_DATABASE_URL": urls.database_url,
        "CALLBOARD_REDIS_URL": urls.redis_url,
        "CALLBOARD_SECRET_KEY": "a key for measuring alone, long enough",
        "CALLBOARD_LOG_LEVEL": "WARNING",
    }
    serve = [sys.executable, "-P", "-m", "server.cli", "serve", "--port"]
    plain = [sys.executable, "-P", "-m", "bench.support.dashboard_plain"]
    differences = [
        Compared("Callboard, warm", lambda: serve, ours),
        Compared("Callboard, cold", lambda: serve, ours | _NO_CACHE),
        Compared("plain Strawberry", lambda: plain, {}, (urls.database_url,)),
    ]
    if node_packages.are_available():
        differences += [
            Compared("Mercurius, JIT", lambda: node_packages.command("mercurius.mjs"), of_node),
            Compared("yoga", lambda: node_packages.command("yoga-dashboard.mjs"), of_node),
        ]
    else:
        print("Mercurius and yoga are not measured: node and npm are missing here.")
    return differences


def _started(server: Compared, command: list[str], port: int) -> subprocess.Popen[bytes]:
    with meter.on_core(meter.SERVER_CORE):
        return subprocess.Popen(
            child.command(*command, str(port), *server.arguments),
            env=os.environ | {"PYTHONPATH": str(ROOT)} | server.environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
        )


@asynccontextmanager
async def running(server: Compared) -> AsyncIterator[tuple[int, int]]:
    """Its process id and port."""
    command, port = await asyncio.to_thread(server.command), await ingest.free_port()
    process = _started(server, command, port)
    try:
        await asyncio.wait_for(ingest.listening(port), 30)
        yield process.pid, port
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


def calls(now: datetime, number: int, count: int) -> list[dict[str, Any]]:
    """Records of calls that have just ended."""
    setup = now - _ENDS_AFTER
    return [
        data.event(n, random.randrange(CUSTOMERS), setup, carrier=f"carrier-{n % CARRIERS}")
        for n in range(number, number + count)
    ]


def history(now: datetime) -> list[dict[str, Any]]:
    return [
        data.event(
            1_000_000 + HOURS * hour + n, customer, now - timedelta(hours=hour, minutes=3 * n + 2),
            carrier=f"carrier-{n % CARRIERS}", dtmf_digits=n % 2,
            **({"answer_at": None, "sip_code": 486} if n % 5 == 0 else {}),
        )
        for customer in range(CUSTOMERS) for hour in range(HOURS) for n in range(CALLS_AN_HOUR)
    ]  # fmt: skip


def starts(now: datetime) -> list[dict[str, Any]]:
    """Active calls of every customer."""
    fields = {"type": "start", "at": now.isoformat(), "leg": 0, "switch": "edge-1"}
    return [
        fields | {"call_id": f"live-{customer}-{n}", "customer": f"customer-{customer}",
                "carrier": f"carrier-{n % CARRIERS}", "source": "+441632960000",
                "destination": "+15550100"}
        for customer in range(CUSTOMERS) for n in range(2 * CARRIERS)
    ]  # fmt: skip


async def fill(world: data.World, port: int) -> None:
    """Posts the history and waits for the worker to rebuild all of it."""
    async with httpx2.AsyncClient(timeout=60) as client:
        for events in (history(world.now), starts(world.now)):
            answer = await client.post(
                f"http://127.0.0.1:{port}/ingest/calls",
                content=json.dumps(events),
                headers={"Authorization": f"Bearer {world.ingest_token}"},
            )
            assert answer.status_code == 200, answer.text[:500]
            assert not answer.json()["refused"], answer.text[:500]
    async with db.connection() as conn:
        none_left = "SELECT NOT EXISTS (SELECT 1 FROM hour_marks)"
        await backfill.until(lambda: conn.fetchval(none_left))
        await conn.execute("VACUUM (ANALYZE)")


async def measure(
    servers: Sequence[Compared], world: data.World, people: Sequence[load.Portal], size: "Size"
) -> list[load.Result]:
    committed = load.Committed(world.account_id, load.hours(world.now)[0])
    await committed.read()
    following = asyncio.create_task(committed.follow())
    results = []
    for _ in range(size.rounds):
        for server in servers:
            async with running(server) as (pid, port):
                result = await load.run(server.name, pid, port, people, committed, size.seconds)
            print(result.line, flush=True)
            results.append(result)
    following.cancel()
    return results


def ratios(results: Sequence[load.Result]) -> str:
    """The medians of all rounds, relative to each other server."""
    rates: dict[str, list[float]] = {}
    for result in results:
        rates.setdefault(result.name, []).append(result.rate)
    middle = {name: median(each) for name, each in rates.items()}
    ours = {name: rate for name, rate in middle.items() if name.startswith("Callboard")}
    return "\n".join(
        f"{name}: {rate / other_rate:.2f} of {other}"
        for name, rate in ours.items()
        for other, other_rate in middle.items()
        if other not in ours
    )


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int
    seconds: float


async def main(size: Size, only: str, *, still: bool) -> None:
    with (
        meter.on_core(meter.CLIENT_CORE),
        tempfile.TemporaryDirectory() as folder,
        embedded.servers(Path(folder)) as urls,
    ):
        await db.open_database(urls.database_url)
        await db.migrate()
        now = clock.now()
        world = await data.prepare(now, customer_count=CUSTOMERS, carrier_count=CARRIERS)
        start, end = (instant.isoformat() for instant in load.hours(now))
        variables = {"from": start, "to": end, "carriers": None}
        body = json.dumps({"query": DOCUMENT, "variables": variables}).encode()
        people = [
            load.Portal(number, token, body)
            for number, (token, _) in zip(world.numbers, await portals.people(world), strict=True)
        ]
        our_urls = {
            "CALLBOARD_DATABASE_URL": urls.database_url,
            "CALLBOARD_REDIS_URL": urls.redis_url,
        }
        async with (
            ingest.web_process(urls.database_url, urls.redis_url, cost.SETTINGS) as (port, _),
            backfill.process("server.cli", "worker", urls=our_urls),
        ):
            await fill(world, port)
            numbers = iter(range(0, 10**9, BATCH))
            batch = lambda: calls(clock.now(), next(numbers), BATCH)  # noqa: E731
            period = 3_600.0 if still else PERIOD
            posting = asyncio.create_task(load.post(port, world.ingest_token, batch, period))
            print("\n| | requests/s | p50 | p99 | CPU a request | answer | stale |")
            print("|---|---|---|---|---|---|---|")
            servers = [server for server in compared(urls) if only in server.name]
            results = await measure(servers, world, people, size)
            posting.cancel()
        print("\n" + ratios(results))
        await db.close_database()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./callboard bench dashboard")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="part of the names of the servers to measure")
    parser.add_argument("--still", action="store_true", help="no records arrive")
    arguments = parser.parse_args()
    size = Size(1, 6) if arguments.quick else Size(3, 15)
    uvloop.run(main(size, arguments.only, still=arguments.still))
