import json

import asyncpg
import pytest

from domain.numbering.number_ranges import Span
from models import db
from tests.support.numbering.number_plan import NOW, Desk, code, open_desk, rows_of


async def test_blocks_are_consecutive_for_any_customers(desk: Desk) -> None:
    acme, globex = desk.customers
    for customer, first in [(acme, 1000), (globex, 2000), (acme, 3000)]:
        block = await desk.assign(customer)
        assert (block.customer_id, block.span) == (customer, Span(first, first + 999))


async def test_nothing_can_be_assigned_without_a_range(plan_url: str) -> None:
    desk = await open_desk()
    assert await code(desk.assign(desk.customers[0])) == "NO_NUMBER_RANGE"
    assert await code(desk.create(desk.customers[0], 1000)) == "NO_NUMBER_RANGE"
    assert await desk.available(desk.customers[0]) == []


async def test_a_range_has_as_many_blocks_as_fit_completely(desk: Desk) -> None:
    acme, globex = desk.customers
    await desk.range(1000, 3998)
    assert [(await desk.assign(acme)).span.first for _ in range(2)] == [1000, 2000]
    assert await code(desk.assign(globex)) == "NO_FREE_BLOCK"
    await desk.range(1000, 3999)
    assert (await desk.assign(globex)).span == Span(3000, 3999)


async def test_a_released_block_is_the_next_to_be_assigned(desk: Desk) -> None:
    acme, globex = desk.customers
    blocks = [await desk.assign(acme) for _ in range(3)]
    await desk.free(blocks[1].id)
    assert await desk.available(globex) == [2000, 2001, 2002, 2003, 2004]
    assert (await desk.assign(globex)).span == blocks[1].span
    assert (await desk.assign(globex)).span.first == 4000
    assert await code(desk.free(blocks[1].id)) == "NOT_FOUND"


async def test_a_new_block_size_applies_to_future_blocks_which_fill_the_gaps(desk: Desk) -> None:
    acme, globex = desk.customers
    first, _, third = [await desk.assign(acme) for _ in range(3)]
    await desk.range(1000, 99999, 400)
    await desk.free(first.id)
    spans = [(await desk.assign(globex)).span for _ in range(3)]
    assert spans == [Span(1000, 1399), Span(1400, 1799), Span(4000, 4399)]
    await desk.range(1000, 99999, 1500)
    await desk.free(third.id)
    assert (await desk.assign(globex)).span == Span(4400, 5899)
    await desk.check_gaps()


async def test_a_specific_block_can_be_assigned_if_it_is_free(desk: Desk) -> None:
    acme, globex = desk.customers
    assert (await desk.assign(acme, 5500)).span == Span(5500, 6499)
    for first in (4501, 5500, 6499):
        assert await code(desk.assign(globex, first)) == "BLOCK_TAKEN"
    for first in (-5, 0, 999, 99001, 2**53 - 1):
        assert await code(desk.assign(globex, first)) == "INVALID"
    assert (await desk.assign(globex, 99000)).span == Span(99000, 99999)
    assert (await desk.assign(globex)).span == Span(1000, 1999)


async def test_a_range_with_sip_users_of_another_customer_is_not_free(desk: Desk) -> None:
    acme, globex = desk.customers
    for number in (1007, 2999, 4000):
        await desk.create(acme, number)
    assert (await desk.assign(globex)).span == Span(3000, 3999)
    assert await code(desk.assign(globex, 1000)) == "BLOCK_TAKEN"
    assert (await desk.assign(globex)).span == Span(5000, 5999)
    assert (await desk.assign(acme)).span == Span(1000, 1999)


async def test_the_last_block_of_a_gap_fits_exactly(desk: Desk) -> None:
    acme, globex = desk.customers
    await desk.create(acme, 1500)
    await desk.range(1000, 2999)
    assert (await desk.assign(globex)).span == Span(2000, 2999)
    assert await code(desk.assign(globex)) == "NO_FREE_BLOCK"


async def test_a_block_with_sip_users_cannot_be_released(desk: Desk) -> None:
    acme, _ = desk.customers
    block = await desk.assign(acme)
    user = await desk.create(acme, 1999)
    assert await code(desk.free(block.id)) == "BLOCK_IN_USE"
    await desk.remove(user.id)
    assert await code(desk.free(block.id)) == ""


async def test_a_range_cannot_exclude_existing_blocks_or_sip_users(desk: Desk) -> None:
    acme, globex = desk.customers
    await desk.assign(acme, 3000)
    user = await desk.create(globex, 2005)
    for start, end in [(2006, 99999), (1000, 3998), (5000, 6000)]:
        assert await code(desk.range(start, end, 10)) == "RANGE_IN_USE"
    use = await desk.range(2005, 3999, 10)
    assert (use.range.span.size, use.assigned, use.used) == (1995, 1000, 1)
    await desk.remove(user.id)
    assert await code(desk.range(3000, 3999, 1000)) == ""


async def test_a_reused_key_assigns_no_other_block(desk: Desk) -> None:
    acme, globex = desk.customers
    block = await desk.assign(acme, key="one")
    assert await desk.assign(acme, key="one") == block
    assert await code(desk.assign(globex, key="one")) == "IDEMPOTENCY_KEY_REUSED"
    assert (await desk.assign(acme, key="two")).span.first == 2000
    await desk.free(block.id)
    assert await code(desk.assign(acme, key="one")) == "BLOCK_FREED"
    assert await desk.spans() == [(2000, 2999)]


async def test_accounts_can_have_the_same_numbers(desk: Desk) -> None:
    other = await open_desk()
    await other.range()
    mine, theirs = await desk.assign(desk.customers[0]), await other.assign(other.customers[0])
    assert mine.span == theirs.span
    assert await code(other.free(mine.id)) == "NOT_FOUND"
    assert await code(other.assign(desk.customers[0])) == "NOT_FOUND"
    await desk.create(desk.customers[0], 1500)
    await other.create(other.customers[0], 1500)


async def test_the_database_refuses_overlapping_blocks(desk: Desk) -> None:
    acme, globex = desk.customers
    await desk.assign(acme, 3000)
    insert = (
        "INSERT INTO number_blocks (account_id, customer_id, first_number, last_number,"
        " assigned_at) VALUES ($1, $2, $3, $4, $5)"
    )
    async with db.connection() as conn:
        for first, last in [(3999, 3999), (2500, 3000), (0, 9999)]:
            with pytest.raises(asyncpg.ExclusionViolationError):
                await conn.execute(insert, desk.account_id, globex, first, last, NOW)
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute(insert, desk.account_id, globex, 50, 49, NOW)
        await conn.execute(insert, desk.account_id, globex, 4000, 4000, NOW)


async def test_the_audit_log_records_every_change_of_blocks(desk: Desk) -> None:
    block = await desk.assign(desk.customers[0])
    await desk.free(block.id)
    rows = await rows_of(
        "SELECT action, customer_id, before, after FROM audit_log WHERE account_id = $1"
        " ORDER BY id",
        desk.account_id,
    )
    span = {"first": 1000, "last": 1999}
    entries = [
        (row[0], row[1], *(value and json.loads(value) for value in row[2:])) for row in rows
    ]
    assert entries == [
        ("number_range.set", None, None, {"start": 1000, "end": 99999, "blockSize": 1000}),
        ("number_block.assign", desk.customers[0], None, span),
        ("number_block.free", desk.customers[0], span, None),
    ]
