"""invoiceIssued publishes every issued invoice and nothing else."""

import asyncio
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.billing import invoices
from domain.facts import Kind
from domain.identity.callers import Scope
from domain.refusals import Refusal
from live import fact_signals
from models import fact_log
from models.billing import invoice_queries, invoicing
from schema.engine import base
from tests.support.billing.billing_queries import ask, contact, key, owner
from tests.support.billing.books import NOW, Books, at, open_customer
from tests.support.fact_streams import INVOICES, FactStream, following

ISSUE = """mutation ($id: ID!, $key: String!) {
  issueInvoice(input: {invoiceId: $id, idempotencyKey: $key}) {
    ... on Invoice { number } ... on Refusal { code } } }"""


async def numbers(stream: FactStream, count: int) -> list[tuple[int, Any]]:
    return [(fact["number"], fact["invoice"]["number"]) for fact in await stream.take(count)]


async def wake(books: Books, redis: Redis, customer_id: int | None = None) -> None:
    await fact_signals.publish(redis, books.account_id, customer_id, Kind.INVOICE_ISSUED, 1)


async def stored_facts(books: Books, customer_id: int | None = None) -> list[int | None]:
    """The invoices of a stream, by their ids."""
    facts = await fact_log.read_after(books.account_id, customer_id, Kind.INVOICE_ISSUED, 0, 1_000)
    assert [fact.number for fact in facts] == list(range(1, len(facts) + 1))
    return [fact.subject_id for fact in facts]


async def test_each_stream_numbers_the_invoices_that_are_issued(books: Books, redis: Redis) -> None:
    other = await open_customer(books, "other")
    by = key(books, Scope.BILLING_READ)
    async with (
        following(by, redis, INVOICES) as whole,
        following(contact(books, other), redis, INVOICES) as others,
    ):
        for day, customer in ((2, books.customer_id), (2, other), (3, other)):
            await books.call(at(day), "1", customer_id=customer)
            await books.generate(day, customer_id=customer)
            await wake(books, redis, customer)
        assert await numbers(whole, 3) == [
            (1, "INV-000001"),
            (2, "INV-000002"),
            (3, "INV-000003"),
        ]
        assert await numbers(others, 2) == [(1, "INV-000002"), (2, "INV-000003")]
        assert await others.silent()


async def test_an_invoice_issued_over_the_api_is_pushed_immediately(
    books: Books, redis: Redis
) -> None:
    await books.call(at(2), "1")
    draft = await books.generate(2, issue=False)
    async with following(owner(books), redis, INVOICES) as stream:
        id = base.encode_id("Invoice", books.account_id, draft.id)
        assert await stream.silent()
        await ask(owner(books), ISSUE, redis=redis, id=id, key="k")
        first = await stream.next(within=3)
        assert (first["number"], first["invoice"]["id"]) == (1, id)
        assert first["at"] == "2026-11-20T12:30:00.000000Z"
        await ask(owner(books), ISSUE, redis=redis, id=id, key="k")
        assert await stream.silent()


async def test_drafts_refusals_and_repeated_requests_create_no_facts(books: Books) -> None:
    for day in (2, 3, 4):
        await books.call(at(day), "1")
    draft = await books.generate(2, issue=False)
    assert await stored_facts(books) == []
    with pytest.raises(Refusal):
        await books.generate(3, expected="7")
    invoice = await books.generate(3, key="once")
    assert await books.generate(3, key="once") == invoice
    await invoicing.discard_draft(books.account_id, draft.id, now=NOW)
    assert await stored_facts(books) == [invoice.id]
    assert await stored_facts(books, books.customer_id) == [invoice.id]


@pytest.mark.parametrize("seed", range(3))
async def test_facts_of_concurrent_invoices_follow_their_order_of_issue(
    books: Books, redis: Redis, seed: int
) -> None:
    """Some requests are refused at the last moment, some are canceled at any point."""
    chance = Random(seed)
    customers = [await open_customer(books, f"customer-{n}") for n in range(4)]
    for customer in customers:
        for day in range(2, 8):
            await books.call(at(day), "1", customer_id=customer)

    async def make(customer: int, day: int) -> None:
        expected = chance.choice((None, None, None, "7"))
        making = asyncio.create_task(books.generate(day, customer_id=customer, expected=expected))
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.1)
            making.cancel()
        await asyncio.wait([making])
        assert making.cancelled() or isinstance(making.exception(), Refusal | None)

    async with following(owner(books), redis, INVOICES, after=0) as stream:
        await asyncio.gather(
            *(make(customer, day) for day in range(2, 8) for customer in customers)
        )
        page = await invoice_queries.page(
            books.account_id, None, [invoices.Status.ISSUED], invoice_queries.START, 100
        )
        issued = [invoice.number for invoice in page.invoices]
        assert issued
        await wake(books, redis)
        expected = list(enumerate(issued, 1))
        assert await numbers(stream, len(issued)) == expected
        assert await stream.silent()
    async with following(owner(books), redis, INVOICES, after=0) as another:
        assert await numbers(another, len(issued)) == expected
    for customer in customers:
        mine = [invoice.id for invoice in page.invoices if invoice.customer_id == customer]
        assert await stored_facts(books, customer) == mine


async def test_a_push_shows_the_current_state_of_an_invoice(books: Books, redis: Redis) -> None:
    await books.call(at(2), "1")
    await books.generate(2)
    await books.sql("UPDATE invoices SET status = 'PAID'")
    query = INVOICES.replace("id number", "status customer { reference } lines { calls }")
    async with following(contact(books, books.customer_id), redis, query, after=0) as stream:
        assert (await stream.next())["invoice"] == {
            "status": "PAID",
            "customer": {"reference": "first"},
            "lines": [{"calls": 1}],
        }


async def test_a_push_shows_the_current_state_of_the_customer(books: Books, redis: Redis) -> None:
    query = INVOICES.replace("id number", "customer { name }")
    async with following(owner(books), redis, query) as stream:
        for day, name in ((2, "first"), (3, "renamed")):
            await books.sql("UPDATE customers SET name = $1", name)
            await books.call(at(day), "1")
            await books.generate(day)
            await wake(books, redis)
            assert (await stream.next())["invoice"]["customer"]["name"] == name
