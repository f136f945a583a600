"""Documents with a negative total, and documents of adjustments only."""

from decimal import Decimal

import pytest

from domain import periods
from domain.billing import invoices, reconciliation_proof
from domain.identity.callers import Scope
from domain.refusals import Refusal
from models import db
from models.billing import invoice_queries, invoicing, ledger, reconciliation
from tests.support.billing.billing_api import FEED, generate
from tests.support.billing.billing_queries import ask, key, owner
from tests.support.billing.books import NOW, Books, at


async def prove(books: Books) -> reconciliation_proof.Proof:
    of = (books.account_id, books.customer_id)
    return await reconciliation.reconcile(*of, at(1, 0), at(20, 0), NOW)


async def owed(books: Books) -> Decimal:
    return -await ledger.balance(books.account_id, books.customer_id)


async def test_a_document_with_a_negative_total_is_a_credit_note_of_the_same_series(
    books: Books,
) -> None:
    call = await books.call(at(2), "10")
    first = await books.generate(2)
    await books.correct(call, "0")
    await books.call(at(3), "1.00")
    draft = await books.generate(3, issue=False)
    assert draft.kind is invoices.Kind.CREDIT_NOTE
    note = await invoicing.issue_draft(books.account_id, draft.id, key="i", now=NOW)
    assert (note.kind, note.number, note.position) == ("CREDIT_NOTE", "INV-000002", 2)
    assert (note.subtotal, note.tax, note.total) == (-9, Decimal("-1.71"), Decimal("-10.71"))
    assert [line.amount for line in note.lines] == [1, -10]
    assert await owed(books) == first.total + note.total
    assert (await prove(books)).differences == []
    page = await invoice_queries.page(
        books.account_id, None, [invoices.Status.ISSUED], invoice_queries.START, 9
    )
    assert [invoice.kind for invoice in page.invoices] == ["INVOICE", "CREDIT_NOTE"]


async def test_the_total_decides_whether_a_draft_becomes_a_credit_note_or_an_invoice(
    books: Books,
) -> None:
    call = await books.call(at(2), "1")
    await books.generate(2)
    await books.call(at(3), "1")
    draft = await books.generate(3, issue=False)
    assert draft.kind is invoices.Kind.INVOICE
    await books.correct(call, "-1")
    issued = await invoicing.issue_draft(books.account_id, draft.id, key="i", now=NOW)
    assert (issued.total, issued.kind) == (Decimal("-1.19"), invoices.Kind.CREDIT_NOTE)


async def test_a_customer_without_new_calls_is_billed_only_adjustments(
    books: Books,
) -> None:
    calls = [await books.call(at(day, hour), "1") for day, hour in ((2, 9), (3, 22))]
    await books.generate(2, 3)
    await books.correct(calls[0], "0.5")
    await books.correct(calls[1], "0.4")
    note = await books.generate(expected="-1.1")
    assert (note.kind, note.granularity, note.subtotal) == (
        invoices.Kind.CREDIT_NOTE,
        invoices.ADJUSTMENTS,
        Decimal("-1.1"),
    )
    assert (note.period_start, note.period_end) == (at(2, 9), at(3, 23))
    assert [line.kind for line in note.lines] == [invoices.LineKind.ADJUSTMENT] * 2
    proof = await prove(books)
    assert (proof.differences, proof.pending) == ([], [])
    assert proof.invoiced == Decimal("0.9")


async def test_an_empty_selection_without_changes_has_nothing_to_invoice(books: Books) -> None:
    for _ in range(2):
        with pytest.raises(Refusal, match="No billed hour") as error:
            await books.generate(issue=False)
        assert error.value.code == "NOTHING_TO_INVOICE"
        await books.call(at(2), "1")
        await books.generate(2, key="once")


async def test_the_expected_subtotal_without_rows_is_the_sum_of_the_adjustments(
    books: Books,
) -> None:
    call = await books.call(at(2), "1")
    await books.generate(2)
    await books.correct(call, "1.5")
    with pytest.raises(Refusal, match=r"now sum to 0\.5") as error:
        await books.generate(expected="0")
    assert error.value.code == "SUBTOTAL_CHANGED"
    assert (await books.generate(expected="0.5")).total == Decimal("0.60")


async def test_concurrent_drafts_of_the_same_adjustments_bill_them_once(books: Books) -> None:
    call = await books.call(at(2), "1")
    await books.generate(2)
    await books.correct(call, "2")
    drafts = [await books.generate(issue=False) for _ in range(2)]
    assert [draft.subtotal for draft in drafts] == [1, 1]
    await invoicing.issue_draft(books.account_id, drafts[0].id, key="a", now=NOW)
    with pytest.raises(Refusal) as error:
        await invoicing.issue_draft(books.account_id, drafts[1].id, key="b", now=NOW)
    assert (error.value.code, error.value.field) == ("NOTHING_TO_INVOICE", "id")


async def test_a_draft_of_adjustments_has_the_period_of_its_hours_when_issued(
    books: Books,
) -> None:
    call = await books.call(at(4), "1")
    await books.call(at(2), "1")
    await books.generate(2, 4)
    await books.correct(call, "2")
    draft = await books.generate(issue=False)
    assert (draft.period_start, draft.period_end) == (at(4, 9), at(4, 10))
    await books.call(at(2), "1")
    issued = await invoicing.issue_draft(books.account_id, draft.id, key="i", now=NOW)
    assert (issued.period_start, issued.period_end) == (at(2, 9), at(4, 10))


async def test_clients_bill_only_adjustments_by_selecting_no_row(books: Books) -> None:
    call = await books.call(at(2), "1")
    await books.generate(2)
    await books.correct(call, "0")
    invoice = await generate(books, by=key(books, Scope.BILLING_WRITE))
    assert invoice["total"] == {"amount": "-1.19", "currency": "EUR"}
    again = await generate(books, by=key(books, Scope.BILLING_WRITE))
    assert again == invoice
    node = (await ask(owner(books), FEED, first=9))["invoices"]["edges"][1]["node"]
    assert (node["kind"], node["subtotal"]) == ("CREDIT_NOTE", {"amount": "-1"})


async def test_the_database_refuses_an_invoice_with_a_negative_total(books: Books) -> None:
    call = await books.call(at(2), "1")
    await books.generate(2)
    await books.correct(call, "0")
    draft = await books.generate(issue=False)
    async with db.connection() as conn:
        with pytest.raises(Exception, match="issued with its kind"):
            await conn.execute(
                "UPDATE invoices SET kind = 'INVOICE', status = 'ISSUED', number = 'INV-9',"
                " position = 9, content_hash = '', issued_at = created_at"
                " WHERE account_id = $1 AND id = $2",
                *(books.account_id, draft.id),
            )


async def test_an_invoice_of_rows_and_adjustments_keeps_the_granularity_of_its_rows(
    books: Books,
) -> None:
    """The heading of rows does not depend on the adjustments beside them."""
    call = await books.call(at(2), "1")
    await books.generate(2)
    await books.correct(call, "2")
    await books.call(at(5), "1")
    invoice = await books.generate(5)
    assert invoice.granularity == periods.Granularity.DAILY
    assert (invoice.period_start, invoice.period_end) == (at(5, 0), at(6, 0))
