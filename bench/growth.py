"""Measures whether reads and rebuilds stay as fast when an installation grows.

Each size has three months of records of some customers with equally many calls in each hour: more
records mean more customers. The records and their sums are inserted by SQL, without the keys that
only ingest reads. Compared with the smallest size: the `Dashboard` document of one contact over
HTTP with the cache off, the rebuild of an hour from its records, and the last page of a summary.
Goal: at most 1.2 times the time.

Run: `./callboard bench growth [MILLIONS …]`, by default `1 10`. 50 million records need 30 GB.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

import httpx2

from bench import ingest
from bench.support import growth_data as data
from bench.support import scratch
from models import db
from models.summaries import hours
from runtime import clock
from runtime.settings import Settings

GOAL = 1.2
ROUNDS = 100
NO_LIMITS = {
    f"CALLBOARD_{budget}COST_{part}": "1000000000000"
    for budget in ("", "CUSTOMER_", "TOKEN_")
    for part in ("CAPACITY", "PER_SECOND")
}


@dataclass(frozen=True, slots=True)
class Size:
    """The median milliseconds of each measurement at one number of records."""

    records: int
    taken: dict[str, float]


async def milliseconds(work: Callable[[int], Awaitable[object]]) -> float:
    """The median of ROUNDS calls, after some that warm up."""
    times = []
    for number in range(-10, ROUNDS):
        start = time.perf_counter()
        await work(number)
        if number >= 0:
            times.append((time.perf_counter() - start) * 1000)
    return median(times)


async def measure(settings: Settings, world: data.World) -> dict[str, float]:
    assert settings.database_url is not None
    assert settings.redis_url is not None
    urls = settings.database_url, settings.redis_url
    async with (
        ingest.web_process(*urls, NO_LIMITS) as (port, _),
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        after = await last_cursor(client, world)
        return {
            "Dashboard, 24 hours": await milliseconds(lambda _: data.read_dashboard(client, world)),
            "first page of a summary": await milliseconds(
                lambda _: data.read_page(client, world, None)
            ),
            "last page of a summary": await milliseconds(
                lambda _: data.read_page(client, world, after)
            ),
            "rebuild of an hour": await milliseconds(lambda number: rebuild(world, number)),
        }


async def rebuild(world: data.World, number: int) -> None:
    """Of an hour that is different in each round."""
    customer = world.customers[number % len(world.customers)]
    hour = world.end - timedelta(hours=2 + (number * 7) % 600)
    await hours.rebuild(world.account_id, customer, hour, clock.now())


async def last_cursor(client: httpx2.AsyncClient, world: data.World) -> str | None:
    """The cursor of the last page of the customer's days."""
    last: str | None = None
    after: str | None = None
    while (page := await data.read_page(client, world, after))["hasNextPage"]:
        last, after = after, page["endCursor"]
    return last


async def run(millions: list[int]) -> None:
    sizes = []
    for number in millions:
        async with scratch.database(statement_timeout=None) as settings:
            await db.migrate()
            start = time.perf_counter()
            world = await data.fill(number * 1_000_000, clock.now())
            seconds = time.perf_counter() - start
            size = Size(world.records, await measure(settings, world))
            print(f"{size.records:,} records filled in {seconds:.0f} s", flush=True)
            sizes.append(size)
    show(sizes)


def show(sizes: list[Size]) -> None:
    print(f"{'':26}" + "".join(f"{size.records:>16,}" for size in sizes) + f"   goal {GOAL}")
    for name, first in sizes[0].taken.items():
        ratios = [size.taken[name] / first for size in sizes]
        cells = (
            f"{size.taken[name]:7.1f} ms {ratio:5.2f}"
            for size, ratio in zip(sizes, ratios, strict=True)
        )
        met = "met" if max(ratios) <= GOAL else "missed"
        print(f"{name:26}" + "".join(f"{cell:>16}" for cell in cells) + f"   {met}")


if __name__ == "__main__":
    asyncio.run(run([int(value) for value in sys.argv[1:]] or [1, 10]))
