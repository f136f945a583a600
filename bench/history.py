"""Measures reads and writes with 1 and with 36 months of history of 100 customers.

Each line is one call of the code's own functions: the median time, and the buffers that
PostgreSQL accessed (including those in memory). The ratio compares the long history with the
short one. Goal: at most 1.2 times the buffers, or 5 more, because an index may be one level
deeper. Lines without a goal show more rows with more history.

Run: `./callboard bench history [MONTHS] [CUSTOMERS] [ROUNDS]`.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis

from bench.support import history_data as data
from bench.support import scratch
from domain import periods
from domain.identity import callers
from domain.periods import Granularity
from domain.summaries import intervals
from models import db
from models.billing import invoicing, ledger
from models.records import partitions
from models.summaries import hours, summary_rows
from resolvers.summaries import graphs, summaries, summary_pages
from workers import alerting

GOAL = 1.2
_DEEPER = 5  # buffers
_POOL = 10  # connections of `db.open_database`
_WARM_UP = 6  # PostgreSQL may settle on one plan for all values after five executions
STAFF = callers.Caller(data.ACCOUNT, callers.Kind.STAFF, 1, callers.Role.OWNER)
_BUFFERS = "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()"
_FLUSH = "SELECT pg_stat_force_next_flush()"

Work = Callable[[int], Awaitable[object]]  # given the number of the round


@dataclass(frozen=True, slots=True)
class Cost:
    milliseconds: float
    buffers: int


@dataclass(frozen=True, slots=True)
class Measure:
    name: str
    work: Work
    has_goal: bool = True


@dataclass(frozen=True, slots=True)
class History:
    months: int
    customers: int
    redis: Redis

    def customer(self, number: int) -> int:
        return 1 + number % self.customers

    def measures(self) -> list[Measure]:
        customer = 1
        customer_ids = range(1, self.customers + 1)
        return [
            *(
                Measure(f"customer's page, {kind}, {first} rows", _page(customer, kind, first))
                for kind, first in _PAGES
            ),
            *(
                Measure(f"account's page, {kind}, {first} rows", _page(None, kind, first))
                for kind, first in _PAGES
            ),
            Measure(
                "account's page, MONTHLY, 36 rows", _page(None, Granularity.MONTHLY, 36), False
            ),
            Measure("changed rows of 2 minutes", _changes(customer)),
            Measure("graph of a day, customer", _graph(customer)),
            Measure("graph of a day, account", _graph(None)),
            Measure("balance of one customer", lambda _: ledger.balance(data.ACCOUNT, customer)),
            Measure(
                f"balances of {self.customers} customers",
                lambda _: ledger.balances(data.ACCOUNT, customer_ids),
            ),
            Measure("rebuild of an hour", self._rebuild),
            Measure("generate and issue an invoice", self._generate),
            Measure("alert round", lambda _: alerting.evaluate(self.redis, lambda: data.NOW)),
            Measure("drop of a day's partition", self._drop),
        ]

    async def _rebuild(self, number: int) -> None:
        """A changed record of the current hour."""
        async with db.transaction() as conn:
            await conn.execute(
                "UPDATE call_records SET charge = charge + 0.01 WHERE account_id = $1"
                " AND customer_id = 1 AND setup_at >= $2 AND setup_at < $3",
                data.ACCOUNT,
                data.HOUR,
                data.HOUR + periods.HOUR,
            )
        await hours.rebuild(data.ACCOUNT, 1, data.HOUR, data.NOW)

    async def _generate(self, number: int) -> None:
        """Of one day of a customer that has no invoice yet."""
        back = 2 + number // self.customers
        day = periods.period_containing(Granularity.DAILY, data.HOUR - timedelta(days=back))
        customer = self.customer(number)
        selection = invoicing.Selection(customer, Granularity.DAILY, [day])
        await invoicing.generate(
            data.ACCOUNT,
            selection,
            key=f"{customer}-{back}",
            issue=True,
            now=data.NOW,
        )

    async def _drop(self, number: int) -> None:
        day = data.first_day(self.months).date() + timedelta(days=number)
        dropped = await partitions.drop_before(day + timedelta(days=1))
        assert dropped == [day], dropped


# With each granularity, the rows of which both histories have enough, whole and one more.
_PAGES = (
    (Granularity.LIVE, 24),
    (Granularity.DAILY, 24),
    (Granularity.WEEKLY, 3),
    (Granularity.MONTHLY, 1),
)


def _page(customer_id: int | None, kind: Granularity, first: int) -> Work:
    async def read(_: int) -> None:
        request = summary_pages.Request(first)
        page = await summary_pages.page(STAFF, customer_id, kind, request, data.NOW)
        if customer_id is not None:
            await summaries.invoicing([row.key for row in page.rows[:first]])

    return read


def _changes(customer_id: int) -> Work:
    since = data.NOW - timedelta(minutes=2)

    async def read(_: int) -> None:
        await summary_rows.changed_since(data.ACCOUNT, customer_id, since)

    return read


def _graph(customer_id: int | None) -> Work:
    start = data.HOUR - timedelta(days=1)

    async def read(_: int) -> None:
        graph = await graphs.graph(
            *(STAFF, customer_id, start, data.HOUR, intervals.Interval.HOUR),
            carrier_ids=None,
            now=data.HOUR,
        )
        await graphs.codes(graph)

    return read


@asynccontextmanager
async def _meter() -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Reads the buffers accessed so far by the pool, after opening all of its connections."""

    async def flushed(conn: Any) -> None:
        await conn.execute(_FLUSH)

    async def read() -> int:
        async with AsyncExitStack() as stack:
            connections = [await stack.enter_async_context(db.connection()) for _ in range(_POOL)]
            for conn in connections:
                await flushed(conn)
            return int(await connections[0].fetchval(_BUFFERS))

    await read()
    yield read


