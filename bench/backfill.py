"""Measures how long records of one account wait for their summary while another imports a year.

Account A has marked hours of a year with some calls each. Account B posts a call every fifth of
a second to the real web process, alternating between live calls and late calls of last week. A
worker process rebuilds the hours. For B it measures the time from the acknowledgement until the
hour's row has the call; for A the time until no mark is left. The baseline is the former order
(oldest marks of all accounts first), in its own worker on a copy of the same database. Goal: B
never waits longer than 60 s. It also compares the time of selecting the next hours with the
former selection, with 1,000 idle accounts.

Run: `./callboard bench backfill [hours]`.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from bench import ingest
from domain import periods
from domain.summaries import rebuild_order
from domain.summaries.rebuild_order import Place
from live import wake
from models import db
from models.records import partitions
from models.summaries import hours, marks
from runtime import clock, embedded, services

A, B = 1, 2
HOURS = 28_800
CUSTOMERS, CALLS = 10, 3  # of A; calls in each of its hours
IDLE_ACCOUNTS = 1_000
_EVERY_SECONDS = 0.2
_WEEK = timedelta(days=7)

_FORMER = """
SELECT account_id, customer_id, hour FROM hour_marks
GROUP BY 1, 2, 3 ORDER BY min(marked_at) LIMIT 200
"""
_RECORDS = """
INSERT INTO call_records
    (account_id, customer_id, setup_at, switch, call_id, leg, revision, carrier_id, final, source,
     destination, offered_at, ringing_at, answer_at, end_at, talk_us, sip_code, rated_by, prefix,
     rate_card_id, billed_seconds, charge, cost, dtmf_digits)
SELECT $1, c.id, at, 'edge-1', format('%s-%s-%s', c.id, n, call), 0, 0,
       (SELECT min(id) FROM carriers WHERE account_id = $1), true, '+441632960000', '+15550100',
       at, at + interval '1 s', at + interval '3 s', at + interval '93 s', 90000000, 200, 'CARD',
       '1', 1, 90, 0.0123, 0.004, 0
FROM (SELECT id FROM customers WHERE account_id = $1 ORDER BY id LIMIT $2) c,
     generate_series(1, $3::integer) n, generate_series(1, $4::integer) call,
     LATERAL (SELECT $5::timestamptz - n * interval '3 h' + call * interval '9 min' AS at) t
"""
_MARKS = """
INSERT INTO hour_marks (account_id, customer_id, hour, marked_at)
SELECT account_id, customer_id, date_trunc('hour', setup_at, 'UTC'), $2
FROM call_records WHERE account_id = $1 GROUP BY 1, 2, 3
"""
_VERSIONS = "SELECT hour, attempts FROM hours WHERE account_id = $1"
_NONE_LEFT = "SELECT NOT EXISTS (SELECT 1 FROM hour_marks WHERE account_id = $1)"


@dataclass(slots=True)
class Waits:
    """B's calls that are acknowledged and not yet summed, and the waits of the others."""

    posted: dict[datetime, int] = field(default_factory=dict)
    pending: list[tuple[datetime, int, float, bool]] = field(default_factory=list)
    live: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    def acknowledge(self, hour: datetime, is_live: bool) -> None:
        self.posted[hour] = self.posted.get(hour, 0) + 1
        self.pending.append((hour, self.posted[hour], time.perf_counter(), is_live))

    def see(self, attempts: dict[datetime, int]) -> None:
        now, left = time.perf_counter(), []
        for call in self.pending:
            hour, number, since, is_live = call
            if attempts.get(hour, 0) < number:
                left.append(call)
            else:
                (self.live if is_live else self.late).append(now - since)
        self.pending = left


async def post(port: int, key: str, waits: Waits) -> None:
    client = await ingest.Client(port, key).open()
    for n in range(10**9):
        is_live = n % 2 == 0
        setup = clock.now() - (timedelta(seconds=2) if is_live else _WEEK + timedelta(hours=n % 40))
        call = ingest.event(0, setup, f"b{n}-") | {"customer": "customer-0", "end_at": None}
        call |= {"answer_at": None, "end_at": (setup + timedelta(seconds=1)).isoformat()}
        call |= {"ringing_at": None, "sip_code": 486}
        await client.post(json.dumps([call]).encode(), 1)
        waits.acknowledge(periods.hour_of(datetime.fromisoformat(call["setup_at"])), is_live)
        await asyncio.sleep(_EVERY_SECONDS)


async def watch(conn: Any, waits: Waits) -> None:
    """Watches until A is done and B's last call is summed."""
    while waits.pending or not await conn.fetchval(_NONE_LEFT, A):
        waits.see({row[0]: row[1] for row in await conn.fetch(_VERSIONS, B)})
        await asyncio.sleep(0.01)


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[Any]:
    conn = await asyncpg.connect(**_credentials(url), database=urlsplit(url).path[1:])
    try:
        yield conn
    finally:
        await conn.close()


@asynccontextmanager
async def process(*arguments: str, urls: dict[str, str]) -> AsyncIterator[None]:
    secret = {"CALLBOARD_SECRET_KEY": "a key for measuring alone, long enough"}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, env=os.environ | urls | secret
    )
    try:
        yield
    finally:
        running.terminate()
        await running.wait()


