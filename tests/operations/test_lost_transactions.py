"""Transactions whose connection is lost."""

import asyncio

import pytest

from models import db, faults


async def test_a_task_can_use_the_database_after_its_transaction_could_not_release_its_connection(
    database: str,
) -> None:
    with pytest.raises(faults.UnavailableError):
        await _end_while_a_statement_runs()
    async with db.transaction() as conn:
        assert await conn.fetchval("SELECT 1") == 1
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT 2") == 2


async def _end_while_a_statement_runs() -> None:
    """The transaction can neither be committed nor its connection be reset."""
    async with db.transaction() as conn:
        running = asyncio.create_task(conn.execute("SELECT pg_sleep(60)"))
        running.add_done_callback(asyncio.Task.exception)  # the connection was closed
        await asyncio.sleep(0)