async def measure(history: History, rounds: int) -> list[tuple[Measure, Cost]]:
    results = []
    async with _meter() as buffers:
        for item in history.measures():
            times, touched = [], []
            for number in range(_WARM_UP + rounds):
                before = await buffers()
                start = time.perf_counter()
                await item.work(number)
                times.append((time.perf_counter() - start) * 1000)
                touched.append(await buffers() - before)
            cost = Cost(
                statistics.median(times[_WARM_UP:]), int(statistics.median(touched[_WARM_UP:]))
            )
            results.append((item, cost))
    return results


async def costs(months: int, customers: int, rounds: int) -> list[tuple[Measure, Cost]]:
    async with scratch.database(statement_timeout=None) as settings:
        await db.migrate()
        start = time.perf_counter()
        await data.fill(months, customers)
        print(f"{months} months filled in {time.perf_counter() - start:.0f} s", flush=True)
        assert settings.redis_url is not None
        redis: Redis = Redis.from_url(settings.redis_url)
        try:
            return await measure(History(months, customers, redis), rounds)
        finally:
            await redis.aclose()


def line(item: Measure, before: Cost, after: Cost) -> str:
    is_met = after.buffers <= max(GOAL * before.buffers, before.buffers + _DEEPER)
    verdict = ("met" if is_met else "missed") if item.has_goal else "none"
    times = f"{before.milliseconds:8.1f} ms {before.buffers:7}"
    times += f" {after.milliseconds:9.1f} ms {after.buffers:7}"
    ratio = f"{after.milliseconds / before.milliseconds:6.2f} {after.buffers / before.buffers:6.2f}"
    return f"{item.name:38} {times} {ratio}  {verdict}"


async def run(months: int, customers: int, rounds: int) -> None:
    short = await costs(1, customers, rounds)
    long = await costs(months, customers, rounds)
    print(f"{customers} customers, medians of {rounds} rounds: time, buffers")
    print(f"{'':38} {'1 month':>19} {f'{months} months':>20} {'ratio':>13}  goal {GOAL}")
    for (item, before), (_, after) in zip(short, long, strict=True):
        print(line(item, before, after))


if __name__ == "__main__":
    arguments = [int(value) for value in sys.argv[1:]]
    asyncio.run(run(*(arguments + [36, 100, 9][len(arguments) :])))
