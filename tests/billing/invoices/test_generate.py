"""Invoices of selected days: their contents and refusals."""

from collections.abc import Awaitable
from datetime import timedelta
from decimal import Decimal

import pytest

from domain import periods
from domain.billing import invoices
from domain.refusals import Refusal
from models import db
from models.billing import invoice_queries, invoicing, ledger
from tests.support.billing.books import NOW, Books, at, open_books, open_customer, selection


async def refusal_of(answer: Awaitable[object]) -> Refusal:
    with pytest.raises(Refusal) as error:
        await answer
    return error.value


async def test_an_invoice_has_a_line_per_day_and_totals_equal_to_their_sum(books: Books) -> None:
    await books.call(at(2, 3), "1.234567")
    await books.call(at(2, 23, 59), "0.000001")
    await books.call(at(2, 5), "0", talk_seconds=0)
    await books.call(at(4), "2.5", talk_seconds=36)
    invoice = await books.generate(2, 3, 4)
    assert [(line.description, line.calls, line.billed_seconds) for line in invoice.lines] == [
        ("Calls on 2026-11-02", 3, 120),
        ("Calls on 2026-11-04", 1, 36),
    ]
    assert [line.amount for line in invoice.lines] == [Decimal("1.234568"), Decimal("2.5")]
    assert invoice.subtotal == Decimal("3.734568")
    assert invoice.tax == Decimal("0.70956792")
    assert invoice.total == Decimal("4.44")
    assert invoice.rounding == Decimal("-0.00413592")
    assert (invoice.number, invoice.position) == ("INV-000001", 1)
    assert invoice.status is invoices.Status.ISSUED
    assert (invoice.period_start, invoice.period_end) == (at(2, 0), at(5, 0))


async def test_the_subtotal_equals_an_independent_sum_of_the_records(books: Books) -> None:
    for n in range(40):
        await books.call(at(1 + n % 5, n % 24), f"0.{n:06d}1")
    invoice = await books.generate(1, 2, 3, 4, 5)
    assert invoice.subtotal == await books.value(
        "SELECT sum(charge) FROM call_records WHERE account_id = $1 AND final", books.account_id
    )


async def test_an_account_can_group_its_lines_by_destination(database: str) -> None:
    books = await open_books(grouping="DESTINATION")
    await books.call(at(2), "1", prefix="44")
    await books.call(at(3), "2", prefix="44")
    await books.call(at(3), "4", prefix="1555")
    await books.call(at(3), "8")
    invoice = await books.generate(2, 3)
    assert [(line.description, line.calls, line.amount) for line in invoice.lines] == [
        ("Calls to 1555", 1, Decimal(4)),
        ("Calls to 44", 2, Decimal(3)),
        ("Calls rated by the switch", 1, Decimal(8)),
    ]


@pytest.mark.parametrize(("currency", "total"), [("JPY", "2"), ("KWD", "1.786"), ("EUR", "1.79")])
async def test_the_total_is_in_the_minor_unit_of_the_currency(
    database: str, currency: str, total: str
) -> None:
    books = await open_books(currency=currency)
    await books.call(at(2), "1.5005")
    assert str((await books.generate(2)).total) == total


async def test_issuing_posts_only_tax_and_rounding_to_the_balance(
    books: Books,
) -> None:
    await books.call(at(2), "1.234567")
    await books.rebuild()
    assert await ledger.balance(books.account_id, books.customer_id) == Decimal("-1.234567")
    invoice = await books.generate(2)
    assert await ledger.balance(books.account_id, books.customer_id) == -invoice.total


async def test_the_balance_includes_the_open_hour_and_payments(books: Books) -> None:
    await books.call(NOW - timedelta(minutes=5), "3")
    await books.rebuild()
    assert await books.value("SELECT count(*) FROM ledger_entries") == 0
    await books.value(
        "INSERT INTO ledger_entries (account_id, customer_id, kind, cause, amount, currency, at)"
        " VALUES ($1, $2, 'PAYMENT', 'payment:1', 10.000000000001, 'EUR', $3)",
        books.account_id,
        books.customer_id,
        NOW,
    )
    balance = await ledger.balance(books.account_id, books.customer_id)
    assert balance == Decimal("7.000000000001")


async def test_marked_hours_are_rebuilt_before_they_are_billed(books: Books) -> None:
    await books.call(at(2), "1")
    await books.rebuild()
    await books.call(at(2), "2")
    assert (await books.generate(2)).subtotal == 3


async def test_weekly_and_daily_rows_never_bill_an_hour_twice(books: Books) -> None:
    await books.call(at(2), "1")
    await books.call(at(5), "1")
    first = await books.generate(5)
    weekly = selection(books.customer_id, [2], periods.Granularity.WEEKLY)
    refusal = await refusal_of(
        invoicing.generate(books.account_id, weekly, key="weekly", issue=True, now=NOW)
    )
    assert refusal.code == "HOURS_ALREADY_INVOICED"
    assert str(first.number) in refusal.message
    assert (await books.generate(2)).number == "INV-000002"


async def test_a_billed_day_without_calls_is_pinned_so_that_late_calls_are_adjusted(
    books: Books,
) -> None:
    await books.call(at(2, 9), "1")
    await books.generate(2, 3)
    await books.call(at(3, 9), "5")
    assert (await refusal_of(books.generate(3))).code == "HOURS_ALREADY_INVOICED"
    await books.call(at(4, 9), "1")
    assert [line.amount for line in (await books.generate(4)).lines] == [Decimal(1), Decimal(5)]


