"""The cost of a read depends on its result: as many buffers after 36 months as after 3."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from domain.billing.row_invoicing import State
from domain.identity import callers
from domain.periods import Granularity, Period
from domain.summaries import cells, intervals, row_filters, row_order
from domain.summaries.breakdowns import Dimension
from models import db
from models.summaries import rollup_sql, summary_rows
from resolvers.summaries import graphs, row_parts, summaries, summary_pages
from tests.support import buffer_counts, costs, databases
from tests.support.buffer_counts import Plans
from tests.support.service_urls import TestServices

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
HOUR = NOW.replace(minute=0)
LONG, SHORT = 1, 2  # accounts of two customers each, with 36 months and with 3
MONTHS = {LONG: 36, SHORT: 3}
MOST = 1.2
[PROFIT] = [column for column in cells.COLUMNS if column.name == "PROFIT"]
BETWEEN = Period(datetime(1970, 1, 1, tzinfo=UTC), NOW)

_FILL = """
WITH filled AS (
    INSERT INTO hours (account_id, customer_id, hour, version, attempts, answered, talk_us,
                       billed_seconds, charge, unrated, rebuilt_at)
    SELECT $1, c, h, 1, 3, 2, 1000000, 10, 0.25, 0, h + interval '1 hour'
    FROM generate_series($2::timestamptz, $3::timestamptz, '1 hour') h, generate_series(1, 2) c
    RETURNING *
), slots AS (
    INSERT INTO rollups
    SELECT account_id, customer_id, hour, 1, attempts, answered, talk_us, billed_seconds, charge,
           0, 0, 0, 0, attempts, answered, talk_us, 0, 0, 0.1, 0
    FROM filled
), codes AS (
    INSERT INTO rollup_codes SELECT account_id, customer_id, hour, 0, 200, attempts, attempts
    FROM filled
)
INSERT INTO invoice_hours (account_id, customer_id, hour, invoice_id, version)
SELECT account_id, customer_id, hour, customer_id, version FROM filled WHERE hour < $4
"""
_INVOICE = """
INSERT INTO invoices (account_id, id, customer_id, kind, status, number, position, granularity,
                      period_start, period_end, currency, subtotal, tax_percent, tax, rounding,
                      total, created_at)
SELECT $1, c, c, 'INVOICE', 'ISSUED', c, c, 'DAILY', $2, $3, 'EUR', 0, 0, 0, 0, 0, $3
FROM generate_series(1, 2) c
"""

_PARTS = """
INSERT INTO rollup_destinations
       (account_id, customer_id, hour, destination, attempts, answered, talk_us, billed_seconds,
        charge)
SELECT account_id, customer_id, hour, 'prefix:44', attempts, answered, talk_us, billed_seconds,
       charge
FROM hours;
INSERT INTO destination_days
SELECT account_id, customer_id, date_trunc('day', hour, 'UTC'), destination, sum(attempts),
       sum(answered), sum(talk_us), sum(billed_seconds), sum(charge), 0, 0, 0, 0, 0, 0
FROM rollup_destinations GROUP BY 1, 2, 3, 4;
INSERT INTO country_slots
SELECT account_id, customer_id, slot, carrier_id, 'GB', {sums} FROM rollups;
INSERT INTO carrier_days
SELECT account_id, customer_id, date_trunc('day', slot, 'UTC'), carrier_id, {total}
FROM rollups GROUP BY 1, 2, 3, 4;
INSERT INTO country_days
SELECT account_id, customer_id, day, carrier_id, 'GB', {sums} FROM carrier_days;
""".format(
    sums=", ".join(rollup_sql.SUMS),
    total=", ".join(f"sum({name})" for name in rollup_sql.SUMS),
)
_LONGER = """
INSERT INTO {into}
SELECT account_id, customer_id, date_trunc('{unit}', {time}, 'UTC'), sum(version), sum(attempts),
       sum(answered), sum(talk_us), sum(billed_seconds), sum(charge), sum(unrated)
