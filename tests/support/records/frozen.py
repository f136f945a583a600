"""Shared by the tests of frozen hours: a day, its drop, and concurrent transactions."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg

from domain.records.verdicts import Verdict
from models.records import call_records, partitions
from models.summaries import hours
from tests.support.records.sample_records import NOW, SETUP, account, record, rows

HOUR = SETUP.replace(minute=0)
DAY = SETUP.date()
TOMORROW = DAY + timedelta(days=1)
LATER = SETUP + timedelta(days=1)
PARTITION = partitions.name(DAY)


async def rebuild(now: datetime = NOW) -> None:
    for hour in await hours.marked_hours(1_000):
        await hours.rebuild(*hour, now)


async def frozen_account(*first: Any) -> int:
    """An account whose day was dropped after these records, by default one of customer 1."""
    mine = await account()
    await call_records.insert(mine, first or [record("first")], NOW)
    await rebuild()
    assert await partitions.drop_before(TOMORROW) == [DAY]
    return mine


async def verdicts(mine: int, *batch: Any) -> list[Verdict]:
    return list((await call_records.insert(mine, batch, NOW)).verdicts)


async def charges(mine: int) -> dict[tuple[int, datetime], Decimal]:
    return {
        (customer, hour): charge
        for customer, hour, charge in await rows(
            "SELECT customer_id, hour, charge FROM hours WHERE account_id = $1", mine
        )
    }


async def until_one_waits(connection: asyncpg.Connection, task: "asyncio.Task[Any]") -> None:
    """Until somebody waits for a lock in this database."""
    waiting = (
        "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
        " WHERE d.datname = current_database() AND NOT l.granted)"
    )
    async with asyncio.timeout(20):
        while not await connection.fetchval(waiting):
            assert not task.done(), task.result()
            await asyncio.sleep(0.005)
