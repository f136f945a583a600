"""Statements that the database refuses, so that no manual change bills an hour twice."""

import itertools
import random
from typing import Any

import asyncpg
import pytest

from domain.billing import invoices
from models import db
from tests.support.billing.books import NOW, Books, at, open_books
from tests.support.billing.statements import is_refused, refusal

STATUSES = tuple(invoices.Status)
POSSIBLE = {
    *((status, status) for status in STATUSES),
    ("ISSUED", "PAID"),
    ("ISSUED", "VOID"),
    ("PAID", "VOID"),
}
LIVE_DOCUMENTS_OF_AN_HOUR = """
SELECT max(documents) FROM (
    SELECT count(*) AS documents FROM invoice_hours h
    JOIN invoices i ON i.account_id = h.account_id AND i.id = h.invoice_id
    WHERE h.freed_at IS NULL OR i.status <> 'VOID'
    GROUP BY h.account_id, h.customer_id, h.hour
) AS held
"""


async def create_documents(books: Books) -> dict[str, int]:
    """A document in each status, by its status; the void one has freed its hours, and the paid one
    adjusts the issued one."""
    for day in (2, 3, 4, 5):
        await books.call(at(day), "1")
    invoices = {"ISSUED": await books.generate(2)}
    await books.call(at(2), "0.5")
    invoices["PAID"] = await books.generate(3)
    invoices["VOID"] = await books.generate(4)
    invoices["DRAFT"] = await books.generate(5, issue=False)
    await books.void(invoices["VOID"].id)
    async with db.transaction() as conn:
        await conn.execute("UPDATE invoices SET status = 'PAID' WHERE id = $1", invoices["PAID"].id)
    return {status: invoice.id for status, invoice in invoices.items()}


async def content() -> dict[str, list[Any]]:
    tables = ("ledger_entries", "invoices", "invoice_lines", "invoice_hours", "invoice_adjustments")
    async with db.connection() as conn:
        return {name: await conn.fetch(f"SELECT * FROM {name} ORDER BY 1, 2, 3") for name in tables}


@pytest.mark.parametrize(
    "table", ["ledger_entries", "idempotency_keys", "discarded_drafts", "audit_log", "facts"]
)
async def test_append_only_tables_refuse_changes(books: Books, table: str) -> None:
    await create_documents(books)
    await books.sql("INSERT INTO discarded_drafts VALUES ($1, 99, 1, $2)", books.account_id, NOW)
    for statement in (
        f"UPDATE {table} SET account_id = account_id",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
        f"TRUNCATE {table} CASCADE",
    ):
        assert await is_refused(statement), statement


async def test_an_invoice_allows_only_the_transitions_of_the_domain_rules(books: Books) -> None:
    ids = await create_documents(books)
    for old, new in itertools.product(STATUSES, STATUSES):
        statement = f"UPDATE invoices SET status = '{new}' WHERE id = {ids[old]}"
        assert await is_refused(statement) is ((old, new) not in POSSIBLE), (old, new)


async def test_an_invoice_can_only_be_issued_completely(books: Books) -> None:
    ids = await create_documents(books)
    issue = (
        "UPDATE invoices SET status = 'ISSUED', number = 'INV-9', position = 9,"
        " content_hash = 'hash', issued_at = created_at {} WHERE id = " + str(ids["DRAFT"])
    )
    assert await is_refused(issue.format(""))  # its hours are not pinned
    await books.sql("UPDATE invoice_hours SET version = 1 WHERE version IS NULL")
    assert not await is_refused(issue.format(""))
    for missing in ("content_hash", "issued_at", "number", "position"):
        assert await is_refused(issue.format("").replace(f"{missing} = ", f"{missing} = NULL --\n"))
    assert await is_refused(
        "INSERT INTO invoices SELECT account_id, id + 100, customer_id, kind, 'ISSUED', 'INV-8', 8,"
        " granularity, period_start, period_end, currency, subtotal, tax_percent, tax, rounding,"
        f" total, 'hash', created_at, created_at FROM invoices WHERE id = {ids['ISSUED']}"
    )