FROM {source} GROUP BY 1, 2, 3
"""

Work = Callable[[int], Awaitable[object]]  # given the account


@pytest.fixture(scope="module")
async def histories(services: TestServices, template: str) -> AsyncIterator[None]:
    """Both accounts in one open database, all but their last week billed."""
    name = f"{template}_histories"
    async with databases.open_copy(services.database_url, name, template):
        for account, months in MONTHS.items():
            await _fill(account, HOUR - timedelta(days=31 * months))
        async with db.connection() as conn:
            await conn.execute(_PARTS)
            days = {"into": "day_sums", "source": "hours", "time": "hour", "unit": "day"}
            months_ = {"into": "month_sums", "source": "day_sums", "time": "day", "unit": "month"}
            for tables in (days, months_):
                await conn.execute(_LONGER.format(**tables))
            await conn.execute("VACUUM (ANALYZE)")
        yield


async def _fill(account: int, start: datetime) -> None:
    billed = HOUR - timedelta(days=7)
    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute(
            "INSERT INTO customers (account_id, id, reference, name, currency, created_at)"
            " SELECT $1, n, n, 'Customer', 'EUR', $2 FROM generate_series(1, 2) n",
            account,
            start,
        )
        await conn.execute(
            "INSERT INTO carriers (account_id, id, reference, name, currency, created_at)"
            " VALUES ($1, 1, 'a', 'A', 'EUR', $2)",
            *(account, start),
        )
        await conn.execute(_INVOICE, account, start, billed)
        await conn.execute(_FILL, account, start, HOUR, billed)


def page(customer_id: int | None, kind: Granularity, first: int) -> Work:
    async def read(account: int) -> None:
        request = summary_pages.Request(first)
        found = await summary_pages.page(staff(account), customer_id, kind, request, NOW)
        assert len(found.rows) >= first
        if customer_id is not None:
            await summaries.invoicing([row.key for row in found.rows])

    return read


def ordered(customer_id: int | None, kind: Granularity, *states: State) -> Work:
    """A page of 60 days, ordered by profit, whose rows have all their parts."""
    start = HOUR.replace(hour=0) - timedelta(days=60)
    states_ = frozenset(states) or None
    request = summary_pages.Request(
        20,
        filter=row_filters.Filter(start, invoicing=states_),
        order=row_order.Order(PROFIT),
    )

    async def read(account: int) -> None:
        found = await summary_pages.page(staff(account), customer_id, kind, request, NOW)
        assert found.rows
        keys = [row.key for row in found.rows]
        assert all(each.amounts for each in await row_parts.costs(keys))
        for dimension in Dimension:
            requests = [row_parts.Request(key, dimension, 5, True) for key in keys]
            assert all(each.parts for each in await row_parts.parts(requests))

    return read


def graph(customer_id: int | None) -> Work:
    async def read(account: int) -> None:
        start, interval = HOUR - timedelta(days=2), intervals.Interval.HOUR
        caller = staff(account)
        found = await graphs.graph(caller, customer_id, start, HOUR, interval, None, HOUR)
        assert len(found.sums) == 48
        assert await graphs.codes(found)

    return read


async def changed(account: int) -> None:
    since = HOUR - timedelta(hours=1)
    found = await summary_rows.changed_since(account, 1, since)
    assert [change.rebuilt_at >= since for change in found] == [True] * 3


def staff(account: int) -> callers.Caller:
    return callers.Caller(account, callers.Kind.STAFF, 1, role=callers.Role.OWNER)


READS: dict[str, Work] = {
    "24 hours of a customer": page(1, Granularity.LIVE, 24),
    "30 days of a customer": page(1, Granularity.DAILY, 30),
    "10 weeks of a customer": page(1, Granularity.WEEKLY, 10),
    "2 months of a customer": page(1, Granularity.MONTHLY, 2),
    "24 hours of the account": page(None, Granularity.LIVE, 24),
    "30 days of the account": page(None, Granularity.DAILY, 30),
    "10 weeks of the account": page(None, Granularity.WEEKLY, 10),
    "2 months of the account": page(None, Granularity.MONTHLY, 2),
    "the last 24 hours of a customer, ordered": ordered(1, Granularity.LIVE),
    "60 days of a customer, ordered": ordered(1, Granularity.DAILY),
    "60 invoiced days of a customer, ordered": ordered(1, Granularity.DAILY, State.FULLY),
    "8 weeks of a customer, ordered": ordered(1, Granularity.WEEKLY),
    "a month of a customer, ordered": ordered(1, Granularity.MONTHLY),
    "60 days of the account, ordered": ordered(None, Granularity.DAILY),
    "8 weeks of the account, ordered": ordered(None, Granularity.WEEKLY),
    "the hours that changed": changed,
    "a graph of a customer": graph(1),
    "a graph of the account": graph(None),
}


@pytest.mark.usefixtures("histories")
@pytest.mark.parametrize("plans", get_args(Plans))
@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_a_query_reads_as_many_buffers_after_36_months_as_after_3(
    read: Work, plans: Plans
) -> None:
    short = await buffer_counts.buffers(lambda: read(SHORT), plans)
    long = await buffer_counts.buffers(lambda: read(LONG), plans)
    assert long <= MOST * short


@pytest.mark.usefixtures("histories")
@pytest.mark.parametrize("customer_id", [1, None])
@pytest.mark.parametrize("kind", [Granularity.DAILY, Granularity.WEEKLY, Granularity.MONTHLY])
@pytest.mark.parametrize("ascending", [False, True])
async def test_the_existing_periods_are_read_from_indexes_only(
    kind: Granularity, customer_id: int | None, ascending: bool
) -> None:
    asked: list[Any] = []
    async with db.transaction() as conn:
        conn.add_query_logger(asked.append)
        await summary_rows.starts(LONG, customer_id, kind, BETWEEN, 25, ascending=ascending)
        await asyncio.sleep(0)  # asyncpg logs a statement after it has answered
        [one] = asked
        plan = await conn.fetch("EXPLAIN " + one.query, *one.args)
    scans = set(re.findall(r"([A-Z]\w+(?: \w+)* Scan)\b", "\n".join(row[0] for row in plan)))
    assert scans == {"Index Only Scan", "CTE Scan", "WorkTable Scan"}


# With few rows or, here, none. PostgreSQL then reads them as a whole.
_SMALL = {"customers", "carriers", "month_sums", "hour_marks"}
_OF_SUMMARIES = {name: read for name, read in READS.items() if "graph" not in name}


@pytest.mark.usefixtures("histories")
@pytest.mark.parametrize("plans", get_args(Plans))
@pytest.mark.parametrize("read", _OF_SUMMARIES.values(), ids=_OF_SUMMARIES)
async def test_no_query_reads_a_whole_table_of_sums_or_any_record(read: Work, plans: Plans) -> None:
    for sql, arguments in await costs.statements_of(lambda: read(LONG)):
        assert "call_records" not in sql
        async with db.transaction() as conn:
            await conn.execute(f"SET LOCAL plan_cache_mode = {plans}")
            plan = await conn.fetch("EXPLAIN " + sql, *arguments)
        scanned = re.findall(r"Seq Scan on (\w+)", "\n".join(row[0] for row in plan))
        assert set(scanned) <= _SMALL, sql
