"""A row shows how many of its hours are invoiced, and an invoice only if it covers all of them."""

import random
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest

from domain import periods
from domain.periods import Granularity
from domain.refusals import Refusal
from models import db
from models.billing import invoicing
from schema.engine import base
from tests.support.billing.billing_queries import ask, owner
from tests.support.billing.books import NOW, Books, at, selection

ROWS = """query Q($c: ID!, $g: Granularity!) { customer(id: $c) {
  summary(granularity: $g, first: 50) {
  edges { node { periodStart open invoice { number } invoicing {
    state invoicedHours hours invoices { number status } } } } } } }"""
# Written without what the product uses: the status of invoices, hour by hour.
EXPECTED = """
SELECT count(*), count(held.id),
       coalesce(array_agg(DISTINCT held.id) FILTER (WHERE held.id IS NOT NULL), '{}')
FROM generate_series($3::timestamptz, $4::timestamptz - interval '1 hour', '1 hour') AS hour
LEFT JOIN LATERAL (
    SELECT i.id FROM invoices i JOIN invoice_hours h ON h.invoice_id = i.id
    WHERE i.account_id = $1 AND i.customer_id = $2 AND i.status <> 'VOID' AND h.hour = hour.hour
) held ON true
"""
BILLABLE = [Granularity.DAILY, Granularity.WEEKLY, Granularity.MONTHLY]


async def rows(books: Books, granularity: Granularity) -> dict[datetime, Any]:
    """By the start of their periods."""
    id = base.encode_id("Customer", books.account_id, books.customer_id)
    answer = await ask(owner(books), ROWS, c=id, g=granularity)
    assert "errors" not in answer, answer
    nodes = [edge["node"] for edge in answer["customer"]["summary"]["edges"]]
    return {datetime.fromisoformat(node["periodStart"]): node for node in nodes}


async def row(books: Books, granularity: Granularity, day: int) -> dict[str, Any]:
    start = periods.period_containing(granularity, at(day)).start
    node: dict[str, Any] = (await rows(books, granularity))[start]
    return node


async def with_calls(books: Books, *days: int) -> None:
    for day in days:
        await books.call(at(day))
    await books.rebuild()


async def test_an_open_month_with_one_billed_week_is_partly_invoiced(books: Books) -> None:
    await with_calls(books, 3, 18)
    await invoicing.generate(
        books.account_id,
        selection(books.customer_id, [3], Granularity.WEEKLY),
        key="a week",
        issue=True,
        now=NOW,
    )
    month = await row(books, Granularity.MONTHLY, 3)
    assert month["open"]
    assert month["invoice"] is None
    assert month["invoicing"] == {
        "state": "PARTLY",
        "invoicedHours": 168,
        "hours": 720,
        "invoices": [{"number": "INV-000001", "status": "ISSUED"}],
    }
    week = await row(books, Granularity.WEEKLY, 3)
    assert week["invoice"] == {"number": "INV-000001"}
    assert (week["invoicing"]["state"], week["invoicing"]["hours"]) == ("FULLY", 168)


async def test_a_week_on_seven_invoices_is_fully_invoiced_and_shows_no_invoice(
    books: Books,
) -> None:
    await with_calls(books, *range(2, 9))
    await books.generate(2)
    await books.generate(4)
    week = await row(books, Granularity.WEEKLY, 2)
    assert week["invoice"] is None
    assert (week["invoicing"]["state"], week["invoicing"]["invoicedHours"]) == ("PARTLY", 48)
    for day in (3, 5, 6, 7, 8):
        await books.generate(day)
    week = await row(books, Granularity.WEEKLY, 2)
    assert week["invoice"] is None
    assert week["invoicing"]["state"] == "FULLY"
    days = [invoice["number"] for invoice in week["invoicing"]["invoices"]]
    assert days == [f"INV-{number:06}" for number in (1, 3, 2, 4, 5, 6, 7)]


async def test_a_row_without_an_invoice_is_not_invoiced(books: Books) -> None:
    await with_calls(books, 3)
    day = await row(books, Granularity.DAILY, 3)
    assert day["invoice"] is None
    assert day["invoicing"] == {"state": "NONE", "invoicedHours": 0, "hours": 24, "invoices": []}


async def expected(books: Books, granularity: Granularity, start: datetime) -> dict[str, Any]:
    period = periods.period_containing(granularity, start)
    of = (books.account_id, books.customer_id)
    async with db.connection() as conn:
        hours, held_hours, ids = await conn.fetchrow(EXPECTED, *of, period.start, period.end)
        invoices = await conn.fetch(
            "SELECT number, status FROM invoices WHERE account_id = $1 AND id = ANY($2)"
            " ORDER BY period_start",
            books.account_id,
            ids,
        )
    state = "NONE" if held_hours == 0 else "FULLY" if held_hours == hours else "PARTLY"
    return {
        "state": state,
        "invoicedHours": held_hours,
        "hours": hours,
        "invoices": [dict(invoice) for invoice in invoices],
    }


async def change(books: Books, chance: random.Random, drafts: list[int]) -> None:
    days = chance.sample(range(1, 20), chance.randint(1, 3))
    match chance.choice(("days", "week", "draft", "issue", "discard", "void", "void")):
        case "days":
            await books.generate(*days)
        case "week":
            await invoicing.generate(
                books.account_id,
                selection(books.customer_id, [chance.choice((3, 10))], Granularity.WEEKLY),
                key=f"week-{chance.random()}",
                issue=True,
                now=NOW,
            )
        case "draft":
            drafts.append((await books.generate(days[0], issue=False)).id)
        case "issue" if drafts:
            which = drafts.pop()
            await invoicing.issue_draft(books.account_id, which, key=f"i{which}", now=NOW)
        case "discard" if drafts:
            await invoicing.discard_draft(books.account_id, drafts.pop(), now=NOW)
        case "void":
            issued = "SELECT id FROM invoices WHERE status = 'ISSUED' ORDER BY id OFFSET $1 LIMIT 1"
            if (which := await books.value(issued, chance.randrange(3))) is not None:
                await books.void(int(str(which)))


@pytest.mark.parametrize("seed", range(4))
async def test_each_row_shows_which_of_its_hours_are_invoiced(books: Books, seed: int) -> None:
    chance, drafts = random.Random(seed), list[int]()
    await with_calls(books, *range(1, 20))
    statuses = set()
    for _ in range(25):
        with suppress(Refusal):
            await change(books, chance, drafts)
        for granularity in BILLABLE:
            for start, node in (await rows(books, granularity)).items():
                expectation = await expected(books, granularity, start)
                assert node["invoicing"] == expectation, (granularity, start)
                only = len(expectation["invoices"]) == 1 and expectation["state"] == "FULLY"
                invoice = {"number": expectation["invoices"][0]["number"]} if only else None
                assert node["invoice"] == invoice, (granularity, start)
                statuses.add(expectation["state"])
    assert statuses == {"NONE", "PARTLY", "FULLY"}
