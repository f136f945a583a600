"""The marked hours that a request rebuilds before it bills them."""

import pytest
from redis.asyncio import Redis

from domain.billing import invoices
from domain.refusals import Refusal
from live import wake
from models.billing import bill_rebuilds, invoicing
from models.summaries import hours
from tests.support import outside_connection
from tests.support.billing.billing_api import GENERATE, customer, row
from tests.support.billing.billing_queries import ask, owner
from tests.support.billing.books import NOW, Books, at

DAYS = (2, 3, 4)
REBUILT = "SELECT count(*) FROM hours"
MARKED = "SELECT count(DISTINCT hour) FROM hour_marks"


async def mark_three_days(books: Books) -> None:
    """72 marked hours."""
    for day in DAYS:
        for hour in range(24):
            await books.call(at(day, hour), "1")


async def test_a_request_leaves_marked_hours_above_its_limit_to_the_worker(
    books: Books, redis: Redis
) -> None:
    await mark_three_days(books)
    request = {
        "customerId": customer(books),
        "rowIds": [row(books, day) for day in DAYS],
        "idempotencyKey": "k",
    }
    answer = (await ask(owner(books), GENERATE, redis=redis, i=request))["generateInvoice"]
    assert (answer["__typename"], answer["code"]) == ("Conflict", "HOURS_PENDING")
    assert answer["message"] == (
        "72 hours have records that are not summed up yet. Try again in a minute."
    )
    assert await books.value(REBUILT) == 0
    assert await wake.wait_for(redis, 1)
    await books.rebuild()  # what the worker does
    invoice = (await ask(owner(books), GENERATE, redis=redis, i=request))["generateInvoice"]
    assert invoice["total"]["amount"] == "85.68"


async def test_a_selection_with_few_marked_hours_is_billed_during_a_backfill(books: Books) -> None:
    await mark_three_days(books)
    assert (await books.generate(3)).subtotal == 24
    assert await books.value(REBUILT) == 24
    assert await books.value(MARKED) == 48


async def test_a_draft_with_too_many_marked_hours_can_be_issued_later(books: Books) -> None:
    for day in DAYS:
        await books.call(at(day, 5), "1")
    draft = await books.generate(*DAYS, issue=False)
    await mark_three_days(books)
    with pytest.raises(Refusal) as error:
        await invoicing.issue_draft(books.account_id, draft.id, key="i", now=NOW)
    assert (error.value.code, error.value.field) == ("HOURS_PENDING", "id")
    await books.rebuild()
    issued = await invoicing.issue_draft(books.account_id, draft.id, key="i", now=NOW)
    assert issued.subtotal == 75


async def test_a_billed_hour_that_changes_during_a_backfill_is_adjusted_on_a_later_invoice(
    books: Books,
) -> None:
    late = await books.call(at(1, 5), "1")
    await books.generate(1)
    await mark_three_days(books)
    await books.correct(late, "3")
    assert {line.kind for line in (await books.generate(2)).lines} == {invoices.LineKind.USAGE}
    await books.rebuild()
    last = (await books.generate(3)).lines[-1]
    assert (last.kind, last.amount) == (invoices.LineKind.ADJUSTMENT, 2)


async def test_a_request_rebuilds_marked_hours_up_to_its_limit(
    books: Books,
) -> None:
    await mark_three_days(books)
    assert bill_rebuilds.MAX_HOURS == 48
    assert (await books.generate(2, 3)).subtotal == 48


async def test_a_request_that_waits_for_a_rebuild_of_its_customer_uses_one_connection(
    books: Books, database: str
) -> None:
    await mark_three_days(books)
    async with outside_connection.connection(database) as outside:
        await outside_connection.held_up(
            outside,
            "LOCK TABLE call_records IN ACCESS EXCLUSIVE MODE",
            hours.rebuild(books.account_id, books.customer_id, at(4, 0), NOW),
            books.generate(2, 3),
        )
        connections = await outside.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'callboard'"
        )
    assert connections == 2
