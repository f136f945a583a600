"""The rate cache of a process: never outdated, read once, and no call waits for a large card."""

import asyncio
import contextvars
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest

from domain.billing import rating
from domain.records import references
from models import db
from models.billing import rate_cache, rate_cards
from tests.support.records import sample_records

SINCE = sample_records.NOW - timedelta(days=30)
NUMBER = "+15550100"


class Prices:
    """A customer of an account, and its card."""

    def __init__(self, account_id: int, customer_id: int, card_id: int) -> None:
        self.account_id, self.card_id = account_id, card_id
        self.customer = references.Customer(customer_id, "EUR")

    async def set(self, *prefixes: str, to: str = "0.01") -> None:
        added = [rating.Rate(prefix, Decimal(to)) for prefix in prefixes]
        await rate_cards.add_rates(
            self.account_id, self.card_id, added, effective_from=SINCE, now=sample_records.NOW
        )

    async def read(self, cache: rate_cache.RateCache, number: str = NUMBER) -> Decimal | None:
        """The price of a minute to the number."""

        async def numbers() -> set[str]:
            return {number}

        cards = await cache.in_force(self.account_id, [self.customer], numbers, sample_records.NOW)
        card = cards.at(self.customer.id, sample_records.NOW)
        match = None if card is None else card.match(number, sample_records.NOW)
        return None if match is None else match.rate.per_minute


async def a_customer(name: str = "A") -> Prices:
    account_id = await sample_records.account()
    customer_id = await sample_records.customer(account_id, name)
    card_id = await rate_cards.create(account_id, name=name, currency="EUR", now=sample_records.NOW)
    await rate_cards.assign(account_id, customer_id, card_id, SINCE, sample_records.NOW)
    return Prices(account_id, customer_id, card_id)


@pytest.fixture
async def prices(database: str) -> Prices:
    return await a_customer()


@pytest.fixture
async def small(database: str) -> AsyncIterator[rate_cache.RateCache]:
    """Looks up every card until it has been read in the background."""
    cache = rate_cache.RateCache(small_card_rows=0)
    yield cache
    await cache.close()


@asynccontextmanager
async def lock_table(database_table: str) -> AsyncIterator[None]:
    """Blocks reads of the table."""
    async with db.transaction() as conn:
        await conn.execute(f"LOCK TABLE {database_table} IN ACCESS EXCLUSIVE MODE")
        yield


async def test_a_cached_rate_card_is_not_read_again(prices: Prices) -> None:
    cache = rate_cache.RateCache()
    await prices.set("1")
    assert await prices.read(cache) == Decimal("0.01")
    async with lock_table("rates"):
        assert await outside(prices, cache) == Decimal("0.01")


async def outside(prices: Prices, cache: rate_cache.RateCache) -> Decimal | None:
    """Not inside the open transaction."""
    task = asyncio.create_task(prices.read(cache), context=contextvars.Context())
    return await asyncio.wait_for(task, 20)


async def test_a_new_revision_rates_the_next_call(
    prices: Prices, small: rate_cache.RateCache
) -> None:
    for cache in (small, rate_cache.RateCache()):
        for price in ("0.01", "0.02", "0.03"):
            await prices.set("1", to=price)
            assert await prices.read(cache) == Decimal(price)
            await cache.wait_until_idle()
            assert await prices.read(cache) == Decimal(price)


async def test_a_large_card_is_queried_per_number_until_it_is_cached(
    prices: Prices, small: rate_cache.RateCache
) -> None:
    await prices.set("1", "15", "44")
    assert await prices.read(small) == Decimal("0.01")
    assert small.is_reading
    await small.wait_until_idle()
    async with lock_table("rates"):
        assert await outside(prices, small) == Decimal("0.01")


async def test_only_the_rows_of_new_revisions_are_read(
    prices: Prices, small: rate_cache.RateCache
) -> None:
    await prices.set(*(str(n) for n in range(10, 99)))
    await prices.read(small)
    await small.wait_until_idle()
    before = small.rows_read
    await prices.set("155", "99", to="0.05")
    assert await prices.read(small) == Decimal("0.05")
    await small.wait_until_idle()
    assert (before, small.rows_read - before) == (89, 2)
    assert await prices.read(small, "+4420") == Decimal("0.01")
    assert await prices.read(small) == Decimal("0.05")


async def test_concurrent_batches_read_a_rate_card_once(prices: Prices) -> None:
    cache = rate_cache.RateCache()
    await prices.set(*(str(n) for n in range(10, 99)))
    readings = await asyncio.gather(*(prices.read(cache) for _ in range(20)))
    assert (set(readings), cache.rows_read) == ({Decimal("0.01")}, 89)


async def test_the_least_recently_used_card_is_evicted(database: str) -> None:
    cache = rate_cache.RateCache(max_bytes=4_000)  # two cards
    first, second, third = [await a_customer(name) for name in "ABC"]
    for card in (first, second, third):
        await card.set(*(str(n) for n in range(10, 60)))
    for card in (first, second, first, third):
        await card.read(cache)
        assert cache.size <= 4_000
    read = cache.rows_read
    await first.read(cache)
    await third.read(cache)
    assert cache.rows_read == read


async def test_a_card_with_a_prefix_of_20_digits_is_queried_every_time(prices: Prices) -> None:
    cache = rate_cache.RateCache()
    await prices.set("1" * 20, "1", to="0.07")
    for _ in range(2):
        assert await prices.read(cache) == Decimal("0.07")
        assert await prices.read(cache, "+" + "1" * 22) == Decimal("0.07")
    assert cache.size == 0


async def test_calls_are_rated_even_if_a_card_cannot_be_cached_in_the_background(
    prices: Prices, small: rate_cache.RateCache
) -> None:
    await prices.set("1")
    assert await prices.read(small) == Decimal("0.01")
    await small.close()
    assert not small.is_reading
    assert await prices.read(small) == Decimal("0.01")


async def test_a_lookup_reads_by_key_regardless_of_the_number_of_rates(prices: Prices) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO rates (account_id, rate_card_id, revision, effective_from, prefix,"
            " per_minute) SELECT $1, $2, 1, $3, n, 0.01 FROM generate_series(100000, 160000) n",
            prices.account_id,
            prices.card_id,
            SINCE,
        )
        await conn.execute("ANALYZE rates")
    cache = rate_cache.RateCache(small_card_rows=0)
    try:
        async with db.transaction() as conn:
            before = await conn.fetchval(READ)
            for _ in range(8):  # a generic plan too
                assert await prices.read(cache, "+1234567") == Decimal("0.01")
            assert await conn.fetchval(READ) - before < 100
    finally:
        await cache.close()


READ = """
SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
WHERE relname = 'rates'
"""


async def test_rates_cannot_be_stored_without_their_revision(prices: Prices) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with db.connection() as conn:
            await conn.execute(
                "INSERT INTO rates (account_id, rate_card_id, revision, effective_from, prefix,"
                " per_minute) VALUES ($1, $2, 9, $3, '1', 1)",
                prices.account_id,
                prices.card_id,
                SINCE,
            )
