"""Bills two whole months and compares each document with the independent calculation."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.support.scenarios import expectations, graphql_checks, worlds
from tests.support.scenarios.board import Answer, Board
from tests.support.scenarios.truth import Truth

GRANULARITY = {"acme": "MONTHLY", "birch": "WEEKLY", "cedar": "DAILY", "dune": "MONTHLY"}
Period = tuple[datetime, datetime]


def middle(world: worlds.World) -> datetime:
    """The start of the second of the two whole months."""
    return (world.start + timedelta(days=31)).replace(day=1)


def last(world: worlds.World) -> datetime:
    return (middle(world) + timedelta(days=31)).replace(day=1)


async def closed_rows(board: Board, customer: str, start: datetime, end: datetime) -> list[Answer]:
    """The customer's rows, by its own granularity, that begin in `start <= t < end`."""
    rows = await board.rows(customer, GRANULARITY[customer])
    return [
        row
        for row in rows
        if start <= graphql_checks.at(row["periodStart"]) < end and not row["open"]
    ]


async def issue(board: Board, customer: str, rows: list[Answer]) -> Answer:
    """The feed's document of a new invoice over the rows."""
    invoice = await board.made(
        "generateInvoice",
        "... on Invoice { id }",
        customerId=board.customers[customer],
        rowIds=[row["id"] for row in rows],
        idempotencyKey=f"{customer} {rows[0]['periodStart']}",
        issue=True,
    )
    [document] = [each for each in await board.feed() if each["id"] == invoice["id"]]
    return document


def periods(rows: list[Answer]) -> list[Period]:
    return [
        (graphql_checks.at(row["periodStart"]), graphql_checks.at(row["periodEnd"])) for row in rows
    ]


def lines(document: Answer, kind: str) -> dict[datetime, tuple[int, int, Decimal]]:
    line_at = {
        graphql_checks.at(line["periodStart"]): (
            line["calls"],
            line["billedSeconds"],
            Decimal(line["amount"]["amount"]),
        )
        for line in document["lines"]
        if line["kind"] == kind
    }
    assert len(line_at) == sum(line["kind"] == kind for line in document["lines"])
    return {start: line for start, line in line_at.items() if any(line)}


def check_document(document: Answer, truth: Truth, customer: str, billed: list[Period]) -> None:
    """Usage by day, subtotal, tax, rounding and total of an invoice."""
    days = {
        start: (sums["attempts"], sums["billed"], sums["charge"])
        for start, sums in expectations.rows(truth, customer, "DAILY").items()
        if any(begin <= start < end for begin, end in billed)
    }
    assert lines(document, "USAGE") == days
    adjusted = sum((line[2] for line in lines(document, "ADJUSTMENT").values()), Decimal(0))
    expected = expectations.invoice(truth, customer, billed, adjusted)
    assert {name: Decimal(document[name]["amount"]) for name in expected} == expected


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
    refusal = await board.do(
        "generateInvoice",
        "... on Invoice { id }",
        customerId=board.customers["ember"],
        rowIds=[row["id"] for row in await board.rows("ember", "MONTHLY") if not row["open"]],
        idempotencyKey="ember",
    )
    assert refusal["code"] == "UNRATED_CALLS"
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
        now = expectations.billed_hours(truth, customer, first[customer])
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
