"""generateInvoice, the invoice feed and the reconciliation over the API."""

from domain import periods
from domain.identity import callers
from domain.identity.callers import Scope
from schema.engine import base
from tests.support.billing.billing_api import FEED, customer, generate, row
from tests.support.billing.billing_queries import ask, contact, key, owner
from tests.support.billing.books import NOW, Books, at, open_books, open_customer

PROOF = """
query Proof($c: ID!, $from: DateTime!, $to: DateTime!) {
  reconciliation(customerId: $c, from: $from, to: $to) {
    balanced records { calls charge { amount } } rows { calls charge { amount } }
    ledger { charge { amount } } invoiced { charge { amount } }
    pending { hour reason } differences { hour detail }
  }
}
"""


async def test_an_invoice_created_from_rows_appears_in_the_feed(books: Books) -> None:
    await books.call(at(2), "0.0000001")
    await books.call(at(3), "10")
    invoice = await generate(books, row(books, 2), row(books, 3))
    assert invoice["number"] == "INV-000001"
    assert invoice["total"] == {"amount": "11.90", "currency": "EUR"}
    feed = (await ask(key(books, Scope.BILLING_READ), FEED, first=10))["invoices"]
    assert feed["pageInfo"]["hasNextPage"] is False
    node = feed["edges"][0]["node"]
    assert (node["id"], node["status"], node["kind"]) == (invoice["id"], "ISSUED", "INVOICE")
    assert node["customer"] == {"id": customer(books), "reference": "first"}
    assert node["subtotal"] == {"amount": "10.0000001"}
    assert node["tax"] == {"amount": "1.900000019"}
    assert node["rounding"] == {"amount": "-0.000000119"}
    assert len(node["contentHash"]) == 64
    assert node["lines"][0] == {
        "kind": "USAGE",
        "description": "Calls on 2026-11-02",
        "periodStart": "2026-11-02T00:00:00.000000Z",
        "periodEnd": "2026-11-03T00:00:00.000000Z",
        "calls": 1,
        "billedSeconds": 60,
        "amount": {"amount": "0.0000001"},
    }


async def test_the_same_request_returns_the_same_response_byte_for_byte(books: Books) -> None:
    await books.call(at(2), "1")
    first = await generate(books, row(books, 2), idempotencyKey="k", expectedSubtotal="1.00")
    again = await generate(books, row(books, 2), idempotencyKey="k", expectedSubtotal="1.00")
    assert first == again
    other = await generate(books, row(books, 2), idempotencyKey="k")
    assert (other["__typename"], other["code"]) == ("Conflict", "IDEMPOTENCY_KEY_REUSED")


async def test_the_feed_is_read_page_by_page(books: Books) -> None:
    for day in range(2, 7):
        await books.call(at(day), "1")
        await books.generate(day)
    numbers, after = [], None
    while True:
        feed = (await ask(key(books, Scope.BILLING_READ), FEED, first=2, after=after))["invoices"]
        numbers += [edge["node"]["number"] for edge in feed["edges"]]
        after = feed["pageInfo"]["endCursor"] or after
        if not feed["pageInfo"]["hasNextPage"]:
            break
    assert numbers == [f"INV-{n:06d}" for n in range(1, 6)]
    await books.call(at(7), "1")
    await books.generate(7)
    feed = (await ask(key(books, Scope.BILLING_READ), FEED, first=2, after=after))["invoices"]
    assert [edge["node"]["number"] for edge in feed["edges"]] == ["INV-000006"]


async def test_invalid_page_sizes_and_cursors_are_refused(books: Books) -> None:
    for arguments, code in [
        ({"first": 0}, "BAD_PAGE_SIZE"),
        ({"first": 101}, "BAD_PAGE_SIZE"),
        ({"first": 1, "after": "x"}, "BAD_CURSOR"),
        ({"first": 1, "after": base.encode_cursor("a", 1)}, "BAD_CURSOR"),
        ({"first": 1, "after": base.encode_cursor(1)}, "BAD_CURSOR"),
    ]:
        data = await ask(owner(books), FEED, **arguments)
        assert data["errors"][0]["extensions"]["code"] == code


async def test_inconsistent_selections_are_refused(books: Books) -> None:
    other = await open_customer(books, "second")
    weekly = row(books, 2, periods.Granularity.WEEKLY)
    stranger = await open_books()
    for rows, code in [
        ([row(books, 2), weekly], "MIXED_ROWS"),
        ([row(books, 2), row(books, 3, customer_id=other)], "MIXED_ROWS"),
        ([row(books, 2, periods.Granularity.LIVE)], "ROWS_NOT_BILLABLE"),
        ([], "NOTHING_TO_INVOICE"),
        ([row(stranger, 2)], "NOT_FOUND"),
        (["garbage"], "NOT_FOUND"),
        ([customer(books)], "NOT_FOUND"),
    ]:
        assert (await generate(books, *rows, idempotencyKey="k"))["code"] == code
    for odd in ("", "x" * 201, "a\x1fb"):
        refusal = await generate(books, row(books, 2), idempotencyKey=odd)
        assert refusal["code"] == "INVALID_IDEMPOTENCY_KEY"


