"""Measures durable events per second over HTTP, compared with a staged COPY of the same
records.

Several clients post `end` events to the real web process, with its live state, in batches of
500, 1,000 and 10,000. The baseline has the records in memory. Over as many connections and in
the same batches, it copies them to a staging table and inserts them from there ON CONFLICT into
one table with the same key. Goal: at least 30 % of it. Both alternate for several rounds; it
prints medians.

Run: `./callboard bench ingest [events]`.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from domain.billing import rating
from domain.identity import tokens
from models import db
from models.billing import rate_cards
from models.directory import carriers, customers
from models.identity import accounts, credentials
from models.records.record_store import COLUMNS
from runtime import clock, embedded

CLIENTS = 4
ROUNDS = 3
SIZES = (500, 1_000, 10_000)
CUSTOMERS, CARRIERS = 20, 5
_SECRET = "b" * 43

Rows = Sequence[tuple[Any, ...]]
T = TypeVar("T")
W = TypeVar("W")


def event(n: int, now: datetime, run: str) -> dict[str, Any]:
    """A call of the last day as Kamailio's configuration reports it; three in five are answered."""
    setup = now - timedelta(seconds=n % 80_000, microseconds=n * 7 % 1_000_000)

    def at(seconds: float) -> str:
        return (setup + timedelta(seconds=seconds)).isoformat()

    is_answered = n % 5 < 3
    return {
        "type": "end",
        "call_id": f"{run}{n:08d}@192.0.2.1;tag=9fxced{n}",
        "leg": 0,
        "switch": f"edge-{n % 2}",
        "customer": f"customer-{n % CUSTOMERS}",
        "carrier": f"carrier-{n % CARRIERS}",
        "source": f"+441632{960_000 + n % 1_000}",
        "destination": f"+155501{n % 100:02d}",
        "source_ip": "192.0.2.1",
        "direction": "outbound",
        "setup_at": at(0),
        "offered_at": at(0.01),
        "ringing_at": at(1.5),
        "answer_at": at(3) if is_answered else None,
        "end_at": at(3 + n % 300),
        "sip_code": 200 if is_answered else 486,
        "sip_reason": "OK" if is_answered else "Busy Here",
        "q850_cause": 16,
        "released_by": "caller",
        "dtmf_digits": n % 4,
        "final": True,
    }


async def prepare(now: datetime) -> str:
    """Creates an account with customers, carriers and a rate card. Returns its key."""
    account = await accounts.insert("Bench", now)
    card = await rate_cards.create(account.id, name="Bench", currency="EUR", now=now)
    prefixes = ("1", "1555", "15550", "44", "49")
    await rate_cards.add_rates(
        account.id,
        card,
        [rating.Rate(p, Decimal("0.012"), Decimal("0.001"), 30, 6) for p in prefixes],
        effective_from=now - timedelta(days=400),
        now=now,
    )
    for n in range(CUSTOMERS):
        customer = await customers.insert(
            account.id,
            customers.NewCustomer(
                reference=f"customer-{n}",
                name="Bench",
                currency="EUR",
                channel_limit=None,
                debit_limit=Decimal(0),
                tax_percent=Decimal(0),
            ),
            now,
        )
        await rate_cards.assign(account.id, customer.id, card, now - timedelta(days=400), now)
    for n in range(CARRIERS):
        await carriers.insert(
            account.id,
            reference=f"carrier-{n}",
            name="Bench",
            currency="EUR",
            sip_uri=None,
            now=now,
        )
    key = await credentials.insert_key(
        account.id,
        credentials.NewKey(
            name="bench", scopes=["INGEST"], customer_id=None, secret_hash=tokens.digest(_SECRET)
        ),
        now,
    )
    return str(tokens.Token(account.id, tokens.TokenKind.KEY, key.id, _SECRET))


async def rows_of(conn: Any, run: str, size: int) -> list[Rows]:
    """The stored records of a run, in batches, ready to copy."""
    rows = [
        tuple(row)
        for row in await conn.fetch(
            f"SELECT {', '.join(COLUMNS)} FROM call_records WHERE call_id LIKE $1 ORDER BY call_id",
            f"{run}%",
        )
    ]
    return [rows[at : at + size] for at in range(0, len(rows), size)]


async def shared(
    do: Callable[[T, W], Awaitable[None]], work: Sequence[W], tools: Sequence[T]
) -> float:
    """Seconds that the connections need to do the work together."""
    left = iter(work)

    async def with_one(tool: T) -> None:
        for task in left:
            await do(tool, task)

    start = time.perf_counter()
    await asyncio.gather(*map(with_one, tools))
    return time.perf_counter() - start