ANOTHER_VALUE = {
    "text": "{0} || 'x'",
    "timestamp with time zone": "{0} + interval '1 day'",
    "bigint": "{0} + 1",
    "integer": "{0} + 1",
    "numeric": "{0} + 1",
}
COLUMNS = """
SELECT table_name, column_name, data_type FROM information_schema.columns
WHERE table_name IN ('invoices', 'invoice_lines', 'invoice_hours', 'invoice_adjustments')
"""


@pytest.mark.parametrize("status", ["ISSUED", "PAID", "VOID"])
async def test_no_column_of_an_issued_document_or_its_parts_can_change(
    books: Books, status: str
) -> None:
    id, before, changed_columns = (await create_documents(books))[status], await content(), set()
    async with db.connection() as conn:
        columns = await conn.fetch(COLUMNS)
    for table, column, kind in columns:
        which = f"{'id' if table == 'invoices' else 'invoice_id'} = {id} AND {column} IS NOT NULL"
        if await books.value(f"SELECT count(*) FROM {table} WHERE {which}"):
            value = ANOTHER_VALUE[kind].format(column)
            error = await refusal(f"UPDATE {table} SET {column} = {value} WHERE {which}")
            assert "issued" in str(error), (table, column, error)
            changed_columns.add(table)
    assert changed_columns >= {"invoices", "invoice_lines", "invoice_hours"}
    assert await content() == before


@pytest.mark.parametrize("status", ["ISSUED", "PAID", "VOID"])
async def test_parts_of_an_issued_document_cannot_be_removed_or_added(
    books: Books, status: str
) -> None:
    ids = await create_documents(books)
    before, id, draft = await content(), ids[status], ids["DRAFT"]
    statements = [f"DELETE FROM invoices WHERE id = {id}"]
    statements += [f"TRUNCATE {table} CASCADE" for table in before]
    for table in ("invoice_lines", "invoice_hours"):
        statements.append(f"DELETE FROM {table} WHERE invoice_id = {id}")
        statements.append(f"UPDATE {table} SET invoice_id = {id} WHERE invoice_id = {draft}")
        statements.append(f"UPDATE {table} SET invoice_id = {draft} WHERE invoice_id = {id}")
    statements.append("DELETE FROM invoice_adjustments")
    statements.append(
        "INSERT INTO invoice_hours (account_id, customer_id, hour, invoice_id)"
        f" SELECT account_id, customer_id, hour + interval '1 year', {id} FROM invoice_hours"
        f" WHERE invoice_id = {id}"
    )
    assert [statement for statement in statements if not await is_refused(statement)] == []
    assert await content() == before


async def test_invoice_numbers_are_never_reused(books: Books) -> None:
    await create_documents(books)
    for statement in (
        "UPDATE invoice_series SET last_number = last_number - 1",
        "UPDATE invoice_series SET last_position = 0",
        "UPDATE invoice_series SET account_id = 99",
        "DELETE FROM invoice_series",
        "TRUNCATE invoice_series",
    ):
        assert await is_refused(statement), statement
    assert not await is_refused("UPDATE invoice_series SET last_number = last_number + 1")


