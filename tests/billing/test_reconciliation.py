"""Records, rows, ledger and invoices agree, and a manual change of one is found."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from domain.billing import reconciliation_proof
from domain.refusals import Refusal
from models.billing import reconciliation
from models.records import partitions
from models.summaries import rollup_sql
from tests.support.billing.books import NOW, Books, at, open_customer

START, END = at(1, 0), at(21, 0)


async def prove(
    books: Books, start: datetime = START, end: datetime = END
) -> reconciliation_proof.Proof:
    return await reconciliation.reconcile(books.account_id, books.customer_id, start, end, NOW)


async def billed_books(books: Books) -> None:
    """Three days of calls, the first two billed, the first adjusted with the second."""
    for n in range(12):
        await books.call(at(2 + n % 3, n), f"0.{n + 1:04d}", prefix="44" if n % 2 else None)
    await books.generate(2)
    await books.call(at(2, 0), "0.5", talk_seconds=7)
    await books.generate(3)
    await books.rebuild()


async def test_calls_invoices_and_adjustments_agree(books: Books) -> None:
    await billed_books(books)
    proof = await prove(books)
    assert proof.differences == []
    assert proof.is_balanced
    assert proof.records == proof.rows == reconciliation_proof.Sums(13, Decimal("0.5078"))
    assert proof.ledger == Decimal("0.5078")
    third = Decimal("0.0003") + Decimal("0.0006") + Decimal("0.0009") + Decimal("0.0012")
    assert proof.invoiced == Decimal("0.5078") - third
    assert proof.pending == [
        reconciliation_proof.PendingHour(at(4, hour), reconciliation_proof.Reason.NOT_INVOICED)
        for hour in (2, 5, 8, 11)
    ]


async def test_reconciling_all_time_equals_reconciling_its_days(books: Books) -> None:
    await billed_books(books)
    first, last = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)
    proof = await prove(books, first, last)
    assert proof.is_balanced
    assert (proof.records, proof.rows) == (reconciliation_proof.Sums(13, Decimal("0.5078")),) * 2


async def test_a_period_without_data_agrees(books: Books) -> None:
    proof = await prove(books)
    assert proof.is_balanced
    assert (proof.records, proof.pending) == (reconciliation_proof.Sums(0, Decimal(0)), [])


async def test_marked_open_and_changed_hours_are_pending_and_not_differences(books: Books) -> None:
    await books.call(at(2, 9), "1")
    await books.generate(2)
    await books.call(at(2, 9), "0.25")
    await books.call(NOW - timedelta(minutes=1), "1")
    await books.rebuild()
    await books.call(at(5, 1), "1")
    proof = await prove(books)
    assert proof.is_balanced
    assert proof.pending == [
        reconciliation_proof.PendingHour(at(2, 9), reconciliation_proof.Reason.ADJUSTMENT_PENDING),
        reconciliation_proof.PendingHour(at(5, 1), reconciliation_proof.Reason.MARKED),
        reconciliation_proof.PendingHour(at(20, 12), reconciliation_proof.Reason.OPEN),
    ]
    assert (proof.records.calls, proof.rows.calls) == (4, 3)


async def test_calls_of_other_customers_do_not_count(books: Books) -> None:
    other = await open_customer(books, "second")
    await books.call(at(2), "1", customer_id=other)
    await books.rebuild()
    assert (await prove(books)).rows.calls == 0


async def test_a_change_outside_the_period_is_not_reported(books: Books) -> None:
    await billed_books(books)
    await books.sql("UPDATE rollups SET charge = charge + 1 WHERE slot = $1", at(4, 2))
    assert (await prove(books, at(2, 0), at(4, 0))).is_balanced
    assert not (await prove(books, at(4, 2), at(4, 3))).is_balanced


async def test_a_change_of_any_count_of_an_hour_is_reported(books: Books) -> None:
    await books.call(at(4, 2), "1")
    await books.rebuild()
    counts = set(rollup_sql.HEAD_SUMS) - {"charge"}
    for name in counts:
        await books.sql(f"UPDATE hours SET {name} = {name} + 1")
        details = [str(difference.detail) for difference in (await prove(books)).differences]
        assert any("differ from the hour's sums" in detail for detail in details), name
        await books.sql(f"UPDATE hours SET {name} = {name} - 1")
    assert (await prove(books)).is_balanced


@pytest.mark.parametrize(
    ("statement", "hour", "detail"),
    [
        (
            "UPDATE rollups SET charge = charge + 0.000001 WHERE slot = '2026-11-04 02:00Z'",
            at(4, 2),
            "rows differ from the records in charge",
        ),
        (
            "UPDATE rollups SET legs_talk_us = 1 WHERE slot = '2026-11-04 02:00Z'",
            at(4, 2),
            "rows differ from the records in legs_talk_us",
        ),
        (
            "UPDATE rollups SET carrier_id = 2 WHERE slot = '2026-11-04 02:00Z'",
            at(4, 2),
            "rows differ from the records in answered, attempts, billed_seconds, charge,"
            " legs, legs_answered, legs_talk_us, talk_us, uncosted",
        ),
        (
            "DELETE FROM rollups WHERE slot = '2026-11-04 02:00Z'",
            at(4, 2),
            "records have 1 calls, rows 0",
        ),
        (
            "UPDATE call_records SET charge = 7 WHERE setup_at = '2026-11-04 02:00Z'",
            at(4, 2),
            "records charge 7, rows 0.0003",
        ),
        (
            "UPDATE call_records SET setup_at = setup_at + interval '5 minutes'"
            " WHERE setup_at = '2026-11-04 02:00Z'",
            at(4, 2),
            "1 record keys have no record",
        ),
        (
            "DELETE FROM call_records WHERE setup_at = '2026-11-04 02:00Z'",
            at(4, 2),
            "1 record keys have no record",
        ),
        (
            "DELETE FROM record_keys WHERE setup_at = '2026-11-04 02:00Z'",
            at(4, 2),
            "1 records have no key",
        ),
        (
            "UPDATE hours SET charge = 9 WHERE hour = '2026-11-04 02:00Z'",
            at(4, 2),
            "rows (1 calls, 0.0003) differ from the hour's sums (1 calls, 9)",
        ),
        (
            "DELETE FROM hours WHERE hour = '2026-11-04 02:00Z'",
            at(4, 2),
            "the ledger has 0.0003, but 0 was posted",
        ),
        (
            "UPDATE rollup_destinations SET destination = 'prefix:9'"
            " WHERE hour = '2026-11-04 02:00Z'",
            at(4, 2),
            "destinations differ from the records in answered, attempts, billed_seconds, charge,"
            " talk_us",
        ),
        (
            "UPDATE rollup_codes SET attempts = 3 WHERE hour = '2026-11-04 02:00Z'",
            at(4, 2),
            "SIP codes have 3 calls, the hour 1",
        ),
        (
            "UPDATE day_sums SET charge = 9 WHERE day = '2026-11-04'",
            at(4, 0),
            "the day differs from its hours in charge",
        ),
        (
            "DELETE FROM day_sums WHERE day = '2026-11-04'",
            at(4, 0),
            "the day differs from its hours in answered, attempts, billed_seconds, charge, talk_us,"
            " version",
        ),
        (
            "UPDATE day_sums SET day = '2026-11-05' WHERE day = '2026-11-04'",
            at(5, 0),
            "the day differs from its hours in answered, attempts, billed_seconds, charge, talk_us,"
            " version",
        ),
        (
            "UPDATE month_sums SET talk_us = 1, version = version + 1",
            START,
            "the month differs from its days in talk_us, version",
        ),
        (
            "DELETE FROM hours WHERE hour = '2026-11-04 02:00Z'",
            at(4, 0),
            "the day differs from its hours in answered, attempts, billed_seconds, charge, talk_us,"
            " version",
        ),
        (
            "UPDATE ledger_entries SET amount = 5 WHERE hour = '2026-11-04 02:00Z'",
            at(4, 2),
            "the ledger has 5, but 0.0003 was posted",
        ),
        (
            "DELETE FROM ledger_entries WHERE hour = '2026-11-04 02:00Z'",
            at(4, 2),
            "the ledger has 0, but 0.0003 was posted",
        ),
        (
            "UPDATE hours SET posted_charge = 5 WHERE hour = '2026-11-04 02:00Z'",
            at(4, 2),
            "the hour charges 0.0003, but 5 was posted for this version",
        ),
        (
            "UPDATE ledger_entries SET currency = 'USD' WHERE hour = '2026-11-04 02:00Z'",
            at(4, 2),
            "the ledger has entries in USD beside EUR",
        ),
        (
            "UPDATE invoice_hours SET charge = 8 WHERE hour = '2026-11-03 01:00Z'",
            at(3, 1),
            "8 was billed for version 1, which charges 0.0002",
        ),
        (
            "UPDATE invoice_hours SET version = 2 WHERE hour = '2026-11-03 01:00Z'",
            at(3, 1),
            "version 2 was billed, the hour is at 1",
        ),
        (
            "UPDATE hours SET billed = true WHERE hour = '2026-11-04 02:00Z'",
            at(4, 2),
            "its charge of 0.0003 is recorded as billed, but invoices bill 0",
        ),
        (
            "UPDATE invoices SET status = 'VOID' WHERE position = 1",
            at(2, 0),
            "its charge of 0.5001 is recorded as billed, but invoices bill 0",
        ),
        (
            "UPDATE invoices SET status = 'VOID' WHERE position = 2",
            at(2, 0),
            "its charge of 0.5001 is recorded as billed, but invoices bill 0.0001",
        ),
        (
            "UPDATE invoice_lines SET amount = amount + 1 WHERE kind = 'USAGE'",
            at(2, 0),
            "INV-000001: its lines do not sum to its subtotal",
        ),
        (
            "UPDATE invoice_lines SET description = 'Calls' WHERE kind = 'USAGE'",
            at(2, 0),
            "INV-000001: its content does not match its hash",
        ),
        (
            "UPDATE invoice_lines SET amount = amount + 1 WHERE kind = 'ADJUSTMENT'",
            at(2, 0),
            "INV-000002: its adjustment lines do not match the changes of their hours",
        ),
        (
            "UPDATE invoices SET total = total - 1, rounding = rounding - 1 WHERE position = 1",
            at(2, 0),
            "INV-000001: its tax, rounding and total do not follow from its subtotal",
        ),
        (
            "UPDATE ledger_entries SET amount = amount + 1 WHERE kind = 'TAX'",
            at(2, 0),
            "INV-000001: its tax and rounding differ from those in the ledger",
        ),
        (
            "UPDATE balances SET posted = posted + 0.000001",
            START,
            "the stored balance is -0.602999, the ledger sums to -0.603",
        ),
        (
            "DELETE FROM balances",
            START,
            "the stored balance is 0, the ledger sums to -0.603",
        ),
        (
            "UPDATE balances SET currency = 'USD'",
            START,
            "the stored balance is in USD, not in EUR",
        ),
        (
            "DELETE FROM ledger_entries WHERE hour = '2026-11-04 02:00Z'",
            START,
            "the stored balance is -0.603, the ledger sums to -0.6027",
        ),
        (
            "DELETE FROM invoice_hours WHERE invoice_id IN"
            " (SELECT id FROM invoices WHERE position = 1)",
            at(1, 0),
            "INV-000001: its usage lines do not sum to its hours",
        ),
    ],
)
async def test_a_manual_change_in_the_database_is_named(
    books: Books, statement: str, hour: datetime, detail: str
) -> None:
    await billed_books(books)
    await books.sql(statement)
    proof = await prove(books)
    assert not proof.is_balanced
    assert (hour, detail) in [
        (difference.hour, str(difference.detail)) for difference in proof.differences
    ]


async def test_frozen_hours_agree_without_their_records_and_are_counted(books: Books) -> None:
    await billed_books(books)
    assert await partitions.drop_before(at(3).date()) == [at(2).date()]
    proof = await prove(books)
    assert proof.differences == []
    assert proof.frozen_hours == 4
    assert (proof.records.calls, proof.rows.calls) == (8, 13)


@pytest.mark.parametrize(
    ("statement", "keys"),
    [
        ("DELETE FROM record_keys WHERE setup_at = '2026-11-02 06:00Z'", 0),
        (
            "INSERT INTO record_keys SELECT (jsonb_populate_record(k, jsonb_build_object("
            "'call_key', gen_random_uuid()))).* FROM record_keys k"
            " WHERE setup_at = '2026-11-02 06:00Z'",
            2,
        ),
    ],
)
async def test_a_frozen_hour_has_a_record_key_for_each_leg_of_its_rows(
    books: Books, statement: str, keys: int
) -> None:
    await billed_books(books)
    assert await partitions.drop_before(at(3).date()) == [at(2).date()]
    await books.sql(statement)
    assert [
        (difference.hour, str(difference.detail)) for difference in (await prove(books)).differences
    ] == [(at(2, 6), f"the frozen hour has {keys} record keys, its rows 1 legs")]


async def test_a_reconciliation_reads_one_snapshot_during_concurrent_rebuilds(
    books: Books,
) -> None:
    storing = asyncio.create_task(_store(books))
    while not storing.done():
        assert (await prove(books)).differences == []
    await storing


async def _store(books: Books) -> None:
    for n in range(25):
        await books.call(at(2, n % 3), "0.01")
        await books.rebuild()


@pytest.mark.parametrize(
    ("start", "end"),
    [(at(2, 0), at(2, 0)), (at(2, 1), at(2, 0)), (at(2, 0, 30), at(3, 0)), (at(2, 0), at(2, 0, 1))],
)
async def test_periods_that_are_not_whole_hours_are_refused(
    books: Books, start: datetime, end: datetime
) -> None:
    with pytest.raises(Refusal, match="whole UTC hours"):
        await prove(books, start, end)


async def test_a_customer_of_another_account_is_not_found(books: Books) -> None:
    with pytest.raises(Refusal) as error:
        await reconciliation.reconcile(books.account_id + 1, books.customer_id, at(1), at(2), NOW)
    assert error.value.code == "NOT_FOUND"
