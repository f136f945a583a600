"""Ids do not reveal to callers how many objects others create."""

import itertools
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from models import db

_MICROSECOND = timedelta(microseconds=1)
_START = datetime(2026, 1, 1, tzinfo=UTC)


async def _insert_customers(conn: asyncpg.pool.PoolConnectionProxy, count: int) -> list[int]:
    rows = await conn.fetch(
        "INSERT INTO customers (account_id, reference, name, currency, created_at)"
        " SELECT a.id, n, n, 'EUR', now() FROM accounts a, generate_series(1, $1) n"
        " ON CONFLICT DO NOTHING RETURNING id",
        count,
    )
    return [row["id"] for row in rows]


@pytest.fixture
async def account(database: str) -> int:
    async with db.connection() as conn:
        account_id: int = await conn.fetchval(
            "INSERT INTO accounts (name, created_at) VALUES ('Example', now()) RETURNING id"
        )
    return account_id


@pytest.mark.usefixtures("account")
async def test_an_id_contains_the_time_of_its_creation() -> None:
    async with db.connection() as conn:
        before = await conn.fetchval("SELECT clock_timestamp()")
        [number] = await _insert_customers(conn, 1)
        after = await conn.fetchval("SELECT clock_timestamp()")
    assert before <= _START + number // 4 * _MICROSECOND <= after


@pytest.mark.usefixtures("account")
async def test_ids_of_many_rows_increase_and_never_repeat() -> None:
    async with db.connection() as conn:
        numbers = await _insert_customers(conn, 20_000)
    assert len(numbers) == len(set(numbers)) == 20_000
    ticks = [number // 4 for number in numbers]
    assert ticks == sorted(ticks)


@pytest.mark.usefixtures("account")
async def test_the_last_digits_of_ids_do_not_reveal_how_many_were_created() -> None:
    async with db.connection() as conn:
        numbers = await _insert_customers(conn, 1_000)
    steps = {(later - earlier) % 4 for earlier, later in itertools.pairwise(numbers)}
    assert steps == {0, 1, 2, 3}


@pytest.mark.usefixtures("database")
async def test_ids_stay_exact_in_redis_scripts_for_decades() -> None:
    in_2096 = datetime(2096, 1, 1, tzinfo=UTC)
    assert (in_2096 - _START) // _MICROSECOND * 4 < 2**53
