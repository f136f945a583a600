"""Measures the bytes of a leg's key (heap and each index), and the time to migrate keys from
the layout before migration 0013.

Keys are stored as in ingest, in sorted batches of 500. So B-trees are filled as in use; their
share varies by 2 % with their size. One call in ten has a second leg. Call ids have 59
characters.

Run: `./callboard bench record_keys [LEGS]`.
"""

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.support import scratch
from models import db
from models.records import call_keys

BATCH = 500
ACCOUNT = 1
START = datetime(2026, 1, 1, tzinfo=UTC)
_MIGRATION = Path(__file__).parents[1] / "models/migrations/0013_record_keys.sql"
_BEFORE = """
CREATE TABLE record_keys (
    account_id bigint NOT NULL, switch text COLLATE "C" NOT NULL,
    call_id text COLLATE "C" NOT NULL, leg integer NOT NULL, setup_at timestamptz NOT NULL,
    customer_id bigint NOT NULL, revision bigint NOT NULL, digest bytea NOT NULL,
    final boolean NOT NULL, PRIMARY KEY (account_id, switch, call_id, leg)
);
CREATE UNIQUE INDEX record_keys_one_final_leg ON record_keys (account_id, switch, call_id)
    WHERE final;
CREATE INDEX record_keys_setup ON record_keys USING brin (setup_at) WITH (pages_per_range = 32);
"""
_OLD = ("account_id", "switch", "call_id", "leg")
_NEW = ("account_id", "call_key", "leg")
_REST = ("setup_at", "customer_id", "revision", "digest", "final")

Leg = tuple[str, str, int, tuple[Any, ...]]  # switch, call id, leg, and the rest


def batch_of(chance: random.Random, at: datetime) -> list[Leg]:
    legs: list[Leg] = []
    while len(legs) < BATCH:
        at += timedelta(milliseconds=100)
        call_id = f"{UUID(int=chance.getrandbits(128))}@192.0.2.1;tag={chance.getrandbits(32):08x}"
        switch, last = f"edge-{chance.randrange(2)}", int(chance.random() < 0.1)
        for leg in range(last + 1):
            rest = (at, chance.randrange(100), 0, chance.randbytes(16), leg == last)
            legs.append((switch, call_id, leg, rest))
    return legs


def as_before(legs: Sequence[Leg]) -> list[tuple[Any, ...]]:
    return [(ACCOUNT, switch, call, leg, *rest) for switch, call, leg, rest in sorted(legs)]


def as_now(legs: Sequence[Leg]) -> list[tuple[Any, ...]]:
    ordered = sorted(legs, key=lambda leg: call_keys.lock_order(leg[:3]))
    return [
        (ACCOUNT, *call_keys.of_leg((switch, call, leg)), *rest[:3], UUID(bytes=rest[3]), rest[4])
        for switch, call, leg, rest in ordered
    ]


async def fill(legs: int, *, before: bool) -> None:
    chance, (columns, rows) = random.Random(1), (_OLD, as_before) if before else (_NEW, as_now)
    async with db.connection() as conn:
        await conn.execute("SET synchronous_commit = off")
        for number in range(legs // BATCH):
            batch = rows(batch_of(chance, START + timedelta(seconds=50 * number)))
            await conn.copy_records_to_table(
                "record_keys", records=batch, columns=(*columns, *_REST)
            )


async def show(title: str) -> None:
    async with db.connection() as conn:
        legs = await conn.fetchval("SELECT count(*) FROM record_keys")
        sizes = await conn.fetch(
            "SELECT relname, pg_relation_size(oid) AS bytes FROM pg_class"
            " WHERE relname LIKE 'record\\_keys%' ORDER BY 1"
        )
        total = await conn.fetchval("SELECT pg_total_relation_size('record_keys')")
    parts = ", ".join(f"{row['relname']} {row['bytes'] / legs:.1f}" for row in sizes)
    print(f"{title}: {legs:,} legs, {total / legs:.1f} bytes each ({parts})")


async def measure(legs: int) -> None:
    async with scratch.database():
        await db.migrate()
        await fill(legs, before=False)
        await show("now")
        async with db.connection() as conn:
            await conn.execute("DROP TABLE record_keys")
            await conn.execute(_BEFORE)
        await fill(legs, before=True)
        await show("before 0013")
        start = time.perf_counter()
        async with db.transaction() as conn:
            await conn.execute(_MIGRATION.read_text("utf-8"))
        print(f"migration 0013: {time.perf_counter() - start:.1f} s")
        await show("after it")


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
