"""More than 50,000 awkward records over two months, against an independent calculation in DuckDB.

Everything goes the real way: several clients post over HTTP, the worker rebuilds the hours, and
what is compared are GraphQL's answers, to the last decimal.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import expected
import months
import pytest
import shown
import worlds
from board import Answer, Board, post
from programs import Program
from truth import Truth

from models import db, hours
from runtime import clock

SEED = int(os.environ.get("CALLBOARD_TEST_SEED", "20261122"))
CALLS = 43_000  # attempts; with legs, repeats and corrections some 57,000 records
GRANULARITY = {"acme": "MONTHLY", "birch": "WEEKLY", "cedar": "DAILY", "dune": "MONTHLY"}
Period = tuple[datetime, datetime]


@pytest.fixture
async def board(database: str, web: Program, worker: Program) -> AsyncIterator[Board]:
    board = Board(web.url)
    try:
        yield board
    finally:
        await board.close()


async def test_two_random_months_add_up_to_the_last_decimal(board: Board, tmp_path: Path) -> None:
    world = worlds.world(clock.now())
    messages = months.Generator(world, SEED).messages(CALLS)
    assert len(messages) > 50_000
    truth = Truth(world, messages, tmp_path)
    truth.at(months.SECOND)
    await board.open_account(world.now)
    await board.settle(world)
    key = await board.key("INGEST")

    for phase in (months.BULK, months.SECOND):
        mine = [message for message in messages if message.phase == phase]
        counts = await post(board.url, key, mine, clients=4, seed=SEED + phase)
        assert counts["held"] == sum(message.held for message in mine)
    await rebuilt()

    await shown.check_rows(board, truth, world)
    await shown.check_account(board, truth)
    await shown.check_cells(board, truth)
    await shown.check_graphs(board, truth)
    first = await bill_the_first_month(board, truth, world)
    await check_balanced(board, truth, world)
    await check_tampering_is_noticed(board, world)

    before = json.dumps(await board.feed())
    late = [message for message in messages if message.phase == months.LATE]
    truth_before = {one: expected.billed_hours(truth, one, first[one]) for one in worlds.BILLED}
    truth.at(months.LATE)
    await post(board.url, key, late, clients=3, seed=SEED)
    await rebuilt()
    assert json.dumps(await board.feed()) == before, "an issued invoice has changed"
    await shown.check_rows(board, truth, world)
    await check_balanced(board, truth, world)
    await bill_the_second_month(board, truth, world, first, truth_before)
    await check_balanced(board, truth, world)


async def rebuilt() -> None:
    """Waits for the worker: until no hour is marked."""
    for _ in range(600):
        if not await hours.marked(1):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the worker has not rebuilt every hour within 60 s")


# Invoices ----------------------------------------------------------------------------------------


def middle(world: worlds.World) -> datetime:
    """The start of the second of the two whole months."""
    return (world.start + timedelta(days=31)).replace(day=1)


def last(world: worlds.World) -> datetime:
    return (middle(world) + timedelta(days=31)).replace(day=1)


async def closed_rows(board: Board, customer: str, start: datetime, end: datetime) -> list[Answer]:
    """The customer's rows, by its own granularity, that begin in `start <= t < end`."""
    rows = await board.rows(customer, GRANULARITY[customer])
    return [row for row in rows if start <= shown.at(row["periodStart"]) < end and not row["open"]]


async def issue(board: Board, customer: str, rows: list[Answer]) -> Answer:
    """The feed's document of a new invoice over the rows."""
    made = await board.made(
        "generateInvoice",
        "... on Invoice { id }",
        customerId=board.customers[customer],
        rowIds=[row["id"] for row in rows],
        idempotencyKey=f"{customer} {rows[0]['periodStart']}",
        issue=True,
    )
    [document] = [each for each in await board.feed() if each["id"] == made["id"]]
    return document


def periods(rows: list[Answer]) -> list[Period]:
    return [(shown.at(row["periodStart"]), shown.at(row["periodEnd"])) for row in rows]


def lines(document: Answer, kind: str) -> dict[datetime, tuple[int, int, Decimal]]:
    found = {
        shown.at(line["periodStart"]): (
            line["calls"],
            line["billedSeconds"],
            Decimal(line["amount"]["amount"]),
        )
        for line in document["lines"]
        if line["kind"] == kind
    }
    assert len(found) == sum(line["kind"] == kind for line in document["lines"])
    return {start: line for start, line in found.items() if any(line)}


def check_document(document: Answer, truth: Truth, customer: str, billed: list[Period]) -> None:
    """Usage by day, subtotal, tax, rounding and total of an invoice."""
    days = {
        start: (sums["attempts"], sums["billed"], sums["charge"])
        for start, sums in expected.rows(truth, customer, "DAILY").items()
        if any(begin <= start < end for begin, end in billed)
    }
    assert lines(document, "USAGE") == days
    adjusted = sum((line[2] for line in lines(document, "ADJUSTMENT").values()), Decimal(0))
    wanted = expected.invoice(truth, customer, billed, adjusted)
    assert {name: Decimal(document[name]["amount"]) for name in wanted} == wanted


