"""The texts of invoice lines: in the language of the customer, and unchanged after issue."""

import pytest

from models.billing import invoicing, reconciliation
from models.tables import Account, Customer
from tests.support.billing.billing_api import FEED, generate, row
from tests.support.billing.billing_queries import ask, owner
from tests.support.billing.books import NOW, Books, at


async def _speaks(books: Books, language: str) -> None:
    await Customer.filter(account_id=books.account_id, id=books.customer_id).update(
        language=language
    )


async def _feed(books: Books) -> object:
    return await ask(owner(books), FEED, first=10)


@pytest.mark.parametrize(
    ("language", "description"),
    [
        ("en", "Calls on 2026-11-02"),
        ("de", "Anrufe am 02.11.2026"),
        ("es", "Llamadas del 2 nov 2026"),
    ],
)
async def test_a_line_is_described_in_the_language_of_the_customer(
    books: Books, language: str, description: str
) -> None:
    await _speaks(books, language)
    await books.call(at(2), "1")
    invoice = await books.generate(2)
    assert [line.description for line in invoice.lines] == [description]


async def test_destinations_and_adjustments_are_described_in_german(books: Books) -> None:
    await _speaks(books, "de")
    await Account.filter(id=books.account_id).update(invoice_grouping="DESTINATION")
    late = await books.call(at(2), "1", prefix="1555")
    await books.call(at(2), "1")
    await books.call(at(2), "1", prefix="")
    first = await books.generate(2)
    await books.correct(late, "3")
    await books.call(at(3), "1", prefix="44")
    second = await books.generate(3)
    assert [line.description for line in (*first.lines, *second.lines)] == [
        "Anrufe zu allen anderen Rufnummern",
        "Anrufe nach 1555",
        "Von der Vermittlung tarifierte Anrufe",
        "Anrufe nach 44",
        "Korrektur für 02.11.2026 09:00 UTC, abgerechnet mit INV-000001",
    ]


async def test_changing_the_language_does_not_change_an_issued_invoice_or_its_hash(
    books: Books,
) -> None:
    await _speaks(books, "de")
    await books.call(at(2), "1")
    first = await generate(books, row(books, 2), idempotencyKey="k")
    feed = await _feed(books)
    await _speaks(books, "es")
    assert await generate(books, row(books, 2), idempotencyKey="k") == first
    assert await _feed(books) == feed
    of = (books.account_id, books.customer_id)
    assert (await reconciliation.reconcile(*of, at(2, 0), at(3, 0), NOW)).is_balanced


async def test_a_draft_is_issued_in_the_current_language_of_the_customer(books: Books) -> None:
    await books.call(at(2), "1")
    draft = await books.generate(2, issue=False)
    assert [line.description for line in draft.lines] == ["Calls on 2026-11-02"]
    await _speaks(books, "de")
    issued = await invoicing.issue_draft(books.account_id, draft.id, key="i", now=NOW)
    assert [line.description for line in issued.lines] == ["Anrufe am 02.11.2026"]
    await _speaks(books, "en")
    assert await invoicing.issue_draft(books.account_id, draft.id, key="i", now=NOW) == issued
