"""Records that arrive or change after billing are adjusted once, on the next invoice."""

from decimal import Decimal

from domain.billing import invoices
from models.billing import invoice_queries, invoicing
from tests.support.billing.books import NOW, Books, at, open_customer


def adjustments(invoice: invoices.Invoice) -> list[tuple[str, int, Decimal]]:
    return [
        (f"{line.period_start:%d %H:%M}", line.calls, line.amount)
        for line in invoice.lines
        if line.kind is invoices.LineKind.ADJUSTMENT
    ]


async def test_a_late_call_leaves_its_invoice_unchanged_and_is_billed_on_the_next(
    books: Books,
) -> None:
    await books.call(at(2, 9), "1")
    first = await books.generate(2)
    await books.call(at(2, 9), "0.25")
    await books.call(at(3), "2")
    second = await books.generate(3)
    assert adjustments(second) == [("02 09:00", 1, Decimal("0.25"))]
    assert "2026-11-02 09:00 UTC, billed on INV-000001" in second.lines[-1].description
    assert second.subtotal == Decimal("2.25")
    assert await invoice_queries.get(books.account_id, first.id) == first


async def test_an_adjustment_is_billed_once(books: Books) -> None:
    await books.call(at(2), "1")
    await books.generate(2)
    await books.call(at(2), "0.25")
    for day in (3, 4):
        await books.call(at(day), "2")
    assert len(adjustments(await books.generate(3))) == 1
    assert adjustments(await books.generate(4)) == []


async def test_a_second_adjustment_of_an_hour_starts_from_the_amount_last_billed(
    books: Books,
) -> None:
    await books.call(at(2), "1")
    await books.generate(2)
    late = await books.call(at(2), "0.25")
    for day in (3, 4, 5):
        await books.call(at(day), "2")
    await books.generate(3)
    await books.correct(late, "0.05")
    await books.rebuild()
    await books.correct(late, "0.10")
    assert adjustments(await books.generate(4)) == [("02 09:00", 0, Decimal("-0.15"))]
    versions = await books.value(
        "SELECT array_agg(from_version || '-' || to_version ORDER BY to_version)"
        " FROM invoice_adjustments"
    )
    assert versions == ["1-2", "2-4"]


async def test_a_change_that_is_undone_before_the_next_invoice_adds_no_line(books: Books) -> None:
    call = await books.call(at(2), "1")
    await books.generate(2)
    await books.correct(call, "9")
    await books.rebuild()
    await books.correct(call, "1")
    await books.call(at(3), "2")
    assert adjustments(await books.generate(3)) == []
    await books.correct(call, "1.5")
    await books.call(at(4), "2")
    assert adjustments(await books.generate(4)) == [("02 09:00", 0, Decimal("0.5"))]


async def test_a_draft_shows_adjustments_without_reserving_them(
    books: Books,
) -> None:
    await books.call(at(2), "1")
    await books.generate(2)
    await books.call(at(2), "0.25")
    for day in (3, 4):
        await books.call(at(day), "2")
    draft = await books.generate(3, issue=False)
    assert len(adjustments(draft)) == 1
    assert len(adjustments(await books.generate(4))) == 1
    issued = await invoicing.issue_draft(books.account_id, draft.id, key="i", now=NOW)
    assert adjustments(issued) == []
    assert issued.subtotal == 2


async def test_an_invoice_excludes_late_calls_of_other_customers(books: Books) -> None:
    other = await open_customer(books, "second")
    await books.call(at(2), "1", customer_id=other)
    await books.generate(2, customer_id=other)
    await books.call(at(2), "1", customer_id=other)
    await books.call(at(3), "1")
    assert adjustments(await books.generate(3)) == []


async def test_late_unrated_calls_do_not_block_the_next_invoice(books: Books) -> None:
    await books.call(at(2), "1")
    await books.generate(2)
    late = await books.call(at(2), None)
    for day in (3, 4):
        await books.call(at(day), "2")
    assert adjustments(await books.generate(3)) == []
    await books.correct(late, "0.3")
    assert adjustments(await books.generate(4)) == [("02 09:00", 1, Decimal("0.3"))]
