"""The history of active calls costs as many buffers after 20 days of minutes as after 2."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from domain.periods import Period
from domain.summaries import channel_history
from domain.summaries.channel_history import Scope
from models import db
from models.summaries import channel_queries, channel_samples
from tests.support import buffer_counts, databases
from tests.support.buffer_counts import Plans
from tests.support.service_urls import TestServices

NOW = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
LONG, SHORT = 1, 2
DAYS = {LONG: 20, SHORT: 2}
CUSTOMERS = 8
MOST = 1.2

_FILL = """
INSERT INTO {table} (account_id, customer_id, carrier_id, start, {columns})
SELECT $1, customer, carrier, at, {values}
FROM generate_series($2::timestamptz, $3::timestamptz, '{step}') at,
     generate_series(0, $4::bigint) customer, generate_series(-1, 1) carrier
"""
_SAMPLES = {"columns": "samples, maximum, total", "values": "6, 3, 9"}
_FOLDED_UNTIL = NOW - timedelta(hours=6)
_FILLS = (
    _FILL.format(
        table="channel_minutes",
        step="1 minute",
        columns="slots, maximum, total, last",
        values="63, 3, 9, 1",
    ),
    _FILL.format(table="channel_five_minutes", step="5 minutes", **_SAMPLES),
    _FILL.format(table="channel_hours", step="1 hour", **_SAMPLES),
)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


async def read_day(account: int) -> object:
    edges = [ago(hours=24 - n) for n in range(23)]
    return await channel_queries.read(account, 1, edges, NOW)


async def read_minutes(account: int) -> object:
    # Beyond what is folded: read from minutes.
    edges = [NOW + timedelta(minutes=n) for n in range(-20, 1)]
    return await channel_queries.read(account, None, edges, NOW)


async def page_of_minutes(account: int) -> object:
    return await channel_queries.minutes(account, 1, Period(ago(hours=1), NOW))


async def store(account: int) -> object:
    calls = {Scope(): 3, Scope(0, 1): 3, Scope(1): 3, Scope(1, 1): 3}
    return await channel_samples.store(account, NOW + channel_history.MINUTE, calls)


_next_hour = {account: itertools.count(1) for account in DAYS}


async def fold(account: int) -> object:
    """Computes the next hour, and its 5 minutes."""
    now = _FOLDED_UNTIL + timedelta(hours=next(_next_hour[account]))
    return await channel_samples.fold(account, now)


async def remove_nothing(account: int) -> object:
    return await channel_samples.remove_minutes(account, ago(days=30), 1_000)


WORK: tuple[Callable[[int], Awaitable[object]], ...] = (
    read_day, read_minutes, page_of_minutes, store, fold, remove_nothing,
)  # fmt: skip


@pytest.fixture(scope="module")
async def histories(services: TestServices, template: str) -> AsyncIterator[None]:
    async with databases.open_copy(services.database_url, f"{template}_channels", template):
        async with db.connection() as conn:
            for account, days in DAYS.items():
                for fill, end in zip(_FILLS, (NOW, _FOLDED_UNTIL, _FOLDED_UNTIL), strict=True):
                    await conn.execute(fill, account, ago(days=days, minutes=30), end, CUSTOMERS)
            await conn.execute("VACUUM (ANALYZE)")
        yield


@pytest.mark.parametrize("plans", get_args(Plans))
@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
async def test_the_cost_does_not_grow_with_the_history(
    histories: None, work: Callable[[int], Awaitable[object]], plans: Plans
) -> None:
    counts = {}
    for account in DAYS:
        counts[account] = await buffer_counts.buffers(lambda a=account: work(a), plans)
    assert counts[LONG] <= MOST * counts[SHORT] + 10, counts


@pytest.mark.parametrize("plans", get_args(Plans))
async def test_removing_minutes_reads_little_more_than_them(histories: None, plans: Plans) -> None:
    async def remove_100() -> None:
        before = ago(days=DAYS[LONG])  # half an hour after the first minute
        assert await channel_samples.remove_minutes(LONG, before, 100) == 100

    assert await buffer_counts.buffers(remove_100, plans) < 30 * 100
