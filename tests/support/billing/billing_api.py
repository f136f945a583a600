"""Invoices generated and read over the API."""

from typing import Any

from domain import periods
from domain.identity import callers
from schema.engine import base
from tests.support.billing.billing_queries import ask, owner
from tests.support.billing.books import Books, at

GENERATE = """
mutation Generate($i: GenerateInvoiceInput!) {
  generateInvoice(input: $i) {
    __typename
    ... on Invoice { id number status total { amount currency } }
    ... on Refusal { code message field }
  }
}
"""
FEED = """
query BillingFeed($after: String, $first: Int!) {
  invoices(first: $first, after: $after, filter: { statuses: [ISSUED, PAID, VOID] }) {
    pageInfo { hasNextPage endCursor }
    edges { cursor node { id kind number status issuedAt periodStart periodEnd
      customer { id reference } currency subtotal { amount } tax { amount } rounding { amount }
      total { amount currency } contentHash
      lines { kind description periodStart periodEnd calls billedSeconds amount { amount } } } }
  }
}
"""


def customer(books: Books, customer_id: int | None = None) -> str:
    return base.encode_id("Customer", books.account_id, customer_id or books.customer_id)


def row(
    books: Books,
    day: int,
    granularity: periods.Granularity = periods.Granularity.DAILY,
    customer_id: int | None = None,
) -> str:
    start = periods.period_containing(granularity, at(day)).start
    of = customer_id or books.customer_id
    row_key = periods.RowKey(books.account_id, of, granularity, start)
    return base.encode_id("SummaryRow", books.account_id, *row_key.parts())


async def generate(
    books: Books, *rows: str, by: callers.Caller | None = None, **others: Any
) -> dict[str, Any]:
    values = {
        "customerId": customer(books),
        "rowIds": list(rows),
        "idempotencyKey": f"rows-{len(rows)}-{hash(rows)}",
    } | others
    data = await ask(by or owner(books), GENERATE, i=values)
    assert "errors" not in data, data["errors"]
    answer: dict[str, Any] = data["generateInvoice"]
    return answer
