"""Concurrent assignments of numbers on all connections of the pool."""

import asyncio
from collections import Counter
from typing import Any

from tests.support.numbering.number_plan import NumberPlan, code, open_plan, rows_of


async def test_a_hundred_concurrent_assignments_return_a_hundred_consecutive_blocks(
    plan: NumberPlan,
) -> None:
    customers = [*plan.customers, *[await plan.customer() for _ in range(5)]]
    await plan.range(1000, 1999, 10)
    blocks = await asyncio.gather(*(plan.assign(customers[n % 7]) for n in range(100)))
    assert sorted(block.span.first for block in blocks) == list(range(1000, 2000, 10))
    assert await plan.spans() == [(first, first + 9) for first in range(1000, 2000, 10)]
    assert await code(plan.assign(customers[0])) == "NO_FREE_BLOCK"
    await plan.check_gaps()


async def test_a_hundred_concurrent_claims_of_one_username_create_one_sip_user(
    plan: NumberPlan,
) -> None:
    claims = [code(plan.create(plan.customers[n % 2], 4242)) for n in range(100)]
    assert Counter(await asyncio.gather(*claims)) == {"": 1, "USERNAME_TAKEN": 99}
    [row] = await rows_of(
        "SELECT count(*) AS n FROM sip_users WHERE account_id = $1 AND number = 4242",
        plan.account_id,
    )
    assert row["n"] == 1
    await plan.check_gaps()


async def test_a_hundred_concurrent_requests_with_one_key_assign_one_block(
    plan: NumberPlan,
) -> None:
    requests = [plan.assign(plan.customers[0], key="same") for _ in range(100)]
    assert len({block.id for block in await asyncio.gather(*requests)}) == 1
    assert await plan.spans() == [(1000, 1999)]


async def test_a_block_never_covers_a_new_sip_user_of_another_customer(
    plan_url: str,
) -> None:
    """In either order: the block covers other numbers, or the user is not created."""
    counts: Counter[str] = Counter()
    for _ in range(15):
        plan = await open_plan()
        await plan.range(1000, 1029, 10)
        acme, globex = plan.customers
        users: list[Any] = [code(plan.create(globex, number)) for number in (1005, 1014)]
        users.insert(1, plan.assign(acme))
        first, block, second = await asyncio.gather(*users)
        block_of = {1005: first, 1014: second}
        for number, error in block_of.items():
            inside = block.span.first <= number <= block.span.last
            assert error == ("NUMBER_NOT_YOURS" if inside else "")
            counts["refused" if error else "made"] += 1
        await plan.check_gaps()
    assert counts["made"]


async def test_of_two_first_ranges_set_concurrently_one_wins(plan_url: str) -> None:
    plan = await open_plan()
    await asyncio.gather(*(plan.range(1000, 1999, size) for size in (10, 20, 30, 40, 50)))
    sizes = await rows_of(
        "SELECT block_size FROM number_ranges WHERE account_id = $1", plan.account_id
    )
    assert len(sizes) == 1
    await plan.check_gaps()