async def bill_the_first_month(
    board: Board, truth: Truth, world: worlds.World
) -> dict[str, list[Period]]:
    billed: dict[str, list[Period]] = {}
    for customer in worlds.BILLED:
        rows = await closed_rows(board, customer, world.start, middle(world))
        document = await issue(board, customer, rows)
        billed[customer] = periods(rows)
        assert not lines(document, "ADJUSTMENT")
        check_document(document, truth, customer, billed[customer])
    refused = await board.do(
        "generateInvoice",
        "... on Invoice { id }",
        customerId=board.customers["ember"],
        rowIds=[row["id"] for row in await board.rows("ember", "MONTHLY") if not row["open"]],
        idempotencyKey="ember",
    )
    assert refused["code"] == "UNRATED_CALLS"
    return billed


async def bill_the_second_month(
    board: Board,
    truth: Truth,
    world: worlds.World,
    first: dict[str, list[Period]],
    as_billed: dict[str, Any],
) -> None:
    """Each late difference of money is an adjustment line of the next invoice, and of no other."""
    half = middle(world) + timedelta(days=15)
    nothing = (0, 0, Decimal(0))
    for customer in worlds.BILLED:
        now = expected.billed_hours(truth, customer, first[customer])
        before = as_billed[customer]
        differences = {}
        for hour in now.keys() | before.keys():
            pair = zip(now.get(hour, nothing), before.get(hour, nothing), strict=True)
            differences[hour] = tuple(new - old for new, old in pair)
        monthly = GRANULARITY[customer] == "MONTHLY"
        rows = await closed_rows(board, customer, middle(world), last(world) if monthly else half)
        document = await issue(board, customer, rows)
        assert lines(document, "ADJUSTMENT") == {
            hour: line for hour, line in differences.items() if line[2]
        }
        assert lines(document, "ADJUSTMENT"), "the months hold no late record: another seed"
        check_document(document, truth, customer, periods(rows))
        if not monthly:
            rows = await closed_rows(board, customer, half, last(world))
            document = await issue(board, customer, rows)
            assert not lines(document, "ADJUSTMENT"), "billed twice"
            check_document(document, truth, customer, periods(rows))


# The proof ---------------------------------------------------------------------------------------


async def check_balanced(board: Board, truth: Truth, world: worlds.World) -> None:
    end = clock.now().replace(minute=0, second=0, microsecond=0)
    for customer in world.customers:
        [wanted] = truth.query(
            "SELECT count(*) AS calls, coalesce(sum(charge), 0) AS charge FROM rated"
            " WHERE customer = ? AND final AND setup < ?",
            customer.reference,
            end.replace(tzinfo=None),
        )
        proof = await board.proof(customer.reference, world.start, end)
        assert proof["balanced"], proof["differences"][:3]
        assert not proof["differences"]
        assert "MARKED" not in {pending["reason"] for pending in proof["pending"]}
        for side in ("records", "rows"):
            assert proof[side]["calls"] == wanted["calls"]
            assert Decimal(proof[side]["charge"]["amount"]) == wanted["charge"]
        assert Decimal(proof["ledger"]["charge"]["amount"]) == wanted["charge"]


async def check_tampering_is_noticed(board: Board, world: worlds.World) -> None:
    """A millionth more in a row, a record or a ledger entry is no balance any more."""
    customer = "birch"
    start, end = world.start, middle(world)
    places = {
        "rollups": ("charge", "slot"),
        "call_records": ("charge", "setup_at"),
        "ledger_entries": ("amount", "hour"),
    }
    for table, (column, when) in places.items():
        find = (
            f"SELECT ctid, tableoid FROM {table} WHERE {when} >= $1 AND {when} < $2"
            f" AND {column} > 0 AND customer_id = (SELECT id FROM customers"
            " WHERE reference = $3) LIMIT 1"
        )
        change = (
            f"UPDATE {table} SET {column} = {column} + $1 WHERE (ctid, tableoid) = ($2, $3)"
            " RETURNING ctid"
        )
        async with db.connection() as conn:
            await conn.execute("SET session_replication_role = replica")  # past the guards
            row = await conn.fetchrow(find, start, end, customer)
            ctid = await conn.fetchval(change, Decimal("0.000001"), row["ctid"], row["tableoid"])
            proof = await board.proof(customer, start, end)
            await conn.execute(change, Decimal("-0.000001"), ctid, row["tableoid"])
            await conn.execute("RESET session_replication_role")
        assert not proof["balanced"], table
        assert len({difference["hour"] for difference in proof["differences"]}) == 1
    assert (await board.proof(customer, start, end))["balanced"]
