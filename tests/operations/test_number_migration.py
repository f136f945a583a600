"""The migration with and without btree_gist, by a role that cannot create extensions."""

import os
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from models import db

_OVERLAPS = """
INSERT INTO customers (account_id, reference, name, currency, created_at)
VALUES (1, 'acme', 'Acme', 'EUR', now());
INSERT INTO number_blocks (account_id, customer_id, first_number, last_number, assigned_at)
SELECT 1, id, first, first + 9, now() FROM customers, (VALUES (10), (15)) AS block (first);
"""


@pytest.fixture
async def strangers(database: str) -> AsyncIterator[str]:
    """The URL of an empty database, as a role whose only permission is to create tables there."""
    name, role = f"callboard_strange_{os.getpid()}", f"stranger_{os.getpid()}"
    url = urlunsplit(urlsplit(database)._replace(path=f"/{name}"))
    async with db.connection() as conn:
        await conn.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'for-tests-alone'")
        await conn.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    await _reopen(url)
    async with db.connection() as conn:
        await conn.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    try:
        yield urlunsplit(parts._replace(netloc=f"{role}:for-tests-alone@{host}"))
    finally:
        await _reopen(database)
        async with db.connection() as conn:
            await conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            await conn.execute(f"DROP ROLE {role}")


async def test_blocks_cannot_overlap_on_a_server_that_allows_no_extensions(strangers: str) -> None:
    await _reopen(strangers)
    await db.migrate()
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM pg_extension") == 1  # plpgsql
        with pytest.raises(asyncpg.ExclusionViolationError):
            await conn.execute(_OVERLAPS)


async def test_btree_gist_is_used_if_it_is_available(database: str) -> None:
    async with db.connection() as conn:
        [is_there] = await conn.fetchrow(
            "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'btree_gist')"
        )
        definition = await conn.fetchval(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1",
            "number_blocks_apart",
        )
        assert ("account_id WITH =," in definition) == is_there
        with pytest.raises(asyncpg.ExclusionViolationError):
            await conn.execute(_OVERLAPS)


async def _reopen(url: str) -> None:
    await db.close_database()
    await db.open_database(url)
