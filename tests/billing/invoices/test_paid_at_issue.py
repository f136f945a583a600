"""An invoice with a total of 0 is paid when it is issued."""

from decimal import Decimal
from pathlib import Path

import pytest

import models
from domain.billing import invoices
from models import db
from models.billing import invoice_queries, invoicing
from tests.support.billing.billing_api import FEED, GENERATE, customer, row
from tests.support.billing.billing_queries import ask, owner
from tests.support.billing.books import NOW, Books, at
from tests.support.billing.statements import is_refused

_MIGRATION = Path(models.__file__).parent / "migrations" / "0024_paid_at_issue.sql"
_PAY = """
UPDATE invoices SET status = 'PAID', number = 'INV-9', position = 9, content_hash = 'hash',
    issued_at = created_at WHERE id = {id}
"""


async def test_an_invoice_of_0_is_paid_at_issue(books: Books) -> None:
    await books.call(at(2), "0")
    await books.call(at(3), "1")
    free = await books.generate(2)
    assert (free.status, free.kind, free.total) == (invoices.Status.PAID, invoices.Kind.INVOICE, 0)
    assert (await books.generate(3)).status is invoices.Status.ISSUED


async def test_an_invoice_whose_total_is_rounded_to_0_is_paid_at_issue(books: Books) -> None:
    await books.call(at(2), "0.002")
    draft = await books.generate(2, issue=False)
    assert draft.status is invoices.Status.DRAFT
    issued = await invoicing.issue_draft(books.account_id, draft.id, key="issue", now=NOW)
    assert issued.status is invoices.Status.PAID
    assert (issued.subtotal, issued.total) == (Decimal("0.002"), 0)
    again = await invoicing.issue_draft(books.account_id, draft.id, key="issue", now=NOW)
    assert again == issued


async def test_a_paid_invoice_of_0_can_be_voided_and_adjusted(books: Books) -> None:
    await books.call(at(2), "0")
    free = await books.generate(2)
    await books.call(at(2), "0.5")
    await books.call(at(3), "0.5")
    adjusting = await books.generate(3)
    assert (adjusting.status, adjusting.subtotal) == (invoices.Status.ISSUED, Decimal(1))
    await books.void(adjusting.id)
    await books.void(free.id)
    assert (await books.generate(2)).subtotal == Decimal("0.5")


async def test_the_billing_feed_shows_an_invoice_of_0_as_paid(books: Books) -> None:
    await books.call(at(2), "0")
    rows = {"customerId": customer(books), "rowIds": [row(books, 2)], "issue": True}
    answer = await ask(owner(books), GENERATE, i=rows | {"idempotencyKey": "key"})
    [edge] = (await ask(owner(books), FEED, first=10))["invoices"]["edges"]
    for invoice in (answer["generateInvoice"], edge["node"]):
        assert (invoice["status"], invoice["number"]) == ("PAID", "INV-000001")


@pytest.mark.parametrize(
    ("total", "kind", "version", "is_possible"),
    [
        ("0", "INVOICE", "1", True),
        ("0.01", "INVOICE", "1", False),
        ("0", "CREDIT_NOTE", "1", False),
        ("0", "INVOICE", "NULL", False),
    ],
)
async def test_at_issue_the_database_allows_only_an_invoice_of_0_to_be_paid(
    books: Books, total: str, kind: str, version: str, is_possible: bool
) -> None:
    await books.call(at(2), "1")
    draft = await books.generate(2, issue=False)
    await books.sql(f"UPDATE invoice_hours SET version = {version}")
    await books.sql(f"UPDATE invoices SET total = {total}, kind = '{kind}'")
    assert await is_refused(_PAY.format(id=draft.id)) is not is_possible


async def test_the_migration_marks_earlier_invoices_of_0_as_paid(books: Books) -> None:
    for day, charge in ((2, "0"), (3, "0"), (4, "0"), (5, "1"), (6, "0")):
        await books.call(at(day), charge)
    answer = [await books.generate(day) for day in (2, 3, 4, 5)]
    draft = await books.generate(6, issue=False)
    await books.sql("UPDATE invoices SET status = 'ISSUED' WHERE id = $1", answer[0].id)
    await books.void(answer[2].id)
    async with db.transaction() as conn:
        await conn.execute(_MIGRATION.read_text("utf-8"))
    page = await invoice_queries.page(
        books.account_id, None, list(invoices.Status), invoice_queries.START, 10
    )
    statuses = [str(invoice.status) for invoice in page.invoices]
    assert statuses == ["PAID", "PAID", "VOID", "ISSUED", "DRAFT"]
    assert page.invoices[0].content_hash == answer[0].content_hash
    assert page.invoices[-1].id == draft.id