def attacks(ids: dict[str, int]) -> list[str]:
    """Each would move an hour of a live document to another one, or remove it."""
    draft, issued, void = ids["DRAFT"], ids["ISSUED"], ids["VOID"]
    copied = (
        "INSERT INTO invoice_hours (account_id, customer_id, hour, invoice_id, version, freed_at)"
        f" SELECT account_id, customer_id, hour, {draft}, version, {{freed}} FROM invoice_hours"
        f" WHERE invoice_id = {issued}"
    )
    return [
        f"UPDATE invoices SET status = 'ISSUED' WHERE id = {void}",
        f"UPDATE invoice_hours SET freed_at = NULL WHERE invoice_id = {void}",
        f"UPDATE invoice_hours SET freed_at = now() WHERE invoice_id = {void}",
        f"UPDATE invoice_hours SET freed_at = now() WHERE invoice_id = {issued}",
        f"UPDATE invoice_hours SET freed_at = now() WHERE invoice_id = {draft}",
        f"UPDATE invoice_hours SET invoice_id = {draft} WHERE invoice_id = {issued}",
        "UPDATE invoice_hours SET account_id = account_id + 1",
        f"UPDATE invoice_hours SET hour = hour + interval '1 year' WHERE invoice_id = {issued}",
        f"DELETE FROM invoice_hours WHERE invoice_id = {issued}",
        f"DELETE FROM invoices WHERE id = {issued}",
        copied.format(freed="NULL"),
        copied.format(freed="now()"),
        "INSERT INTO invoice_adjustments (account_id, customer_id, hour, from_version, to_version,"
        " invoice_id, line, calls, billed_seconds, charge) SELECT account_id, customer_id, hour,"
        f" from_version, to_version + 1, {draft}, 1, 1, 1, 9 FROM invoice_adjustments",
        "UPDATE invoice_adjustments SET freed_at = now()",
        f"UPDATE invoices SET status = 'VOID' WHERE id = {issued};"  # the paid one adjusts its hour
        f" UPDATE invoice_hours SET freed_at = now() WHERE invoice_id = {issued}",
        "TRUNCATE invoices CASCADE",
        "TRUNCATE invoice_hours",
    ]


async def test_no_manual_statement_puts_a_billed_hour_on_another_document(books: Books) -> None:
    ids = await create_documents(books)
    await books.generate(4)  # the hours of the void one are billed again
    possible = [statement for statement in attacks(ids) if not await is_refused(statement)]
    assert possible == []


async def test_manual_statements_in_any_order_bill_an_hour_at_most_once(books: Books) -> None:
    """Possible statements stay, such as voiding; another account's invoices have the same ids."""
    ids, chance = await create_documents(books), random.Random(7)
    await books.generate(4)
    another = await open_books()
    await books.sql(
        "INSERT INTO invoices SELECT $1, id, customer_id, kind, 'DRAFT', NULL, NULL, granularity,"
        " period_start, period_end, currency, 0, 0, 0, 0, 0, NULL, created_at, NULL FROM invoices",
        another.account_id,
    )
    statements = attacks(ids) + [
        f"UPDATE invoices SET status = '{status}' WHERE id = {id}"
        for status in STATUSES
        for id in ids.values()
    ]
    for _ in range(150):
        try:
            async with db.transaction() as conn:
                for statement in chance.sample(statements, chance.randint(1, 2)):
                    await conn.execute(statement)
        except asyncpg.PostgresError:
            continue
        assert await books.value(LIVE_DOCUMENTS_OF_AN_HOUR) == 1


async def test_adding_a_part_waits_for_a_concurrent_issue_and_is_refused(
    books: Books, database: str
) -> None:
    ids = await create_documents(books)
    await books.sql("UPDATE invoice_hours SET version = 1 WHERE version IS NULL")
    outside = await asyncpg.connect(**_options(database))
    try:
        async with outside.transaction():
            await outside.execute(
                "UPDATE invoices SET status = 'ISSUED', number = 'INV-9', position = 9,"
                f" content_hash = '', issued_at = created_at WHERE id = {ids['DRAFT']}"
            )
            async with db.connection() as conn:
                with pytest.raises(asyncpg.LockNotAvailableError):
                    await conn.execute(
                        "SET lock_timeout = '50ms'; INSERT INTO invoice_lines SELECT account_id,"
                        f" {ids['DRAFT']}, 99, kind, description, period_start, period_end, calls,"
                        " billed_seconds, amount FROM invoice_lines LIMIT 1"
                    )
                await conn.execute("RESET lock_timeout")
    finally:
        await outside.close()


def _options(database: str) -> dict[str, Any]:
    options = db.config(database)["connections"]["default"]["credentials"]
    return {name: options[name] for name in ("host", "port", "user", "password", "database")}