async def measure(name: str, worker: str, url: str, redis_url: str, key: str) -> None:
    """From the worker's first rebuild to the last of A's marked hours and of B's calls."""
    urls = {"CALLBOARD_DATABASE_URL": url, "CALLBOARD_REDIS_URL": redis_url}
    waits = Waits()
    async with (
        connection(url) as conn,
        connection(url) as other,
        ingest.web(url, redis_url) as port,
        process(*worker.split(), urls=urls),
    ):
        await until(lambda: conn.fetchval("SELECT 1 FROM hours LIMIT 1"))
        start = time.perf_counter()
        posting = asyncio.create_task(post(port, key, waits))
        watching = asyncio.create_task(watch(other, waits))
        await until(lambda: conn.fetchval(_NONE_LEFT, A))
        took = time.perf_counter() - start
        posting.cancel()
        await watching
    print(
        f"{name}: backfill {took:.0f} s; {_told('live', waits.live)}; {_told('late', waits.late)}"
    )


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Waits until the condition is true."""
    while True:
        if await condition():
            return
        await asyncio.sleep(0.05)


def _told(name: str, seconds: list[float]) -> str:
    cut = quantiles(seconds, n=100)
    return (
        f"{len(seconds)} {name} calls of B: median {median(seconds):.2f} s,"
        f" p99 {cut[98]:.2f} s, max {max(seconds):.2f} s"
    )


async def prepare(count: int) -> str:
    """Creates A with its marked hours, and B. Returns the key of B."""
    now = clock.now()
    await db.migrate()
    await ingest.prepare(now)
    key = await ingest.prepare(now)
    start = periods.hour_of(now) - timedelta(days=1)
    each = count // CUSTOMERS
    first = (start - (each + 1) * timedelta(hours=3)).date()
    await partitions.ensure_period(first, now.date() + timedelta(days=2))
    async with db.connection() as conn:
        await conn.execute(_RECORDS, A, CUSTOMERS, each, CALLS, start, timeout=600)
        await conn.execute(_MARKS, A, now, timeout=600)
        await conn.execute("VACUUM ANALYZE")
    return key


async def choose(turns: rebuild_order.Turns) -> None:
    """The reads of a round before its rebuilds."""
    now = clock.now()
    recent = rebuild_order.recent_from(now)
    for account in turns.next_accounts(await marks.accounts_with_marks()):
        await marks.walk(account, marks.BEFORE_ALL, recent, now, 48)
        await marks.newest(account, recent, now, 6)
        await marks.walk(account, Place(recent, 0), marks.AFTER_ALL, now, 6)


async def former_choice() -> list[hours.Hour]:
    async with db.connection() as conn:
        return [hours.Hour(*row) for row in await conn.fetch(_FORMER)]


async def measure_choice() -> None:
    turns = rebuild_order.Turns()
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO accounts (name, created_at)"
            " SELECT 'Idle', now() FROM generate_series(1, $1::integer)",
            IDLE_ACCOUNTS,
        )
    ours = await _timed(lambda: choose(turns))
    former = await _timed(former_choice)
    accounts_ms = await _timed(marks.accounts_with_marks)
    print(
        f"choice with a year marked and {IDLE_ACCOUNTS:,} idle accounts: {ours:.1f} ms a round,"
        f" of which {accounts_ms:.1f} ms to find the accounts; former {former:.1f} ms for 200 hours"
    )


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    times = []
    for _ in range(20):
        start = time.perf_counter()
        await work()
        times.append(time.perf_counter() - start)
    return median(times) * 1000


async def former_worker() -> None:
    """The former job with its order. The other jobs of a worker do not run."""
    url, redis_url = (os.environ[f"CALLBOARD_{name}_URL"] for name in ("DATABASE", "REDIS"))
    async with services.open_services(url, redis_url) as opened_services:
        places = asyncio.Semaphore(3)

        async def rebuild(which: hours.Hour) -> None:
            async with places:
                await hours.try_rebuild(*which, clock.now())

        while True:
            while waiting := await former_choice():
                await asyncio.gather(*map(rebuild, waiting))
            await wake.wait_for(opened_services.redis, 3)


def _credentials(url: str) -> dict[str, Any]:
    options = db.config(url)["connections"]["default"]["credentials"]
    return {part: options[part] for part in ("host", "port", "user", "password")}


async def run(server_url: str, redis_url: str, count: int) -> None:
    names = [f"bench_backfill_{os.getpid()}_{of}" for of in ("made", "former", "now")]
    urls = [urlunsplit(urlsplit(server_url)._replace(path=f"/{name}")) for name in names]
    admin = await asyncpg.connect(**_credentials(server_url), database="postgres")
    try:
        await admin.execute(f"CREATE DATABASE {names[0]}")
        await db.open_database(urls[0])
        key = await prepare(count)
        await db.close_database()
        print(f"A: {count:,} marked hours of {CUSTOMERS} customers, {CALLS} calls in each")
        for name, url, worker in (
            ("former order", urls[1], "bench.backfill worker"),
            ("recent, then accounts in turn", urls[2], "server.cli worker"),
        ):
            await admin.execute(f"CREATE DATABASE {urlsplit(url).path[1:]} TEMPLATE {names[0]}")
            await measure(name, worker, url, redis_url, key)
        await db.open_database(urls[0])
        await measure_choice()
        await db.close_database()
    finally:
        for name in names:
            await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.close()


def main(count: int) -> None:
    database_url, redis_url = (os.environ.get(f"CALLBOARD_{n}_URL") for n in ("DATABASE", "REDIS"))
    if database_url and redis_url:
        asyncio.run(run(database_url, redis_url, count))
        return
    with tempfile.TemporaryDirectory() as folder, embedded.servers(Path(folder)) as urls:
        asyncio.run(run(urls.database_url, urls.redis_url, count))


if __name__ == "__main__":
    if sys.argv[1:] == ["worker"]:
        asyncio.run(former_worker())
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else HOURS)
