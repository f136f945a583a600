import json

import asyncpg
import pytest

from domain.numbering.number_ranges import Span
from models import db
from tests.support.numbering.number_plan import NOW, NumberPlan, code, open_plan, rows_of


async def test_blocks_are_consecutive_for_any_customers(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    for customer, first in [(acme, 1000), (globex, 2000), (acme, 3000)]:
        block = await plan.assign(customer)
        assert (block.customer_id, block.span) == (customer, Span(first, first + 999))


async def test_nothing_can_be_assigned_without_a_range(plan_url: str) -> None:
    plan = await open_plan()
    assert await code(plan.assign(plan.customers[0])) == "NO_NUMBER_RANGE"
    assert await code(plan.create(plan.customers[0], 1000)) == "NO_NUMBER_RANGE"
    assert await plan.available(plan.customers[0]) == []


async def test_a_range_has_as_many_blocks_as_fit_completely(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    await plan.range(1000, 3998)
    assert [(await plan.assign(acme)).span.first for _ in range(2)] == [1000, 2000]
    assert await code(plan.assign(globex)) == "NO_FREE_BLOCK"
    await plan.range(1000, 3999)
    assert (await plan.assign(globex)).span == Span(3000, 3999)


async def test_a_released_block_is_the_next_to_be_assigned(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    blocks = [await plan.assign(acme) for _ in range(3)]
    await plan.free(blocks[1].id)
    assert await plan.available(globex) == [2000, 2001, 2002, 2003, 2004]
    assert (await plan.assign(globex)).span == blocks[1].span
    assert (await plan.assign(globex)).span.first == 4000
    assert await code(plan.free(blocks[1].id)) == "NOT_FOUND"


async def test_a_new_block_size_applies_to_future_blocks_which_fill_the_gaps(
    plan: NumberPlan,
) -> None:
    acme, globex = plan.customers
    first, _, third = [await plan.assign(acme) for _ in range(3)]
    await plan.range(1000, 99999, 400)
    await plan.free(first.id)
    spans = [(await plan.assign(globex)).span for _ in range(3)]
    assert spans == [Span(1000, 1399), Span(1400, 1799), Span(4000, 4399)]
    await plan.range(1000, 99999, 1500)
    await plan.free(third.id)
    assert (await plan.assign(globex)).span == Span(4400, 5899)
    await plan.check_gaps()


async def test_a_specific_block_can_be_assigned_if_it_is_free(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    assert (await plan.assign(acme, 5500)).span == Span(5500, 6499)
    for first in (4501, 5500, 6499):
        assert await code(plan.assign(globex, first)) == "BLOCK_TAKEN"
    for first in (-5, 0, 999, 99001, 2**53 - 1):
        assert await code(plan.assign(globex, first)) == "INVALID"
    assert (await plan.assign(globex, 99000)).span == Span(99000, 99999)
    assert (await plan.assign(globex)).span == Span(1000, 1999)


async def test_a_range_with_sip_users_of_another_customer_is_not_free(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    for number in (1007, 2999, 4000):
        await plan.create(acme, number)
    assert (await plan.assign(globex)).span == Span(3000, 3999)
    assert await code(plan.assign(globex, 1000)) == "BLOCK_TAKEN"
    assert (await plan.assign(globex)).span == Span(5000, 5999)
    assert (await plan.assign(acme)).span == Span(1000, 1999)


async def test_the_last_block_of_a_gap_fits_exactly(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    await plan.create(acme, 1500)
    await plan.range(1000, 2999)
    assert (await plan.assign(globex)).span == Span(2000, 2999)
    assert await code(plan.assign(globex)) == "NO_FREE_BLOCK"


async def test_a_block_with_sip_users_cannot_be_released(plan: NumberPlan) -> None:
    acme, _ = plan.customers
    block = await plan.assign(acme)
    user = await plan.create(acme, 1999)
    assert await code(plan.free(block.id)) == "BLOCK_IN_USE"
    await plan.remove(user.id)
    assert await code(plan.free(block.id)) == ""


async def test_a_range_cannot_exclude_existing_blocks_or_sip_users(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    await plan.assign(acme, 3000)
    user = await plan.create(globex, 2005)
    for start, end in [(2006, 99999), (1000, 3998), (5000, 6000)]:
        assert await code(plan.range(start, end, 10)) == "RANGE_IN_USE"
    use = await plan.range(2005, 3999, 10)
    assert (use.range.span.size, use.assigned, use.used) == (1995, 1000, 1)
    await plan.remove(user.id)
    assert await code(plan.range(3000, 3999, 1000)) == ""


async def test_a_reused_key_assigns_no_other_block(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    block = await plan.assign(acme, key="one")
    assert await plan.assign(acme, key="one") == block
    assert await code(plan.assign(globex, key="one")) == "IDEMPOTENCY_KEY_REUSED"
    assert (await plan.assign(acme, key="two")).span.first == 2000
    await plan.free(block.id)
    assert await code(plan.assign(acme, key="one")) == "BLOCK_FREED"
    assert await plan.spans() == [(2000, 2999)]


async def test_accounts_can_have_the_same_numbers(plan: NumberPlan) -> None:
    other = await open_plan()
    await other.range()
    mine, theirs = await plan.assign(plan.customers[0]), await other.assign(other.customers[0])
    assert mine.span == theirs.span
    assert await code(other.free(mine.id)) == "NOT_FOUND"
    assert await code(other.assign(plan.customers[0])) == "NOT_FOUND"
    await plan.create(plan.customers[0], 1500)
    await other.create(other.customers[0], 1500)


async def test_the_database_refuses_overlapping_blocks(plan: NumberPlan) -> None:
    acme, globex = plan.customers
    await plan.assign(acme, 3000)
    insert = (
        "INSERT INTO number_blocks (account_id, customer_id, first_number, last_number,"
        " assigned_at) VALUES ($1, $2, $3, $4, $5)"
    )
    async with db.connection() as conn:
        for first, last in [(3999, 3999), (2500, 3000), (0, 9999)]:
            with pytest.raises(asyncpg.ExclusionViolationError):
                await conn.execute(insert, plan.account_id, globex, first, last, NOW)
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute(insert, plan.account_id, globex, 50, 49, NOW)
        await conn.execute(insert, plan.account_id, globex, 4000, 4000, NOW)


async def test_the_audit_log_records_every_change_of_blocks(plan: NumberPlan) -> None:
    block = await plan.assign(plan.customers[0])
    await plan.free(block.id)
    rows = await rows_of(
        "SELECT action, customer_id, before, after FROM audit_log WHERE account_id = $1"
        " ORDER BY id",
        plan.account_id,
    )
    span = {"first": 1000, "last": 1999}
    entries = [
        (row[0], row[1], *(value and json.loads(value) for value in row[2:])) for row in rows
    ]
    assert entries == [
        ("number_range.set", None, None, {"start": 1000, "end": 99999, "blockSize": 1000}),
        ("number_block.assign", plan.customers[0], None, span),
        ("number_block.free", plan.customers[0], span, None),
    ]
