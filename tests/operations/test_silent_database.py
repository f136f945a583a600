"""Connections to PostgreSQL that no longer respond are reported in time."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest

from models import db, engine, faults
from models.directory import customers
from models.identity import accounts
from tests.support.silent_network import Wire, wire

POOL = 6
ANSWER_WITHIN = 1.1  # seconds
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


@pytest.fixture
async def silent(database: str) -> AsyncIterator[Wire]:
    """The connection to the database, which is reopened through it with a small pool."""
    await db.close_database()
    async with wire(database) as network:
        await db.open_database(network.url, pool=POOL, statement_timeout=ANSWER_WITHIN)
        await _all_connections_work()
        yield network
        await db.close_database()


async def _all_connections_work() -> None:
    together = asyncio.Barrier(POOL)

    async def use() -> None:
        async with db.connection() as conn:
            await together.wait()
            assert await conn.fetchval("SELECT 1") == 1

    async with asyncio.timeout(5):
        await asyncio.gather(*(use() for _ in range(POOL)))


async def _read() -> None:
    async with db.connection() as conn:
        await conn.fetchval("SELECT 1")


async def _write() -> None:
    async with db.connection() as conn, conn.transaction():
        await conn.execute("UPDATE accounts SET name = 'other'")


async def _write_together() -> None:
    async with db.transaction():
        await accounts.insert("Example Voice", NOW)


async def _read_a_model() -> None:
    await customers.get(1, 1)


async def _copy() -> None:
    async with db.connection() as conn:
        await conn.copy_records_to_table("facts", records=[(1,)], columns=["account_id"])


EVERY_WAY: list[Callable[[], Awaitable[None]]] = [
    _read,
    _write,
    _write_together,
    _read_a_model,
    _copy,
]


async def test_a_statement_without_an_answer_ends_as_unavailable(
    silent: Wire,
) -> None:
    silent.silence(new_ones=False)
    began = time.monotonic()
    for ended in await asyncio.gather(*(use() for use in EVERY_WAY), return_exceptions=True):
        assert isinstance(ended, Exception)
        assert faults.is_unavailable(ended)
    assert time.monotonic() - began < ANSWER_WITHIN + 2 * engine.CANCEL_TIMEOUT_SECONDS + 1
    # The statements beside it have ended likewise, and no task waits for them.
    await _all_connections_work()


async def test_a_task_canceled_while_the_database_is_silent_ends_soon(silent: Wire) -> None:
    silent.silence()
    tasks = {asyncio.ensure_future(use()) for use in EVERY_WAY}
    await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    finished, _ = await asyncio.wait(tasks, timeout=2 * engine.CANCEL_TIMEOUT_SECONDS + 1)
    assert finished == tasks
    silent.mend()
    await _all_connections_work()


async def test_a_task_canceled_at_the_start_of_its_transaction_releases_its_connection(
    silent: Wire,
) -> None:
    for _ in range(2 * POOL):
        silent.silence()
        task = asyncio.create_task(_write_together())
        await asyncio.sleep(0.01)
        task.cancel()
        silent.mend()  # it was a moment only: the server acknowledges
        await asyncio.wait([task])
        assert task.cancelled()
    await _all_connections_work()


async def test_a_process_that_ends_does_not_wait_for_hanging_statements(silent: Wire) -> None:
    silent.silence()
    hanging = [asyncio.create_task(_read()) for _ in range(POOL)]
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await db.close_database()
    assert time.monotonic() - began < 2 * engine.CLOSE_TIMEOUT_SECONDS + 1
    ended = await asyncio.gather(*hanging, return_exceptions=True)
    assert all(isinstance(error, Exception) for error in ended)


def test_an_unsendable_value_does_not_mean_unavailable() -> None:
    assert faults.is_unavailable(TimeoutError())
    assert not faults.is_unavailable(ValueError())