async def test_an_open_row_is_refused(books: Books) -> None:
    await books.call(at(20, 3), "1")
    assert (await refusal_of(books.generate(20))).code == "ROW_OPEN"
    assert (await books.generate(20, now=at(21, 0))).subtotal == 1


async def test_unrated_calls_are_refused_until_they_are_rated(books: Books) -> None:
    call = await books.call(at(2), None)
    assert (await refusal_of(books.generate(2))).code == "UNRATED_CALLS"
    await books.correct(call, "0.5")
    assert (await books.generate(2)).subtotal == Decimal("0.5")


async def test_a_subtotal_that_has_changed_is_refused(books: Books) -> None:
    await books.call(at(2), "1.10")
    refusal = await refusal_of(books.generate(2, expected="1"))
    assert (refusal.code, refusal.field) == ("SUBTOTAL_CHANGED", "expectedSubtotal")
    assert "1.1" in refusal.message
    assert (await books.generate(2, expected="1.100")).number == "INV-000001"


async def test_a_refused_invoice_leaves_nothing_behind(books: Books) -> None:
    await books.call(at(2), "1")
    await refusal_of(books.generate(2, key="k", expected="7"))
    for table in ("invoices", "invoice_hours", "invoice_series", "idempotency_keys"):
        assert await books.value(f"SELECT count(*) FROM {table}") == 0
    assert (await books.generate(2, key="k")).number == "INV-000001"


async def test_selections_that_cannot_form_an_invoice_are_refused(books: Books) -> None:
    assert (await refusal_of(books.generate())).code == "NOTHING_TO_INVOICE"
    assert (await refusal_of(books.generate(2))).code == "NOTHING_TO_INVOICE"
    assert (await refusal_of(books.generate(2, customer_id=999))).code == "NOT_FOUND"
    years = [
        periods.period_containing(periods.Granularity.MONTHLY, at(1) - timedelta(days=30 * n))
        for n in range(1, 16)
    ]
    too_much = invoicing.Selection(books.customer_id, periods.Granularity.MONTHLY, years)
    refusal = await refusal_of(
        invoicing.generate(books.account_id, too_much, key="k", issue=True, now=NOW)
    )
    assert refusal.code == "TOO_MANY_ROWS"


async def test_a_draft_reserves_its_hours_without_a_number_until_it_is_issued(books: Books) -> None:
    await books.call(at(2), "1")
    draft = await books.generate(2, issue=False)
    assert (draft.status, draft.number, draft.content_hash) == ("DRAFT", None, None)
    assert (await refusal_of(books.generate(2))).code == "HOURS_ALREADY_INVOICED"
    await books.call(at(2), "2")
    issued = await invoicing.issue_draft(books.account_id, draft.id, key="i", now=NOW)
    assert (issued.id, issued.number, issued.subtotal) == (draft.id, "INV-000001", 3)
    assert await invoicing.issue_draft(books.account_id, draft.id, key="i", now=NOW) == issued
    again = invoicing.issue_draft(books.account_id, draft.id, key="other", now=NOW)
    assert (await refusal_of(again)).code == "NOT_A_DRAFT"


async def test_discarding_a_draft_releases_its_hours(books: Books) -> None:
    await books.call(at(2), "1")
    draft = await books.generate(2, issue=False, key="d")
    await invoicing.discard_draft(books.account_id, draft.id, now=NOW)
    assert (await refusal_of(books.generate(2, issue=False, key="d"))).code == "DRAFT_DISCARDED"
    issued = await books.generate(2)
    assert issued.number == "INV-000001"
    refusal = await refusal_of(invoicing.discard_draft(books.account_id, issued.id, now=NOW))
    assert refusal.code == "NOT_A_DRAFT"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE invoices SET total = total + 1",
        "UPDATE invoices SET status = 'DRAFT', number = NULL, position = NULL",
        "DELETE FROM invoices",
        "UPDATE invoice_lines SET amount = 0",
        "DELETE FROM invoice_lines",
        "INSERT INTO invoice_lines SELECT account_id, invoice_id, 9, kind, description,"
        " period_start, period_end, calls, billed_seconds, amount FROM invoice_lines",
        "UPDATE invoice_hours SET version = 7",
        "DELETE FROM invoice_hours",
    ],
)
async def test_the_database_refuses_changes_to_an_issued_invoice(
    books: Books, statement: str
) -> None:
    await books.call(at(2), "1")
    before = await books.generate(2)
    async with db.connection() as conn:
        with pytest.raises(Exception, match="issued"):
            await conn.execute(statement)
    assert await invoice_queries.get(books.account_id, before.id) == before


async def test_the_feed_returns_each_document_once_in_order_of_issue(books: Books) -> None:
    other = await open_customer(books, "second")
    for day in range(2, 9):
        await books.call(at(day), "1", customer_id=other if day % 3 == 0 else None)
        await books.generate(
            day, customer_id=other if day % 3 == 0 else books.customer_id, issue=day != 5
        )
    numbers: list[str | None] = []
    cursor = invoice_queries.START
    while True:
        page = await invoice_queries.page(books.account_id, None, list(invoices.Status), cursor, 2)
        numbers += [invoice.number for invoice in page.invoices]
        cursor = invoice_queries.Cursor.of(page.invoices[-1])
        if not page.has_next:
            break
    assert numbers == [*(f"INV-{n:06d}" for n in range(1, 7)), None]
    issued = [invoices.Status.ISSUED]
    page = await invoice_queries.page(books.account_id, other, issued, invoice_queries.START, 10)
    assert [invoice.customer_id for invoice in page.invoices] == [other, other]
    page = await invoice_queries.page(books.account_id + 1, None, issued, invoice_queries.START, 10)
    assert page == invoice_queries.Page([], False)
