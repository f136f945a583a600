from datetime import timedelta
from decimal import Decimal

import pytest

from models import db
from models.billing import ledger
from models.summaries import hours
from tests.support.summaries import days
from tests.support.summaries.days import ACCOUNT, CLOSED, HOUR, Leg

OPEN = CLOSED - timedelta(microseconds=1)


@pytest.fixture(autouse=True)
async def _prepared(database: str) -> None:
    await days.prepare()


async def store(*legs: Leg) -> None:
    await days.put(legs)


async def entries() -> list[tuple[str, Decimal]]:
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT cause, amount FROM ledger_entries ORDER BY id")
    return [(row["cause"], row["amount"]) for row in rows]


async def test_an_open_hour_posts_no_entry_until_it_closes() -> None:
    await store(Leg("a", charge=Decimal("1.25")))
    await hours.rebuild(ACCOUNT, 1, HOUR, OPEN)
    assert await ledger.post_closed(ACCOUNT, OPEN) == 0
    assert await entries() == []
    assert await ledger.post_closed(ACCOUNT, CLOSED) == 1
    assert await entries() == [("hour:1:2026-11-20T09:00:00Z:1", Decimal("1.25"))]
    assert await ledger.post_closed(ACCOUNT, CLOSED) == 0


async def test_rebuilding_after_a_late_record_posts_the_difference() -> None:
    await store(Leg("a", charge=Decimal("1.25")))
    await hours.rebuild(ACCOUNT, 1, HOUR, CLOSED)
    await store(Leg("b", charge=Decimal("0.50")))
    await hours.rebuild(ACCOUNT, 1, HOUR, CLOSED)
    assert await entries() == [
        ("hour:1:2026-11-20T09:00:00Z:1", Decimal("1.25")),
        ("hour:1:2026-11-20T09:00:00Z:2", Decimal("0.50")),
    ]


async def test_a_call_that_left_a_closed_hour_is_credited() -> None:
    call = Leg("a", charge=Decimal("1.25"))
    await store(call)
    await hours.rebuild(ACCOUNT, 1, HOUR, CLOSED)
    await days.put([], gone=[call])
    await hours.rebuild(ACCOUNT, 1, HOUR, CLOSED)
    assert sum(amount for _, amount in await entries()) == 0


async def test_a_new_version_with_the_same_charge_is_settled_without_an_entry() -> None:
    await store(Leg("a", charge=Decimal(0)))
    await hours.rebuild(ACCOUNT, 1, HOUR, OPEN)
    assert await ledger.post_closed(ACCOUNT, CLOSED) == 1
    assert await entries() == []


async def test_a_locked_hour_is_posted_by_the_next_run(database: str) -> None:
    await store(Leg("a", charge=Decimal(1)), Leg("b", customer=2, charge=Decimal(2)))
    for customer in (1, 2):
        await hours.rebuild(ACCOUNT, customer, HOUR, OPEN)
    async with days.session(database) as other, other.transaction():
        await hours.lock(other, ACCOUNT, 1, [HOUR])
        assert await ledger.post_closed(ACCOUNT, CLOSED) == 1
    assert await ledger.post_closed(ACCOUNT, CLOSED) == 1
    assert [amount for _, amount in await entries()] == [2, 1]


async def test_the_balance_includes_open_hours() -> None:
    await store(Leg("a", charge=Decimal("1.25")))
    await hours.rebuild(ACCOUNT, 1, HOUR, OPEN)
    assert await ledger.balance(ACCOUNT, 1) == Decimal("-1.25")
    await ledger.post_closed(ACCOUNT, CLOSED)
    assert await ledger.balance(ACCOUNT, 1) == Decimal("-1.25")
