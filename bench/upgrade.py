"""Measures the upgrade from the schema of the last release on a full database.

Creates a million records of 10 customers with their hours, ledger entries and invoices as that
release stored them. Then runs each later migration separately, and prints how long each took
and for how long it held locks for which others wait. In the end every issued invoice must have
its original hash, and `reconcile` must find no difference.

Run: `./callboard bench upgrade [--records N] [--customers N] [--days N]`.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.support import last_release, scratch
from models import db
from models.billing import invoice_queries, reconciliation

_POLL_SECONDS = 0.01  # seconds

# Locks that a reader or a writer waits behind, on tables and indexes that others see.
_LOCKS = """
SELECT l.relation::regclass::text AS name, l.mode FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
WHERE l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.mode IN ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
"""


@dataclass
class Step:
    """`locks`: seconds until the end of the step, by table and mode."""

    name: str
    seconds: float = 0.0
    locks: dict[tuple[str, str], float] = field(default_factory=dict)


async def upgrade() -> list[Step]:
    """Runs the pending migrations one after another."""
    return [await _measured(name) for name in await db.pending_migrations()]


async def _measured(name: str) -> Step:
    step, began = Step(name), time.perf_counter()
    async with _watched(step):
        await db.migrate(name)
    step.seconds = time.perf_counter() - began
    return step


@asynccontextmanager
async def _watched(step: Step) -> AsyncIterator[None]:
    locks: dict[tuple[str, str], float] = {}

    async def look() -> None:
        async with db.connection() as conn:
            while True:
                for name, mode in await conn.fetch(_LOCKS):
                    locks.setdefault((name, mode), time.perf_counter())
                await asyncio.sleep(_POLL_SECONDS)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        ended = time.perf_counter()
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        step.locks = {lock: ended - since for lock, since in locks.items()}


async def faults(shape: last_release.Shape, documents: list[last_release.Document]) -> list[str]:
    """Differences to the original state; `reconcile` recomputes each invoice's hash."""
    stored = await invoice_queries.by_ids(
        last_release.ACCOUNT, [document.id for document in documents]
    )
    differences = [
        f"invoice {document.id} has another hash than it had"
        for document in documents
        if stored[document.id].content_hash != document.content_hash
    ]
    for customer_id in range(1, shape.customers + 1):
        proof = await reconciliation.reconcile(
            last_release.ACCOUNT, customer_id, last_release.START, shape.end, shape.now
        )
        differences += [
            f"customer {customer_id}, {difference.hour}: {difference.detail.translate('en')}"
            for difference in proof.differences
        ]
    return differences


def report(step: Step) -> None:
    locks = sorted(step.locks.items(), key=lambda lock: -lock[1])
    print(f"{step.name:24} {step.seconds:8.2f} s", end="")
    if locks:
        (name, mode), seconds = locks[0]
        print(f"  longest lock {seconds:.2f} s: {mode} on {name}", end="")
        print(f", of {len(locks)}" if len(locks) > 1 else "", end="")
    print(flush=True)


async def measure(shape: last_release.Shape) -> None:
    began = time.perf_counter()
    documents = await last_release.make(shape)
    print(
        f"{shape.records:,} records of {shape.customers} customers in {shape.days} days,"
        f" {len(documents)} issued invoices: made in {time.perf_counter() - began:.0f} s"
    )
    steps = await upgrade()
    for step in steps:
        report(step)
    print(f"{'in all':24} {sum(step.seconds for step in steps):8.2f} s")
    began = time.perf_counter()
    differences = await faults(shape, documents)
    print(f"reconciled in {time.perf_counter() - began:.1f} s: {len(differences)} differences")
    for fault in differences[:20]:
        print(f"  {fault}")
    if differences:
        raise SystemExit(1)


async def run(shape: last_release.Shape) -> None:
    async with scratch.database(statement_timeout=None):
        await measure(shape)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="./callboard bench upgrade")
    for option, default in (("records", 1_000_000), ("customers", 10), ("days", 30)):
        parser.add_argument(f"--{option}", type=int, default=default)
    asyncio.run(run(last_release.Shape(**vars(parser.parse_args()))))
