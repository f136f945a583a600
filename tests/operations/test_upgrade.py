"""An upgrade of a database that the previous release has filled."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bench import upgrade
from bench.support import last_release
from models import db
from models.summaries import hours
from runtime import clock
from tests.support import databases

SHAPE = last_release.Shape(records=600, customers=2, days=3)


@pytest.fixture
async def empty(services: Any) -> AsyncIterator[None]:
    """A database without a table, opened."""
    name = f"callboard_upgrade_{os.getpid()}"
    async with databases.open_copy(services.database_url, name, "template0"):
        yield


@pytest.fixture
async def documents(empty: None) -> list[last_release.Document]:
    """Issued invoices in a database that was upgraded."""
    hashes = await last_release.make(SHAPE)
    assert (await db.pending_migrations())[0] > last_release.SCHEMA
    await upgrade.upgrade()
    assert await db.pending_migrations() == []
    return hashes


async def _customers_first_kept_hours() -> list[tuple[int, Any]]:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT customer_id, min(hour) AS hour FROM hours"
            " WHERE account_id = $1 AND NOT frozen GROUP BY 1 ORDER BY 1",
            last_release.ACCOUNT,
        )
    return [tuple(row) for row in rows]


async def test_after_an_upgrade_hashes_are_unchanged_and_every_hour_reconciles(
    documents: list[last_release.Document],
) -> None:
    async with db.connection() as conn:
        adjusted = await conn.fetchval("SELECT count(*) FROM invoice_adjustments")
    assert (len(documents), adjusted) == (2 * SHAPE.customers, SHAPE.customers)
    assert await upgrade.faults(SHAPE, documents) == []


async def test_after_an_upgrade_a_rebuild_reproduces_the_stored_sums(
    documents: list[last_release.Document],
) -> None:
    """Of the time of the upgrade, which decides whether an hour has sums by minute."""
    places, now = await _customers_first_kept_hours(), clock.now()
    assert len(places) == SHAPE.customers
    for customer_id, hour in places:
        await hours.rebuild(last_release.ACCOUNT, customer_id, hour, now)
    async with db.connection() as conn:
        count = await conn.fetchval("SELECT count(*) FROM hours WHERE rebuilt_at = $1", now)
    assert count == 0


async def test_a_pin_altered_by_an_upgrade_is_detected(
    documents: list[last_release.Document],
) -> None:
    async with db.transaction() as conn:
        await conn.execute("ALTER TABLE invoice_hours DISABLE TRIGGER USER")
        await conn.execute(
            "UPDATE invoice_hours SET billed_seconds = billed_seconds + 1 WHERE invoice_id = $1"
            " AND calls > 0",
            documents[0].id,
        )
    [fault] = await upgrade.faults(SHAPE, documents)
    assert "its content does not match its hash" in fault
