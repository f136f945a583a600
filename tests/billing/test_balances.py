"""The balance row of a customer equals its ledger after any postings."""

import asyncio
import random
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest

from models import db, migrations
from models.billing import ledger
from models.summaries import hours
from tests.support.billing.books import NOW, Books, at, open_customer

MIGRATION = Path(migrations.__file__).with_name("0017_balances.sql")
_SUMS = """
SELECT customer_id, sum(CASE WHEN kind IN ('PAYMENT', 'CREDIT') THEN amount ELSE -amount END)
FROM ledger_entries GROUP BY customer_id
"""


async def stored_balances() -> dict[int, Decimal]:
    async with db.connection() as conn:
        return dict(await conn.fetch("SELECT customer_id, posted FROM balances"))


async def summed_balances() -> dict[int, Decimal]:
    """As the rows should be: the whole ledger, summed by another statement."""
    async with db.connection() as conn:
        return dict(await conn.fetch(_SUMS))


async def post(books: Books, kind: str, amount: str, currency: str = "EUR") -> None:
    await books.value(
        "INSERT INTO ledger_entries (account_id, customer_id, kind, cause, amount, currency, at)"
        " VALUES ($1, $2, $3, $3 || ':' || $4::numeric, $4::numeric, $5, $6)",
        *(books.account_id, books.customer_id, kind, Decimal(amount), currency, NOW),
    )


async def test_every_kind_of_entry_changes_the_balance_by_its_exact_amount(books: Books) -> None:
    for kind, amount in {
        "PAYMENT": "100.000000000001",
        "CREDIT": "5",
        "CHARGE": "7.25",
        "TAX": "0.000001",
        "ROUNDING": "-0.5",
    }.items():
        await post(books, kind, amount)
        assert await stored_balances() == await summed_balances()
    assert await stored_balances() == {books.customer_id: Decimal("98.249999000001")}


async def test_a_statement_that_posts_for_several_customers_changes_each_balance(
    books: Books,
) -> None:
    other = await open_customer(books, "second")
    for customer, charge in ((books.customer_id, "1.5"), (other, "2.25")):
        for hour in (9, 10):
            await books.call(at(2, hour), charge, customer_id=customer)
    await books.rebuild(now=at(2, 9))  # while the hours are open
    assert await stored_balances() == {}
    assert await ledger.post_closed(books.account_id, NOW) == 4
    assert await stored_balances() == {books.customer_id: Decimal("-3"), other: Decimal("-4.5")}


async def test_an_entry_in_a_currency_other_than_that_of_the_balance_is_refused(
    books: Books,
) -> None:
    await post(books, "PAYMENT", "1")
    with pytest.raises(asyncpg.CheckViolationError, match="not in USD"):
        await post(books, "PAYMENT", "2", "USD")
    assert await stored_balances() == await summed_balances() == {books.customer_id: Decimal(1)}


async def test_a_posting_that_is_rolled_back_leaves_the_balance_unchanged(books: Books) -> None:
    await post(books, "PAYMENT", "1")
    with pytest.raises(asyncpg.UniqueViolationError):
        await post(books, "PAYMENT", "1")
    assert await stored_balances() == {books.customer_id: Decimal(1)}


async def test_the_migration_fills_the_balances_from_the_ledger(books: Books) -> None:
    other = await open_customer(books, "second")
    await books.call(at(2), "1.5", customer_id=other)
    await books.rebuild()
    await post(books, "PAYMENT", "10")
    async with db.connection() as conn:
        await conn.execute(
            "DROP INDEX hours_unposted_customer; DROP TABLE balances;"
            " DROP TRIGGER ledger_entries_balance ON ledger_entries; DROP FUNCTION add_to_balances"
        )
        await conn.execute(MIGRATION.read_text("utf-8"))
    assert await stored_balances() == {books.customer_id: Decimal(10), other: Decimal("-1.5")}
    await post(books, "TAX", "0.1")
    assert await stored_balances() == await summed_balances()


@pytest.mark.parametrize("seed", range(2))
async def test_balances_equal_the_ledger_after_concurrent_rebuilds_postings_and_invoices(
    books: Books, seed: int
) -> None:
    """Calls of two customers arrive in closed and open hours, are corrected, rebuilt by several
    workers, posted and invoiced, all concurrently."""
    chance = random.Random(seed)
    customers = [books.customer_id, await open_customer(books, "second")]
    calls: list[str] = []
    ended = asyncio.Event()

    async def report(rounds: int) -> None:
        for _ in range(rounds):
            setup = at(chance.randint(2, 5), chance.randrange(24))
            if chance.random() < 0.3:
                setup = NOW - timedelta(minutes=chance.randint(1, 29))
            charge = f"{chance.randrange(10**7)}e-6"
            call = await books.call(setup, charge, customer_id=chance.choice(customers))
            calls.append(call)
            if chance.random() < 0.3:
                await books.correct(chance.choice(calls), f"{chance.randrange(10**7)}e-6")

    async def rebuild(now_minutes: int) -> None:
        """As a worker does; some while the current hour is open, some once it has closed."""
        while not ended.is_set():
            for which in await hours.marked_hours(5):
                await hours.try_rebuild(*which, NOW + timedelta(minutes=now_minutes))
            await asyncio.sleep(0)

    async def post_closed() -> None:
        while not ended.is_set():
            await ledger.post_closed(books.account_id, NOW + timedelta(hours=1), 3)
            await asyncio.sleep(0)

    async def invoice() -> None:
        for day in (2, 3, 4, 5):
            for customer in customers:
                await books.call(at(day, 23), "1", customer_id=customer)
                await books.generate(day, customer_id=customer, now=NOW)

    others = [rebuild(0), rebuild(0), rebuild(60), post_closed(), post_closed()]
    beside = asyncio.gather(*others)
    await asyncio.gather(report(40), report(40), invoice())
    ended.set()
    await beside
    assert await stored_balances() == await summed_balances()
    await books.rebuild()
    while await ledger.post_closed(books.account_id, NOW + timedelta(hours=1)):
        pass
    assert await stored_balances() == await summed_balances()
    balances = await ledger.balances(books.account_id, customers)
    for customer in customers:
        owed = await books.value(
            "SELECT (SELECT sum(charge) FROM call_records WHERE customer_id = $1)"
            " + (SELECT coalesce(sum(tax + rounding), 0) FROM invoices WHERE customer_id = $1)",
            customer,
        )
        assert balances[customer] == -Decimal(str(owed))


async def test_60_closed_hours_of_one_customer_are_all_rebuilt_concurrently(books: Books) -> None:
    """All post to the same row: each waits for the others, and none gives up."""
    for charge in ("0.1", "0.2"):
        for hour in range(60):
            await books.call(at(2 + hour // 24, hour % 24), charge)
        marked = await hours.marked_hours(100)
        assert len(marked) == 60
        await asyncio.gather(*(hours.rebuild(*which, NOW) for which in marked))
    assert await stored_balances() == await summed_balances() == {books.customer_id: Decimal(-18)}
