"""Compares the cost of operations with the processor time of the web process and PostgreSQL.

One client sends each document repeatedly to the real web process, alternating between all
documents, for several rounds. The fastest round counts, because other programs slow the
processor. A unit is the time divided by the cost, shown relative to the median of all. Goal:
the most expensive unit takes at most twice as long as the cheapest.

Run: `./callboard bench cost [ROUNDS]`.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx2

from bench import ingest
from bench.fanout import meter
from bench.support import cost_cases as cases
from bench.support import cost_data as data
from domain.identity import callers
from models import db
from runtime import clock, embedded

SETTINGS = {
    f"CALLBOARD_{whose}COST_{what}": "1000000000000"
    for whose in ("", "CUSTOMER_", "TOKEN_")
    for what in ("CAPACITY", "PER_SECOND")
}


@dataclass(frozen=True, slots=True)
class Measured:
    """The milliseconds of processor time of one round."""

    name: str
    cost: float
    web: float
    database: float

    @property
    def unit(self) -> float:
        """Microseconds a unit of cost."""
        return 1_000 * (self.web + self.database) / self.cost


def milliseconds(pids: Sequence[int]) -> float:
    """The processor time of these processes."""
    return 1_000 * sum(meter.cpu_seconds(pid) for pid in pids)


async def backends() -> list[int]:
    """The PostgreSQL processes of this database, except the one that answers."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend'"
        )
    return [row["pid"] for row in rows]


async def measure(case: cases.Case, asker: data.Asker, web: int) -> Measured:
    """The mean over some tenths of a second, after one unmeasured run."""
    cost, pids, times = await run(case, asker), await backends(), 0
    before, until = (milliseconds([web]), milliseconds(pids)), time.monotonic() + 0.4
    while time.monotonic() < until:
        await run(case, asker)
        times += 1
    after = milliseconds([web]), milliseconds(pids)
    seconds = [(late - early) / times for early, late in zip(before, after, strict=True)]
    return Measured(case.name, cost, *seconds)


async def run(case: cases.Case, asker: data.Asker) -> float:
    """Runs all steps and returns their cost."""
    cost = 0.0
    result: dict[str, Any] = {}  # of the step before
    for query, variables in case.steps:
        values = variables(result) if callable(variables) else variables
        answer = await asker.send(query, dict(values))
        result, cost = answer["data"], cost + answer["extensions"]["cost"]["requested"]
    return cost


def table(rows: Sequence[Measured]) -> str:
    middle = median(row.unit for row in rows)
    lines = ["| | cost | web process | PostgreSQL | a unit, median = 1 |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.name} | {row.cost:,.0f} | {row.web:.2f} ms | {row.database:.2f} ms"
        f" | {row.unit / middle:.2f} |"
        for row in rows
    ]
    units = sorted(row.unit for row in rows)
    return "\n".join(
        [*lines, "", f"median {middle:.1f} µs; dearest / cheapest {units[-1] / units[0]:.2f}"]
    )


async def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, embedded.servers(Path(folder)) as urls:
        await db.open_database(urls.database_url)
        await db.migrate()
        world = await data.prepare(clock.now())
        async with (
            ingest.web_process(urls.database_url, urls.redis_url, SETTINGS) as (port, pid),
            httpx2.AsyncClient(timeout=60) as client,
        ):
            askers = await sign_in(world, client, f"http://127.0.0.1:{port}")
            owner = askers["owner"]
            await data.fill(world, owner)
            rows = (await data.rows(owner, world.customers[0], 31))[data.BILLED_DAYS :]
            free = await unused(owner, world.customers[0])
            async with db.connection() as conn:
                await conn.execute("VACUUM (ANALYZE)")
            chosen = cases.documents(world, rows, free) + cases.fields(world)
            measurements: list[list[Measured]] = [[] for _ in chosen]
            for _ in range(rounds):
                for case, measured in zip(chosen, measurements, strict=True):
                    measured.append(await measure(case, askers[case.caller], pid))
            print(table([min(measured, key=lambda one: one.unit) for measured in measurements]))
        await db.close_database()


async def sign_in(world: data.World, client: httpx2.AsyncClient, url: str) -> dict[str, data.Asker]:
    owner = data.Asker(client, url, await data.session(world, world.email))
    await owner.do(
        *("createContact", ""),
        customerId=world.customers[0],
        name="A person",
        email="contact@bench.example",
        password=data.PASSWORD,
    )
    tokens = {
        "contact": await data.session(world, "contact@bench.example"),
        "billing": await data.key(world, callers.Scope.BILLING_READ),
        "nobody": "",
    }
    return {"owner": owner} | {
        name: data.Asker(client, url, token) for name, token in tokens.items()
    }


async def unused(owner: data.Asker, customer: str) -> str:
    answer: dict[str, Any] = await owner.send(
        "query($c: ID!) { customer(id: $c) { availableUsernames(first: 1) { edges { node } } } }",
        {"c": customer},
    )
    name: str = answer["data"]["customer"]["availableUsernames"]["edges"][0]["node"]
    return name


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
