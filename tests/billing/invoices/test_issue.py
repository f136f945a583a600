"""Issuing a draft: only with the subtotal that the caller has seen, and once."""

import asyncio
from decimal import Decimal

import pytest

from domain.billing import invoices
from domain.refusals import Refusal
from models.billing import invoice_queries, invoicing
from schema.engine import base
from tests.support.billing.billing_queries import ask, contact, owner
from tests.support.billing.books import NOW, Books, at, open_customer

ISSUE = """mutation ($i: IssueInvoiceInput!) { issueInvoice(input: $i) {
  ... on Invoice { number subtotal { amount } } ... on Refusal { code message field } } }"""


async def refusal(books: Books, draft: invoices.Invoice, expected: str | None, key: str) -> Refusal:
    with pytest.raises(Refusal) as error:
        await issue(books, draft, expected, key)
    return error.value


async def issue(
    books: Books, draft: invoices.Invoice, expected: str | None, key: str
) -> invoices.Invoice:
    return await invoicing.issue_draft(
        books.account_id,
        draft.id,
        key=key,
        expected=None if expected is None else Decimal(expected),
        now=NOW,
    )


async def test_a_draft_that_has_changed_is_refused_and_shows_its_new_subtotal(
    books: Books,
) -> None:
    await books.call(at(2), "1.19")
    draft = await books.generate(2, issue=False)
    await books.call(at(2), "4.76")
    error = await refusal(books, draft, "1.19", "k")
    assert (error.code, error.field) == ("SUBTOTAL_CHANGED", "expectedSubtotal")
    assert "5.95" in error.message
    invoice = await invoice_queries.get(books.account_id, draft.id)
    assert (invoice.status, invoice.subtotal) == ("DRAFT", Decimal("5.95"))
    issued = await issue(books, draft, "5.950", "k")
    assert (issued.number, issued.subtotal) == ("INV-000001", Decimal("5.95"))


async def test_the_expected_subtotal_of_a_draft_includes_its_adjustments(books: Books) -> None:
    await books.call(at(2), "1")
    await books.generate(2)
    await books.call(at(3), "2")
    draft = await books.generate(3, issue=False, expected="2")
    await books.call(at(2), "0.25")
    assert (await refusal(books, draft, "2", "k")).code == "SUBTOTAL_CHANGED"
    assert (await issue(books, draft, "2.25", "k")).subtotal == Decimal("2.25")


async def test_the_expected_subtotal_belongs_to_the_input_of_an_idempotency_key(
    books: Books,
) -> None:
    await books.call(at(2), "1")
    draft = await books.generate(2, issue=False)
    first = await issue(books, draft, "1.00", "k")
    assert await issue(books, draft, "1", "k") == first
    assert (await refusal(books, draft, None, "k")).code == "IDEMPOTENCY_KEY_REUSED"
    logged = await books.value("SELECT after FROM audit_log WHERE action = 'invoice.issued'")
    assert logged == '{"expected_subtotal": "1"}'


async def test_a_key_from_a_release_without_expected_subtotals_still_returns_its_invoice(
    books: Books,
) -> None:
    await books.call(at(2), "1")
    draft = await books.generate(2, issue=False)
    first = await issue(books, draft, None, "k")
    old = "SELECT digest = sha256($1::bytea) FROM idempotency_keys WHERE mutation = 'issueInvoice'"
    assert await books.value(old, f'{{"invoiceId":{draft.id}}}'.encode())
    assert await issue(books, draft, None, "k") == first


async def test_a_repeated_request_returns_the_current_invoice(books: Books) -> None:
    await books.call(at(2), "1")
    draft = await books.generate(2, issue=False, key="g")
    issued = await issue(books, draft, None, "i")
    assert await books.generate(2, issue=False, key="g") == issued
    await books.sql("UPDATE invoices SET status = 'PAID'")
    for again in (books.generate(2, issue=False, key="g"), issue(books, draft, None, "i")):
        assert (await again).status is invoices.Status.PAID


async def test_operations_on_a_discarded_draft_report_that_it_was_discarded(books: Books) -> None:
    await books.call(at(2), "1")
    draft = await books.generate(2, issue=False, key="g")
    await invoicing.discard_draft(books.account_id, draft.id, now=NOW)
    repeated = [
        books.generate(2, issue=False, key="g"),
        issue(books, draft, None, "i"),
        invoicing.discard_draft(books.account_id, draft.id, now=NOW),
    ]
    answers = await asyncio.gather(*repeated, return_exceptions=True)
    assert [getattr(answer, "code", answer) for answer in answers] == ["DRAFT_DISCARDED"] * 3
    assert await books.value("SELECT count(*) FROM idempotency_keys") == 1  # generateInvoice's


async def test_a_draft_that_is_issued_and_discarded_concurrently_ends_as_one_of_them(
    books: Books,
) -> None:
    outcomes = set()
    for day in range(2, 10):
        await books.call(at(day), "1")
        draft = await books.generate(day, issue=False)
        answers = await asyncio.gather(
            issue(books, draft, "1", f"i{day}"),
            invoicing.discard_draft(books.account_id, draft.id, now=NOW),
            issue(books, draft, "1", f"i{day}"),
            return_exceptions=True,
        )
        outcomes.add(
            tuple(getattr(answer, "code", getattr(answer, "status", answer)) for answer in answers)
        )
    assert outcomes <= {
        ("DRAFT_DISCARDED", None, "DRAFT_DISCARDED"),
        ("ISSUED", "NOT_A_DRAFT", "ISSUED"),
    }


async def test_clients_confirm_the_subtotal_they_have_seen(books: Books) -> None:
    await books.call(at(2), "1.19")
    draft = await books.generate(2, issue=False)
    request = {
        "invoiceId": base.encode_id("Invoice", books.account_id, draft.id),
        "idempotencyKey": "k",
        "expectedSubtotal": "1.19",
    }
    await books.call(at(2), "4.76")
    answer = (await ask(owner(books), ISSUE, i=request))["issueInvoice"]
    assert answer == {
        "code": "SUBTOTAL_CHANGED",
        "message": "The subtotal of the draft is now 5.95. Read the draft again, then confirm this"
        " sum.",
        "field": "expectedSubtotal",
    }
    issued = await ask(owner(books), ISSUE, i=request | {"expectedSubtotal": "5.95"})
    assert issued["issueInvoice"] == {"number": "INV-000001", "subtotal": {"amount": "5.95"}}


async def test_a_discarded_draft_does_not_exist_for_another_customer(books: Books) -> None:
    other = await open_customer(books, "second")
    await books.call(at(2), "1")
    draft = await books.generate(2, issue=False)
    await invoicing.discard_draft(books.account_id, draft.id, now=NOW)
    id = base.encode_id("Invoice", books.account_id, draft.id)
    for by, code in [
        (owner(books), "DRAFT_DISCARDED"),
        (contact(books, books.customer_id), "DRAFT_DISCARDED"),
        (contact(books, other), "NOT_FOUND"),
    ]:
        answer = await ask(by, ISSUE, i={"invoiceId": id, "idempotencyKey": "k"})
        assert answer["issueInvoice"]["code"] == code
