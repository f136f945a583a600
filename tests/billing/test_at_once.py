"""Concurrent requests for invoices."""

import asyncio
from collections import Counter

from domain.billing import invoices
from domain.refusals import Refusal
from models.billing import invoice_queries, invoicing
from tests.support.billing.books import NOW, Books, at, open_customer


def outcomes(answers: list[invoices.Invoice | BaseException]) -> Counter[str]:
    """The count of each number and of each refusal; other errors are raised again."""
    counts: Counter[str] = Counter()
    for answer in answers:
        if isinstance(answer, Refusal):
            counts[answer.code] += 1
        elif isinstance(answer, BaseException):
            raise answer
        else:
            counts[answer.number or "draft"] += 1
    return counts


async def test_ten_concurrent_requests_for_the_same_hours_create_one_invoice(books: Books) -> None:
    await books.call(at(2), "1")
    results = await asyncio.gather(*(books.generate(2) for _ in range(10)), return_exceptions=True)
    assert outcomes(results) == {"INV-000001": 1, "HOURS_ALREADY_INVOICED": 9}


async def test_ten_concurrent_requests_with_the_same_key_return_the_same_invoice(
    books: Books,
) -> None:
    await books.call(at(2), "1")
    invoices = await asyncio.gather(*(books.generate(2, key="same") for _ in range(10)))
    assert len(set(invoices)) == 1
    assert await books.value("SELECT count(*) FROM invoices") == 1
    assert await books.value("SELECT count(*) FROM ledger_entries WHERE kind = 'TAX'") == 1


async def test_a_reused_key_with_other_input_is_refused_and_refusals_are_not_stored(
    books: Books,
) -> None:
    await books.call(at(2), "1")
    await books.call(at(3), "1")
    requests = [books.generate(day, key="same") for day in (2, 2, 2, 3, 3, 3)]
    counts = outcomes(await asyncio.gather(*requests, return_exceptions=True))
    assert counts == {"INV-000001": 3, "IDEMPOTENCY_KEY_REUSED": 3}


async def test_twenty_concurrent_invoices_with_some_failures_are_numbered_without_a_gap(
    books: Books,
) -> None:
    others = [await open_customer(books, f"customer-{n}") for n in range(4)]
    requests = []
    for n in range(20):
        customer, day = others[n % 4], 2 + n // 4
        await books.call(at(day), "1", customer_id=customer)
        expected = "7" if n % 5 == 3 else None
        requests.append(books.generate(day, customer_id=customer, expected=expected))
    counts = outcomes(await asyncio.gather(*requests, return_exceptions=True))
    assert counts.pop("SUBTOTAL_CHANGED") == 4
    assert sorted(counts) == [f"INV-{n:06d}" for n in range(1, 17)]
    assert set(counts.values()) == {1}
    page = await invoice_queries.page(
        books.account_id, None, [invoices.Status.ISSUED], invoice_queries.START, 100
    )
    assert [invoice.position for invoice in page.invoices] == list(range(1, 17))


async def test_ten_concurrent_invoices_adjust_a_late_call_once(books: Books) -> None:
    for day in range(2, 13):
        await books.call(at(day), "1")
    await books.generate(2)
    await books.call(at(2), "0.25")
    answer = await asyncio.gather(*(books.generate(day) for day in range(3, 13)))
    kinds = [line.kind for invoice in answer for line in invoice.lines]
    assert kinds.count(invoices.LineKind.ADJUSTMENT) == 1


async def test_a_feed_reader_misses_no_invoice_while_invoices_are_issued(books: Books) -> None:
    for day in range(2, 18):
        await books.call(at(day), "1")
    making = asyncio.gather(*(books.generate(day) for day in range(2, 18)))
    numbers: list[int | None] = []
    cursor = invoice_queries.START
    while len(numbers) < 16:
        page = await invoice_queries.page(
            books.account_id, None, [invoices.Status.ISSUED], cursor, 3
        )
        numbers += [invoice.position for invoice in page.invoices]
        if page.invoices:
            cursor = invoice_queries.Cursor.of(page.invoices[-1])
    await making
    assert numbers == list(range(1, 17))


async def test_ten_concurrent_requests_issue_a_draft_once(books: Books) -> None:
    await books.call(at(2), "1")
    draft = await books.generate(2, issue=False)
    issuing = [
        invoicing.issue_draft(books.account_id, draft.id, key=f"key-{n % 2}", now=NOW)
        for n in range(10)
    ]
    counts = outcomes(await asyncio.gather(*issuing, return_exceptions=True))
    assert counts == {"INV-000001": 5, "NOT_A_DRAFT": 5}


async def test_calls_that_arrive_during_invoicing_are_each_billed_once(books: Books) -> None:
    """Calls are stored and hours rebuilt while the hours are billed, adjusted and billed again."""

    async def store() -> None:
        for n in range(30):
            await books.call(at(2 + n % 3, n % 24), f"0.{n + 1:02d}")
            await books.rebuild()

    async def bill() -> None:
        for day in (2, 3, 4):
            await books.call(at(day, 23), "1")
            await books.generate(day)

    await asyncio.gather(store(), bill())
    await books.call(at(10), "1")
    await books.generate(10)
    billed = await books.value("SELECT sum(subtotal) FROM invoices")
    assert billed == await books.value("SELECT sum(charge) FROM call_records")
