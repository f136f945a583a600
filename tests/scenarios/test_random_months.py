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
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import expected
import months
import pytest
from board import Answer, Board, post
from programs import Program
from truth import Truth

from models import db, hours
from runtime import clock

SEED = int(os.environ.get("CALLBOARD_TEST_SEED", "20261122"))
CALLS = 43_000  # attempts; with legs, repeats and corrections some 57,000 records
BILLED = ("acme", "birch", "cedar", "dune")
GRANULARITY = {"acme": "MONTHLY", "birch": "WEEKLY", "cedar": "DAILY", "dune": "MONTHLY"}
ROWS = "... on Invoice { id }"
Period = tuple[datetime, datetime]


@pytest.fixture
async def board(database: str, web: Program, worker: Program) -> AsyncIterator[Board]:
    board = Board(web.url)
    try:
        yield board
    finally:
        await board.close()


async def test_two_random_months_add_up_to_the_last_decimal(board: Board, tmp_path: Path) -> None:
    world = months.world(clock.now())
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

    await check_rows(board, truth, world)
    await check_account(board, truth)
    await check_cells(board, truth)
    await check_graphs(board, truth, world)
    first = await bill_the_first_month(board, truth, world)
    await check_balanced(board, truth, world)
    await check_tampering_is_noticed(board, world)

    before = json.dumps(await board.feed())
    late = [message for message in messages if message.phase == months.LATE]
    truth_before = {one: expected.billed_hours(truth, one, first[one]) for one in BILLED}
    truth.at(months.LATE)
    await post(board.url, key, late, clients=3, seed=SEED)
    await rebuilt()
    assert json.dumps(await board.feed()) == before, "an issued invoice has changed"
    await check_rows(board, truth, world)
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


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def check_rows(board: Board, truth: Truth, world: months.World) -> None:
    for customer in world.customers:
        for granularity in ("DAILY", "WEEKLY", "MONTHLY", "LIVE"):
            wanted = expected.rows(truth, customer.reference, granularity)
            answered = await board.rows(customer.reference, granularity)
            if granularity == "LIVE":
                assert len(answered) == 24
                kept = {at(row["periodStart"]) for row in answered}
                wanted = {start: sums for start, sums in wanted.items() if start in kept}
            found = {at(row["periodStart"]): row for row in answered if row["attempts"]}
            assert found.keys() == wanted.keys(), (customer.reference, granularity)
            for start, sums in wanted.items():
                check_row(found[start], sums, customer.currency)


def check_row(row: Answer, sums: expected.Sums, currency: str) -> None:
    assert row["attempts"] == sums["attempts"]
    assert row["answered"] == sums["answered"]
    assert row["billedSeconds"] == sums["billed"]
    assert Decimal(row["talkTime"]) * 1_000_000 == sums["talk_us"]
    assert Decimal(row["charge"]["amount"]) == sums["charge"]
    assert row["charge"]["currency"] == currency
    check_ratios(row, sums)


def check_ratios(row: Answer, sums: expected.Sums) -> None:
    assert row["asr"] == pytest.approx(100 * sums["answered"] / sums["attempts"], rel=1e-12)
    if not sums["answered"]:
        assert row["acdSeconds"] is None
        return
    acd = sums["talk_us"] / sums["answered"] / 1_000_000
    assert row["acdSeconds"] == pytest.approx(acd, rel=1e-12)


async def check_account(board: Board, truth: Truth) -> None:
    """The account's months: all customers together, a charge a currency."""
    data = await board.ask(
        "{ viewer { ... on Staff { account { summary(granularity: MONTHLY) { edges { node"
        " { periodStart attempts charges { amount currency } } } } } } } }"
    )
    found = {
        at(edge["node"]["periodStart"]): edge["node"]
        for edge in data["viewer"]["account"]["summary"]["edges"]
    }
    for row in truth.query(
        "SELECT epoch_ms(date_trunc('month', setup)) AS ms, currency, sum(charge) AS charge"
        " FROM rated JOIN customers USING (customer) WHERE final GROUP BY ALL"
    ):
        [node] = [node for start, node in found.items() if start.timestamp() * 1000 == row["ms"]]
        charges = {each["currency"]: Decimal(each["amount"]) for each in node["charges"]}
        assert charges[row["currency"]] == row["charge"]


async def check_cells(board: Board, truth: Truth) -> None:
    random = Random(SEED)
    values: dict[str, Any] = {
        "ATTEMPTS": lambda s: Fraction(s["attempts"]),
        "TALK_SECONDS": lambda s: Fraction(s["talk_us"], 1_000_000),
        "BILLED_SECONDS": lambda s: Fraction(s["billed"]),
        "CHARGE": lambda s: Fraction(s["charge"]),
        "ASR": lambda s: Fraction(100 * s["answered"], s["attempts"]),
        "ACD_SECONDS": lambda s: (
            Fraction(s["talk_us"], 1_000_000 * s["answered"]) if s["answered"] else None
        ),
    }
    for customer in BILLED:
        wanted = expected.rows(truth, customer, "DAILY")
        rows = [row for row in await board.rows(customer, "DAILY") if row["attempts"]]
        chosen = random.sample(rows, 25)
        sums = [wanted[at(row["periodStart"])] for row in chosen]
        for column, value in values.items():
            data = await board.ask(
                "query($r: [ID!]!, $c: SummaryColumn!) { summaryCells(rowIds: $r, column: $c)"
                " { count sum cellAverage weightedAverage } }",
                r=[row["id"] for row in chosen],
                c=column,
            )
            check_selection(data["summaryCells"], column, sums, value)


