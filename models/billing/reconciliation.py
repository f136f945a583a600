"""Reconciles a customer's records, rows, ledger and invoices, all read in one snapshot."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import money, periods, refusals
from domain.billing import invoices, reconciliation_proof
from domain.messaging import texts
from domain.refusals import Refusal
from models import db
from models.billing import invoice_queries, reconciliation_sql
from models.records import day_bounds, partitions
from models.summaries import period_sums


async def reconcile(
    account_id: int, customer_id: int, start: datetime, end: datetime, now: datetime
) -> reconciliation_proof.Proof:
    """The proof for whole hours, `start <= hour < end`. Refuses BAD_PERIOD and NOT_FOUND."""
    if start >= end or start != periods.hour_of(start) or end != periods.hour_of(end):
        raise Refusal(
            "BAD_PERIOD", "Set a period of whole UTC hours whose end is after its start.", "from"
        )
    async with db.transaction("REPEATABLE READ") as conn:
        currency = await conn.fetchval(
            "SELECT currency FROM customers WHERE account_id = $1 AND id = $2",
            account_id,
            customer_id,
        )
        if currency is None:
            raise refusals.not_found("Customer", "customerId")
        results: list[reconciliation_proof.Hour] = []
        unlike: list[reconciliation_proof.Difference] = []
        for span in day_bounds.slices(start, end, await partitions.existing_days()):
            async with _released_locks(conn):
                part = _Part(conn, account_id, customer_id, span)
                hours = [_hour(row, now) for row in await part.rows(reconciliation_sql.HOURS)]
                results += hours
                unlike += await _unequal(part, hours)
                unlike += await _unmatched_keys(part, hours)
        longer = await period_sums.differences(conn, account_id, customer_id, start, end)
        issued = await _issued(conn, (account_id, customer_id, start, end))
        balance = reconciliation_proof.Balance(
            **await conn.fetchrow(reconciliation_sql.BALANCE, account_id, customer_id)
        )
    details = [
        detail for hour in results for detail in reconciliation_proof.differences(hour, currency)
    ]
    details += [*unlike, *longer, *_faults(issued, start, end)]
    details += reconciliation_proof.balance_differences(balance, currency, start)
    return _proof(currency, results, sorted(details, key=lambda difference: difference.hour))


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the period whose records one statement reads."""

    conn: db.Connection
    account_id: int
    customer_id: int
    span: day_bounds.Span

    async def rows(self, query: str) -> Sequence[Any]:
        statement = query.format(days=self.span.condition())
        of = (self.account_id, self.customer_id, self.span.start, self.span.end)
        rows: Sequence[Any] = await self.conn.fetch(statement, *of)
        return rows


@asynccontextmanager
async def _released_locks(conn: db.Connection) -> AsyncIterator[None]:
    """Releases locks on partitions at the end; the snapshot stays. Only for reading."""
    savepoint = conn.transaction()
    await savepoint.start()
    yield
    await savepoint.rollback()


def _proof(
    currency: str,
    hours: Sequence[reconciliation_proof.Hour],
    differences: Sequence[reconciliation_proof.Difference],
) -> reconciliation_proof.Proof:
    waiting = [(hour.hour, reconciliation_proof.pending_reason(hour)) for hour in hours]
    return reconciliation_proof.Proof(
        currency=currency,
        records=_total(hour.records for hour in hours),
        rows=_total(hour.rows for hour in hours),
        ledger=money.add(hour.ledger for hour in hours),
        invoiced=money.add(hour.billed_charge for hour in hours),
        pending=[
            reconciliation_proof.PendingHour(hour, reason) for hour, reason in waiting if reason
        ],
        differences=differences,
        frozen_hours=sum(hour.frozen for hour in hours),
    )


def _total(sums: Iterator[reconciliation_proof.Sums]) -> reconciliation_proof.Sums:
    parts = list(sums)
    calls = sum(part.calls for part in parts)
    return reconciliation_proof.Sums(calls, money.add(part.charge for part in parts))


_COUNTS = (
    *("calls", "answered", "talk_us", "billed_seconds", "unrated"),
    *("dtmf_answered", "pdd_us", "pdd_count", "effective", "redirected"),
)


def _hour(row: Any, now: datetime) -> reconciliation_proof.Hour:
    return reconciliation_proof.Hour(
        hour=row["hour"],
        records=reconciliation_proof.Sums(row["record_calls"], row["record_charge"]),
        legs=row["record_legs"],
        rows=reconciliation_proof.Sums(int(row["row_calls"]), row["row_charge"]),
        row_legs=int(row["row_legs"]),
        row_counts=[int(row[f"row_{name}"]) for name in _COUNTS],
        head=reconciliation_proof.Sums(row["head_calls"], row["head_charge"]),
        head_counts=[row[f"head_{name}"] for name in _COUNTS],
        version=row["version"],
        posted_charge=row["posted_charge"],
        posted_version=row["posted_version"],
        frozen=row["frozen"],
        destinations=reconciliation_proof.Sums(
            int(row["destination_calls"]), row["destination_charge"]
        ),
        code_calls=int(row["code_calls"]),
        ledger=row["ledger"],
        currencies=row["currencies"],
        marked=row["marked"],
        open=not periods.is_closed(row["hour"], now),
        billed_version=row["billed_version"],
        billed_charge=row["billed_charge"],
        billed=row["billed"],
    )


