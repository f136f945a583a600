"""The hours of a voided invoice can be billed again, and its contents can still be verified."""

from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from domain import periods
from domain.billing import invoices, reconciliation_proof
from models import db
from models.billing import invoice_queries, reconciliation, reconciliation_sql
from models.summaries import summary_rows
from tests.support.billing.books import NOW, Books, at


async def recomputed_hash(books: Books, invoice_id: int) -> str:
    invoice = await invoice_queries.get(books.account_id, invoice_id)
    async with db.connection() as conn:
        pins = await conn.fetch(reconciliation_sql.PINS, books.account_id, [invoice_id])
        changes = await conn.fetch(reconciliation_sql.CHANGES, books.account_id, [invoice_id])
    return invoices.content_hash(
        invoice, [invoices.Pin(*row[1:]) for row in pins], [_change(row) for row in changes]
    )


def _change(row: Any) -> invoices.Change:
    now = (row["to_version"], row["calls"], row["billed_seconds"], row["charge"])
    return invoices.Change(
        "", invoices.Pin(row["hour"], row["from_version"]), invoices.Pin(row["hour"], *now)
    )


async def prove(books: Books) -> reconciliation_proof.Proof:
    of = (books.account_id, books.customer_id)
    return await reconciliation.reconcile(*of, at(1, 0), at(20, 0), NOW)


async def test_the_hours_of_a_voided_invoice_are_billed_again_at_their_current_sums(
    books: Books,
) -> None:
    call = await books.call(at(2), "1")
    first = await books.generate(2)
    await books.void(first.id)
    await books.correct(call, "3")
    second = await books.generate(2)
    assert [(line.kind, line.amount) for line in second.lines] == [("USAGE", 3)]
    assert second.number == "INV-000002"
    for invoice in (first, second):
        assert await recomputed_hash(books, invoice.id) == invoice.content_hash
    proof = await prove(books)
    assert (proof.differences, proof.pending, proof.invoiced) == ([], [], 3)


async def test_the_adjustments_of_a_voided_invoice_are_billed_again(books: Books) -> None:
    await books.call(at(2), "1")
    await books.generate(2)
    await books.call(at(2), "0.25")
    await books.call(at(3), "2")
    second = await books.generate(3)
    await books.void(second.id)
    proof = await prove(books)
    assert [difference.reason for difference in proof.pending] == [
        "ADJUSTMENT_PENDING",
        "NOT_INVOICED",
    ]
    assert proof.differences == []
    third = await books.generate(3)
    assert [line.amount for line in third.lines] == [2, Decimal("0.25")]
    for invoice in (second, third):
        assert await recomputed_hash(books, invoice.id) == invoice.content_hash
    proof = await prove(books)
    assert (proof.differences, proof.pending) == ([], [])


async def test_an_invoice_that_a_valid_invoice_adjusts_cannot_be_voided(books: Books) -> None:
    await books.call(at(2), "1")
    first = await books.generate(2)
    late = await books.call(at(2), "0.25")
    second = await books.generate()
    await books.correct(late, "0.5")
    third = await books.generate()
    for invoice in (first, second):
        with pytest.raises(asyncpg.RaiseError, match="a live invoice adjusts"):
            await books.void(invoice.id)
    for invoice in (third, second, first):
        await books.void(invoice.id)
    again = await books.generate(2)
    assert [(line.kind, line.amount) for line in again.lines] == [("USAGE", Decimal("1.5"))]


async def test_a_row_whose_invoice_was_voided_can_be_billed_again(books: Books) -> None:
    await books.call(at(2), "1")
    first = await books.generate(2)
    of = (books.account_id, books.customer_id)
    async with db.connection() as conn:
        assert await invoice_queries.holders(conn, *of, [at(2, 9)]) == ["INV-000001"]
    [row] = await summary_rows.invoicing(*of, periods.Granularity.DAILY, [at(2, 0)])
    assert row.hours_by_invoice == {first.id: 24}
    await books.void(first.id)
    async with db.connection() as conn:
        assert await invoice_queries.holders(conn, *of, [at(2, 9)]) == []
    [row] = await summary_rows.invoicing(*of, periods.Granularity.DAILY, [at(2, 0)])
    assert row.hours_by_invoice == {}


async def test_an_hour_that_was_billed_without_calls_is_adjusted_after_a_void(
    books: Books,
) -> None:
    await books.call(at(2), "1")
    first = await books.generate(2, 3)
    await books.call(at(3), "5")
    second = await books.generate()
    await books.void(second.id)
    assert (await books.generate()).subtotal == 5
    assert (await invoice_queries.get(books.account_id, first.id)).status == "ISSUED"
