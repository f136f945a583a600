"""Marked hours of several accounts, a call in each, and the order of their rebuilds."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from models import db
from models.identity import accounts
from models.records import partitions
from models.summaries import hours
from models.summaries.hours import Hour
from workers import jobs

ONE = timedelta(hours=1)
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
CURRENT = NOW.replace(minute=0)
LAST_WEEK = CURRENT - timedelta(days=7)
A, B = 1, 2


async def tools(redis: Redis) -> jobs.Tools:
    """Of a worker in a database with account A with three customers and B with one."""
    await prepare({A: 3, B: 1}, NOW)
    return worker(redis)


def worker(redis: Redis) -> jobs.Tools:
    return jobs.Tools(redis, clock(NOW), records_days=400, partitions_ahead_days=3)


async def rebuild(tools: jobs.Tools) -> None:
    await jobs.rebuild_marked({"tools": tools})


def imported(count: int) -> list[Hour]:
    """Of A's customers 1 and 2, the newest a month old."""
    return before(CURRENT - timedelta(days=30), count, (1, 2), A)


def clock(start: datetime) -> Callable[[], datetime]:
    """Says a later microsecond each time, so that `hours.rebuilt_at` tells the order."""
    calls = iter(range(10**9))
    return lambda: start + timedelta(microseconds=next(calls))


def before(now: datetime, count: int, customers: Sequence[int], account: int) -> list[Hour]:
    """`count` hours up to `now`, exclusive, the newest first, of the customers in turn."""
    return [Hour(account, customers[n % len(customers)], now - (n + 1) * ONE) for n in range(count)]


async def prepare(customers: dict[int, int], now: datetime) -> None:
    """Inserts that number of customers for each account, numbered from 1."""
    for account, count in customers.items():
        account_id = await accounts.insert(f"Account {account}", now)
        assert account_id.id == account
        async with db.connection() as conn:
            await conn.execute(
                "INSERT INTO customers (account_id, id, reference, name, currency, created_at)"
                " SELECT $1, n, 'customer-' || n, 'Customer', 'EUR', $2"
                " FROM generate_series(1, $3::bigint) n",
                *(account, now, count),
            )


async def store(which: Iterable[Hour], now: datetime, call: str = "call") -> None:
    """A call at the start of each hour and a mark, in their order."""
    rows = list(which)
    await partitions.create_missing(partitions.days_of(hour.hour for hour in rows))
    columns = [list(column) for column in zip(*rows, strict=True)]
    async with db.transaction() as conn:
        await conn.execute(
            "INSERT INTO call_records (account_id, customer_id, setup_at, switch, call_id, leg,"
            " revision, carrier_id, final, source, destination, offered_at, end_at, talk_us,"
            " rated_by, prefix, billed_seconds, charge)"
            " SELECT a, c, h, 'edge-1', $4, 0, 0, 1, true, '+44', '+1', h, h, 0, 'CARD', '1', 0, 0"
            " FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) AS t (a, c, h)",
            *(*columns, call),
        )
        await conn.execute(
            "INSERT INTO hour_marks (account_id, customer_id, hour, marked_at)"
            " SELECT a, c, h, $4 FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[])"
            " WITH ORDINALITY AS t (a, c, h, n) ORDER BY n",
            *(*columns, now),
        )


async def rebuilt() -> list[Hour]:
    """All hours that have a version, in the order in which they were rebuilt last."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT account_id, customer_id, hour FROM hours ORDER BY rebuilt_at"
        )
    return [Hour(*row) for row in rows]


async def transactions() -> list[set[Hour]]:
    """The hours by the transaction in which they were rebuilt last, in its order."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT array_agg(account_id), array_agg(customer_id), array_agg(hour) FROM hours"
            " GROUP BY xmin::text ORDER BY min(rebuilt_at)"
        )
    return [{Hour(*hour) for hour in zip(*row, strict=True)} for row in rows]


async def position(which: Hour) -> int:
    """How many transactions rebuilt only other hours before it."""
    return [which in hours for hours in await transactions()].index(True)


async def versions() -> set[int]:
    async with db.connection() as conn:
        return {row["version"] for row in await conn.fetch("SELECT version FROM hours")}


async def waiting() -> set[Hour]:
    return set(await hours.marked_hours(100_000))


async def fail(which: Hour, state: str = "P0001") -> None:
    """Makes rebuilds of the hour fail with an SQLSTATE, until `mend`."""
    await _on_heads(
        f"IF {_is(which)} THEN RAISE EXCEPTION 'this hour fails' USING ERRCODE = '{state}'; END IF;"
    )


async def slow_down(which: Hour) -> None:
    """Makes rebuilds of the hour take a second, until `mend`."""
    await _on_heads(f"IF {_is(which)} THEN PERFORM pg_sleep(1); END IF;")


async def fail_account(account: int) -> None:
    """Makes rebuilds of all its hours fail, until `mend`."""
    await _on_heads(
        f"IF NEW.account_id = {account} THEN RAISE EXCEPTION 'this account fails'; END IF;"
    )


async def cut_connections(which: Hour) -> None:
    """Ends all connections to the database when the hour is rebuilt, until `mend`."""
    await _on_heads(
        f"IF {_is(which)} THEN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database(); END IF;"
    )


def _is(which: Hour) -> str:
    return (
        "(NEW.account_id, NEW.customer_id, NEW.hour)"
        f" = ({which.account_id}, {which.customer_id}, '{which.hour}'::timestamptz)"
    )


async def _on_heads(statements: str) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {statements} RETURN NEW; END $$"
        )
        await conn.execute(
            "CREATE TRIGGER fails BEFORE INSERT OR UPDATE ON hours"
            " FOR EACH ROW EXECUTE FUNCTION fails()"
        )


async def mend() -> None:
    async with db.connection() as conn:
        await conn.execute("DROP FUNCTION fails CASCADE")
