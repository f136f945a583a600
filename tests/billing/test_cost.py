"""The cost of an invoice does not grow with earlier invoices."""

import json
from datetime import timedelta
from typing import Any

import pytest

from models import db
from models.billing import bill_sql, invoice_queries, invoicing, reconciliation_sql
from models.checklists import checklist_sql
from tests.support.billing.books import FIRST, NOW, Books, at, open_customer

MONTH = 730  # hours

# A customer's hours before November, each with a call, billed by months.
_HOURS = """
INSERT INTO hours (account_id, customer_id, hour, version, attempts, answered, talk_us,
    billed_seconds, charge, unrated, rebuilt_at, billed)
SELECT $1, $2, $3::timestamptz - n * interval '1 hour', 1, 1, 1, 1, 1, 1, 0,
       $3::timestamptz, true
FROM generate_series(1, $4::int) AS n
"""
_INVOICES = """
INSERT INTO invoices (account_id, id, customer_id, kind, status, number, position, granularity,
    period_start, period_end, currency, subtotal, tax_percent, tax, rounding, total, content_hash,
    created_at, issued_at)
SELECT $1, $2::bigint * 1000 + n, $2::bigint, 'INVOICE', 'PAID', $2::bigint || '-' || n,
       $2::bigint * 1000 + n, 'MONTHLY', $3::timestamptz, $3::timestamptz,
       'EUR', 1, 0, 0, 0, 1, '', $3::timestamptz, $3::timestamptz
FROM generate_series(0, $4::int / 730) AS n
"""
_PINS = """
INSERT INTO invoice_hours (account_id, customer_id, hour, invoice_id, version, charge)
SELECT $1, $2::bigint, $3::timestamptz - n * interval '1 hour', $2::bigint * 1000 + n / 730, 1, 1
FROM generate_series(1, $4::int) AS n
"""
_TAXES = """
INSERT INTO ledger_entries (account_id, customer_id, kind, cause, invoice_id, amount, currency, at)
SELECT account_id, customer_id, 'TAX', 'invoice:' || id || ':tax', id, 1, 'EUR', created_at
FROM invoices WHERE customer_id = $1
"""
_CHARGES = """
INSERT INTO ledger_entries
    (account_id, customer_id, kind, cause, hour, version, amount, currency, at)
SELECT account_id, customer_id, 'CHARGE', customer_id || ' ' || hour, hour, 1, 1, 'EUR', hour
FROM hours WHERE customer_id = $1
"""
_ADJUSTMENTS = """
INSERT INTO invoice_adjustments (account_id, customer_id, hour, from_version, to_version,
    invoice_id, line, calls, billed_seconds, charge)
SELECT account_id, customer_id, hour, 0, 1, invoice_id, 1, 1, 1, 1
FROM invoice_hours WHERE customer_id = $1 AND extract(hour FROM hour) < 4
"""
_CHANGED = """
UPDATE hours SET version = 2, charge = 3
WHERE account_id = $1 AND customer_id = $2 AND hour >= $3::timestamptz - 5 * interval '1 hour'
"""


# By this connection of late, whichever statements it sent.
_ROWS_READ = """
SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint
FROM pg_stat_xact_user_tables
"""


async def with_history(books: Books, months: int) -> int:
    """A customer with `months` billed months, of which the last five hours have changed since."""
    customer = await open_customer(books, f"{months} months")
    of = (books.account_id, customer, FIRST, months * MONTH)
    for statement in (_HOURS, _INVOICES, _PINS):
        await books.sql(statement, *of)
    for statement in (_TAXES, _CHARGES, _ADJUSTMENTS):
        await books.sql(statement, customer)
    async with db.connection() as conn:
        await conn.execute(_CHANGED, *of[:3])
    return customer


async def blocks(statement: str, *arguments: object) -> int:
    """Blocks of tables and indexes that the statement reads."""
    async with db.connection() as conn:
        explained = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
        plan: dict[str, Any] = json.loads(await conn.fetchval(explained, *arguments))[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.fixture
async def histories(books: Books) -> tuple[int, int]:
    customers = (await with_history(books, 1), await with_history(books, 36))
    async with db.connection() as conn:
        await conn.execute("VACUUM ANALYZE")
    return customers


async def test_finding_changed_hours_reads_as_much_after_36_months_as_after_1(
    books: Books, histories: tuple[int, int]
) -> None:
    async with db.connection() as conn:
        for customer in histories:
            rows = await conn.fetch(bill_sql.CHANGED, books.account_id, customer)
            assert [row["hour"] for row in rows] == [
                FIRST - timedelta(hours=n) for n in (5, 4, 3, 2, 1)
            ]
    short, long = [
        await blocks(bill_sql.CHANGED, books.account_id, customer) for customer in histories
    ]
    assert long <= short * 1.2 + 5, (short, long)
    assert long < 100


async def test_creating_and_issuing_an_invoice_reads_as_many_rows_after_36_months_as_after_1(
    books: Books, histories: tuple[int, int]
) -> None:
    read = []
    for customer in histories:
        await books.call(at(2), "1", customer_id=customer)
        await books.rebuild()
        async with db.transaction() as conn:
            before = await conn.fetchval(_ROWS_READ)
            draft = await books.generate(2, customer_id=customer, issue=False)
            await invoicing.issue_draft(books.account_id, draft.id, key=f"i{customer}", now=NOW)
            read.append(await conn.fetchval(_ROWS_READ) - before)
        issued = await invoice_queries.get(books.account_id, draft.id)
        assert issued.subtotal == 1 + 5 * 2  # the call, and the hours that have changed
    short, long = read
    assert long <= short * 1.2, (short, long)


async def test_the_parts_of_an_invoice_are_found_without_reading_other_invoices(
    books: Books, histories: tuple[int, int]
) -> None:
    read: dict[str, list[int]] = {"posts": [], "changes": []}
    for customer in histories:
        which = [customer * 1000]
        read["posts"].append(
            await blocks(reconciliation_sql.POSTS, books.account_id, which, customer)
        )
        read["changes"].append(await blocks(reconciliation_sql.CHANGES, books.account_id, which))
    for name, (short, long) in read.items():
        assert long <= short * 1.2 + 5, (name, short, long)


async def test_a_checklist_reads_only_the_unpaid_invoices(
    books: Books, histories: tuple[int, int]
) -> None:
    short, long = [
        await blocks(checklist_sql.CUSTOMERS, books.account_id, [customer], at(20))
        for customer in histories
    ]
    assert long <= short * 1.2 + 5, (short, long)