class Client:
    """A minimal keep-alive connection, because it shares the cores with the measured process."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self.head = (
            "POST /ingest/calls HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        )

    async def open(self) -> "Client":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def post(self, content: bytes, events: int) -> None:
        self.writer.write(f"{self.head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        answer = json.loads(await self.reader.readexactly(length))
        assert answer.get("accepted") == events, str(answer)[:500]

    def close(self) -> None:
        self.writer.close()


async def through_http(port: int, key: str, bodies: Sequence[tuple[bytes, int]]) -> float:
    clients = [await Client(port, key).open() for _ in range(CLIENTS)]

    async def post(client: Client, body: tuple[bytes, int]) -> None:
        await client.post(*body)

    try:
        return await shared(post, bodies, clients)
    finally:
        for client in clients:
            client.close()


async def staged_copy(connections: Sequence[Any], batches: Sequence[Rows]) -> float:
    async def store(conn: Any, batch: Rows) -> None:
        async with conn.transaction():
            await conn.copy_records_to_table("staging", records=batch, columns=COLUMNS)
            await conn.execute("INSERT INTO bare SELECT * FROM staging ON CONFLICT DO NOTHING")

    await connections[0].execute("DROP TABLE IF EXISTS bare")
    await connections[0].execute(
        "CREATE TABLE bare (LIKE call_records INCLUDING DEFAULTS,"
        " PRIMARY KEY (account_id, switch, call_id, leg))"
    )
    for conn in connections:
        await conn.execute(
            "CREATE TEMP TABLE IF NOT EXISTS staging (LIKE call_records) ON COMMIT DELETE ROWS"
        )
    return await shared(store, batches, connections)


async def measure(database_url: str, redis_url: str, events: int) -> None:
    now = clock.now()
    await db.open_database(database_url)
    await db.migrate()
    key = await prepare(now)
    async with web(database_url, redis_url) as port, AsyncExitStack() as stack:
        options = db.config(database_url)["connections"]["default"]["credentials"]
        credentials = {
            name: options[name] for name in ("host", "port", "user", "password", "database")
        }
        connections = []
        for _ in range(CLIENTS):
            connections.append(await asyncpg.connect(**credentials))
            stack.push_async_callback(connections[-1].close)
        warm = _bodies(2_000, 500, now, "warm")
        await through_http(port, key, warm)
        print(f"{events:,} events a round, {ROUNDS} rounds, {CLIENTS} clients")
        for size in SIZES:
            ratios, ours, base = [], [], []
            for turn in range(ROUNDS):
                run = f"of{size}in{turn}-"
                ours.append(events / await through_http(port, key, _bodies(events, size, now, run)))
                batches = await rows_of(connections[0], run, size)
                base.append(events / await staged_copy(connections, batches))
                ratios.append(ours[-1] / base[-1])
            print(
                f"batches of {size:>6,}: {median(ours):>7,.0f} events/s by HTTP,"
                f" {median(base):>7,.0f} rows/s by staged COPY: {median(ratios):.0%} (goal 30 %)"
            )
    await db.close_database()


def _bodies(events: int, size: int, now: datetime, run: str) -> list[tuple[bytes, int]]:
    return [
        (json.dumps([event(n, now, run) for n in range(at, at + size)]).encode(), size)
        for at in range(0, events, size)
    ]


@asynccontextmanager
async def web(database_url: str, redis_url: str) -> AsyncIterator[int]:
    """The port of the real web process."""
    async with web_process(database_url, redis_url, {}) as (port, _):
        yield port


@asynccontextmanager
async def web_process(
    database_url: str, redis_url: str, settings: Mapping[str, str]
) -> AsyncIterator[tuple[int, int]]:
    """The real web process on a free port: its port and its process id."""
    port = await free_port()
    urls = {"CALLBOARD_DATABASE_URL": database_url, "CALLBOARD_REDIS_URL": redis_url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", "serve", "--port", str(port)),
        env={**os.environ, **urls, "CALLBOARD_SECRET_KEY": _SECRET, **settings},
    )
    try:
        await asyncio.wait_for(listening(port), 30)
        yield port, process.pid
    finally:
        process.terminate()
        await process.wait()


async def free_port() -> int:
    probe = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = probe.sockets[0].getsockname()[1]
    probe.close()
    return port


async def listening(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


async def in_own_database(server_url: str, redis_url: str, events: int) -> None:
    name = f"bench_ingest_{os.getpid()}"
    options = db.config(server_url)["connections"]["default"]["credentials"]
    credentials = {part: options[part] for part in ("host", "port", "user", "password")}
    admin = await asyncpg.connect(**credentials, database="postgres")
    await admin.execute(f"CREATE DATABASE {name}")
    try:
        url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
        await measure(url, redis_url, events)
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


def main(events: int) -> None:
    database_url, redis_url = (os.environ.get(f"CALLBOARD_{n}_URL") for n in ("DATABASE", "REDIS"))
    if database_url and redis_url:
        asyncio.run(in_own_database(database_url, redis_url, events))
        return
    with tempfile.TemporaryDirectory() as folder, embedded.servers(Path(folder)) as urls:
        asyncio.run(in_own_database(urls.database_url, urls.redis_url, events))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40_000)