async def _unequal(
    part: _Part, hours: Sequence[reconciliation_proof.Hour]
) -> list[reconciliation_proof.Difference]:
    """The columns in which the finest sums differ from comparable records."""
    unlike = {hour.hour for hour in hours if not hour.has_comparable_records}
    return [
        reconciliation_proof.Difference(
            row["hour"],
            texts.Text(
                "{table} differ from the records in {columns}",
                {"table": table, "columns": row["names"]},
            ),
        )
        for table, query in reconciliation_sql.UNEQUAL.items()
        for row in await part.rows(query)
        if row["hour"] not in unlike
    ]


async def _unmatched_keys(
    part: _Part, results: Sequence[reconciliation_proof.Hour]
) -> list[reconciliation_proof.Difference]:
    """Record keys without a record, and records without a key. The keys of a frozen hour outlive
    its records: one for each leg of its rows."""
    removed = {hour.hour: hour.row_legs for hour in results if hour.has_no_records_left}
    alone = await part.rows(reconciliation_sql.UNMATCHED)
    keys = {row["hour"]: row["keys"] for row in alone if row["keys"]}
    records = {row["hour"]: row["records"] for row in alone if row["records"]}
    counts = {hour: {"keys": keys.pop(hour, 0), "legs": legs} for hour, legs in removed.items()}
    unlike = {
        texts.mark_text("the frozen hour has {keys} record keys, its rows {legs} legs"): {
            hour: count for hour, count in counts.items() if count["keys"] != count["legs"]
        },
        texts.mark_text("{keys} record keys have no record"): {
            hour: {"keys": count} for hour, count in keys.items()
        },
        texts.mark_text("{records} records have no key"): {
            hour: {"records": count} for hour, count in records.items()
        },
    }
    return [
        reconciliation_proof.Difference(hour, texts.Text(template, values))
        for template, hours in unlike.items()
        for hour, values in hours.items()
    ]


async def _issued(
    conn: db.Connection, of: tuple[Any, ...]
) -> list[reconciliation_proof.IssuedInvoice]:
    """The issued invoices that bill or adjust an hour of the period, each complete."""
    account_id, customer_id, _, _ = of
    rows = await conn.fetch(reconciliation_sql.INVOICES, *of)
    issued = await invoice_queries.with_lines(conn, account_id, rows)
    which = (account_id, [invoice.id for invoice in issued])
    pins = _by_invoice(await conn.fetch(reconciliation_sql.PINS, *which))
    changes = _by_invoice(await conn.fetch(reconciliation_sql.CHANGES, *which))
    posts = _by_invoice(await conn.fetch(reconciliation_sql.POSTS, *which, customer_id))
    return [
        reconciliation_proof.IssuedInvoice(
            invoice,
            pins=[invoices.Pin(**row) for row in pins.get(invoice.id, [])],
            changes=[_change(row) for row in changes.get(invoice.id, [])],
            **posts.get(invoice.id, [_NO_POSTS])[0],
        )
        for invoice in issued
    ]


_NO_POSTS = {"posted_tax": money.add([]), "posted_rounding": money.add([])}


def _by_invoice(rows: Sequence[Any]) -> dict[int, list[dict[str, Any]]]:
    """The other columns of the rows, by the id of their invoice."""
    by_invoice: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        columns = dict(row)
        by_invoice.setdefault(columns.pop("invoice_id"), []).append(columns)
    return by_invoice


def _change(row: Mapping[str, Any]) -> invoices.Change:
    billed = invoices.Pin(row["hour"], row["from_version"], charge=row["from_charge"])
    now = invoices.Pin(
        hour=row["hour"],
        version=row["to_version"],
        calls=row["calls"],
        billed_seconds=row["billed_seconds"],
        charge=row["charge"],
    )
    return invoices.Change("", billed, now)


def _faults(
    issued: Sequence[reconciliation_proof.IssuedInvoice], start: datetime, end: datetime
) -> Iterator[reconciliation_proof.Difference]:
    for invoice in issued:
        hours = [pin.hour for pin in invoice.pins]
        hours += [change.current_pin.hour for change in invoice.changes]
        hour = min((hour for hour in hours if start <= hour < end), default=start)
        for fault in reconciliation_proof.invoice_faults(invoice):
            values = {"number": invoice.invoice.number, "fault": fault}
            yield reconciliation_proof.Difference(hour, texts.Text("{number}: {fault}", values))