def check_selection(found: Answer, column: str, sums: list[expected.Sums], value: Any) -> None:
    cells = [each for each in map(value, sums) if each is not None]
    assert found["count"] == len(sums)
    assert Decimal(found["cellAverage"]) == rounded(sum(cells) / len(cells))
    if column not in ("ASR", "ACD_SECONDS"):
        assert Fraction(Decimal(found["sum"])) == sum(cells)
        assert found["weightedAverage"] is None
        return
    assert found["sum"] is None
    whole = {name: sum(each[name] for each in sums) for name in ("attempts", "answered", "talk_us")}
    assert Decimal(found["weightedAverage"]) == rounded(value(whole))


def rounded(exact: Fraction) -> Decimal:
    """Half up to 20 places, of numbers that are not negative."""
    units = (exact * 10**20 + Fraction(1, 2)).__floor__()
    return Decimal((0, tuple(int(digit) for digit in str(units)), -20))


async def check_graphs(board: Board, truth: Truth, world: months.World) -> None:
    now = clock.now()
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(days=20)
    until = now + timedelta(hours=1)
    query = """
    query($c: ID!, $from: DateTime!, $to: DateTime!) { customer(id: $c) {
      stats(from: $from, to: $to, interval: HOUR) {
        total { at attempts answered asr acdSeconds dtmfPercent pddMs }
        byCarrier { carrier { id } points { at attempts answered } } } } }"""
    names = {id: reference for reference, id in board.carriers.items()}
    for customer in BILLED:
        span = {"from": since.isoformat(), "to": until.isoformat()}
        data = await board.ask(query, c=board.customers[customer], **span)
        stats = data["customer"]["stats"]
        wanted = expected.rows(truth, customer, "HOUR")
        points = {at(point["at"]): point for point in stats["total"]}
        for start, sums in wanted.items():
            if start >= since:
                check_point(points.pop(start), sums)
        assert not any(point["attempts"] for point in points.values())
        found = {
            (
                None if graph["carrier"] is None else names[graph["carrier"]["id"]],
                round(at(point["at"]).timestamp() * 1_000_000),
            ): (point["attempts"], point["answered"])
            for graph in stats["byCarrier"]
            for point in graph["points"]
            if point["attempts"]
        }
        carriers = expected.by_carrier(truth, customer, since)
        assert found == {key: (s["attempts"], s["answered"]) for key, s in carriers.items()}


def check_point(point: Answer, sums: expected.Sums) -> None:
    assert (point["attempts"], point["answered"]) == (sums["attempts"], sums["answered"])
    check_ratios(point, sums)
    dtmf = 100 * sums["dtmf"] / sums["answered"] if sums["answered"] else None
    assert point["dtmfPercent"] == pytest.approx(dtmf, rel=1e-12)
    pdd = sums["pdd_us"] / sums["pdd_count"] / 1000 if sums["pdd_count"] else None
    assert point["pddMs"] == pytest.approx(pdd, rel=1e-12)


# Invoices ----------------------------------------------------------------------------------------


def middle(world: months.World) -> datetime:
    """The start of the second of the two whole months."""
    return (world.start + timedelta(days=31)).replace(day=1)


def last(world: months.World) -> datetime:
    return (middle(world) + timedelta(days=31)).replace(day=1)


async def closed_rows(board: Board, customer: str, start: datetime, end: datetime) -> list[Answer]:
    """The customer's rows, by its own granularity, that begin in `start <= t < end`."""
    rows = await board.rows(customer, GRANULARITY[customer])
    return [row for row in rows if start <= at(row["periodStart"]) < end and not row["open"]]


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
    return [(at(row["periodStart"]), at(row["periodEnd"])) for row in rows]


def lines(document: Answer, kind: str) -> dict[datetime, tuple[int, int, Decimal]]:
    found = {
        at(line["periodStart"]): (
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
    board: Board, truth: Truth, world: months.World
) -> dict[str, list[Period]]:
    billed: dict[str, list[Period]] = {}
    for customer in BILLED:
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
    world: months.World,
    first: dict[str, list[Period]],
    as_billed: dict[str, Any],
) -> None:
    """Each late difference of money is an adjustment line of the next invoice, and of no other."""
    half = middle(world) + timedelta(days=15)
    nothing = (0, 0, Decimal(0))
    for customer in BILLED:
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


async def check_balanced(board: Board, truth: Truth, world: months.World) -> None:
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


async def check_tampering_is_noticed(board: Board, world: months.World) -> None:
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
            row = await conn.fetchrow(find, start, end, customer)
            ctid = await conn.fetchval(change, Decimal("0.000001"), row["ctid"], row["tableoid"])
            proof = await board.proof(customer, start, end)
            await conn.execute(change, Decimal("-0.000001"), ctid, row["tableoid"])
        assert not proof["balanced"], table
        assert len({difference["hour"] for difference in proof["differences"]}) == 1
    assert (await board.proof(customer, start, end))["balanced"]