async def test_an_invoice_with_too_many_rows_is_refused(books: Books) -> None:
    text = "mutation M($i: GenerateInvoiceInput!) { generateInvoice(input: $i) { __typename } }"
    input = {"customerId": customer(books), "rowIds": [row(books, 2)] * 401, "idempotencyKey": "k"}
    [error] = (await ask(owner(books), text, i=input))["errors"]
    assert error["extensions"] == {
        "code": "TOO_MANY_ITEMS",
        "field": "rowIds",
        "limit": 400,
        "requested": 401,
    }


async def test_a_row_selected_twice_is_billed_once(books: Books) -> None:
    await books.call(at(2), "1")
    invoice = await generate(books, row(books, 2), row(books, 2))
    assert invoice["total"]["amount"] == "1.19"


async def test_only_permitted_callers_create_and_read_invoices(books: Books) -> None:
    other = await open_customer(books, "second")
    await books.call(at(2), "1")
    support = callers.Caller(books.account_id, callers.Kind.STAFF, 1, callers.Role.SUPPORT)
    for by in (support, key(books, Scope.BILLING_READ), key(books, Scope.INGEST)):
        assert (await generate(books, row(books, 2), by=by))["code"] == "FORBIDDEN"
    for by in (contact(books, other), key(books, Scope.BILLING_WRITE, customer_id=other)):
        assert (await generate(books, row(books, 2), by=by))["code"] == "NOT_FOUND"
    invoice = await generate(books, row(books, 2), by=key(books, Scope.BILLING_WRITE))
    query = "query($id: ID!) { invoice(id: $id) { number } node(id: $id) { id } }"
    for by, count in [
        (support, True),
        (contact(books, books.customer_id), True),
        (contact(books, other), False),
        (key(books, Scope.BILLING_READ, customer_id=other), False),
        (owner(await open_books()), False),
    ]:
        data = await ask(by, query, id=invoice["id"])
        assert (data["invoice"] is not None) is count
        assert (data["node"] is not None) is count
        edges = (await ask(by, FEED, first=5))["invoices"]["edges"]
        assert len(edges) == (1 if count else 0)
    for caller, code in [(None, "UNAUTHENTICATED"), (key(books, Scope.INGEST), "FORBIDDEN")]:
        data = await ask(caller, FEED, first=5)
        assert data["errors"][0]["extensions"]["code"] == code


async def test_a_draft_is_issued_or_discarded_over_the_api(books: Books) -> None:
    for day in (2, 3):
        await books.call(at(day), "1")
    invoice = await generate(books, row(books, 2), issue=False)
    dropped = await generate(books, row(books, 3), issue=False)
    assert (invoice["status"], invoice["number"]) == ("DRAFT", None)
    data = await ask(
        owner(books),
        """mutation($a: ID!, $b: ID!) {
          issueInvoice(input: {invoiceId: $a, idempotencyKey: "i"}) {
            ... on Invoice { number } ... on Refusal { code } }
          discardDraft(input: {invoiceId: $b}) { ... on Invoice { id } ... on Refusal { code } }
        }""",
        a=invoice["id"],
        b=dropped["id"],
    )
    assert data == {"issueInvoice": {"number": "INV-000001"}, "discardDraft": {"id": dropped["id"]}}
    logged = await books.value(
        "SELECT array_agg(actor || ' ' || action ORDER BY id) FROM audit_log WHERE account_id = $1",
        books.account_id,
    )
    actions = ("made", "made", "issued", "discarded")
    assert logged == [f"staff:1 invoice.{action}" for action in actions]


async def test_the_client_documents_read_the_reconciliation(books: Books) -> None:
    await books.call(at(2), "1.50")
    await books.generate(2)
    await books.call(at(3), "0.25")
    await books.rebuild()
    variables = {
        "c": customer(books),
        "from": "2026-11-01T00:00:00Z",
        "to": "2026-11-08T01:00:00+01:00",
    }
    data = await ask(contact(books, books.customer_id), PROOF, **variables)
    assert data["reconciliation"] == {
        "balanced": True,
        "records": {"calls": 2, "charge": {"amount": "1.75"}},
        "rows": {"calls": 2, "charge": {"amount": "1.75"}},
        "ledger": {"charge": {"amount": "1.75"}},
        "invoiced": {"charge": {"amount": "1.50"}},
        "pending": [{"hour": "2026-11-03T09:00:00.000000Z", "reason": "NOT_INVOICED"}],
        "differences": [],
    }
    await books.sql("UPDATE rollups SET charge = 2 WHERE slot = $1", at(3))
    proof = (await ask(owner(books), PROOF, **variables))["reconciliation"]
    assert proof["balanced"] is False
    assert {difference["hour"] for difference in proof["differences"]} == {
        "2026-11-03T09:00:00.000000Z"
    }
    for bad in ({"to": "2026-10-01T00:00:00Z"}, {"to": "2029-01-01T00:00:00Z"}):
        data = await ask(owner(books), PROOF, **(variables | bad))
        assert data["errors"][0]["extensions"]["code"] == "BAD_PERIOD"
    stranger = owner(await open_books())
    data = await ask(stranger, PROOF, **variables)
    assert data["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_a_row_that_is_still_open_is_refused(books: Books) -> None:
    await books.call(at(NOW.day), "1")
    refusal = await generate(books, row(books, NOW.day))
    assert (refusal["__typename"], refusal["code"]) == ("Conflict", "ROW_OPEN")
