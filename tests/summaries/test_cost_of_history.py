"""The cost of a read depends on its result: as many buffers after 36 months as after 3."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from domain.identity import callers
from domain.periods import Granularity, Period
from domain.summaries import intervals
from models import db
from models.summaries import summary_rows
from resolvers.summaries import graphs, summaries, summary_pages
from tests.support import buffer_counts, databases
from tests.support.buffer_counts import Plans
from tests.support.service_urls import TestServices

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
HOUR = NOW.replace(minute=0)
LONG, SHORT = 1, 2  # accounts of two customers each, with 36 months and with 3
MONTHS = {LONG: 36, SHORT: 3}
MOST = 1.2
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
    SELECT account_id, customer_id, hour, 0, attempts, answered, talk_us, billed_seconds, charge,
           0, 0, 0, 0, attempts, answered, talk_us, 0, 0, 0, 0
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
