"""Reconciles a customer's records, rows, ledger and invoices, all read in one snapshot."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain import billing, money, periods, refusals, texts
from domain import reconciliation as rules
from domain.refusals import Refusal
from models import day_bounds, db, invoices, partitions, period_sums
from models import reconciliation_sql as sql


async def reconcile(
    account_id: int, customer_id: int, start: datetime, end: datetime, now: datetime
) -> rules.Proof:
    """The proof for whole hours, `start <= hour < end`. Refuses BAD_PERIOD and NOT_FOUND."""
    if start >= end or start != periods.hour_of(start) or end != periods.hour_of(end):
        raise Refusal(
            "BAD_PERIOD", "Give a period of whole UTC hours whose end is after its start.", "from"
        )
    async with db.transaction("REPEATABLE READ") as conn:
        currency = await conn.fetchval(
            "SELECT currency FROM customers WHERE account_id = $1 AND id = $2",
            account_id,
            customer_id,
        )
        if currency is None:
            raise refusals.no_such("Customer", "customerId")
        found: list[rules.Hour] = []
        unlike: list[rules.Difference] = []
        for span in day_bounds.slices(start, end, await partitions.existing()):
            async with _unlocked_after(conn):
                part = _Part(conn, account_id, customer_id, span)
                hours = [_hour(row, now) for row in await part.rows(sql.HOURS)]
                found += hours
                unlike += await _unequal(part, hours)
                unlike += await _keys(part, hours)
        longer = await period_sums.differences(conn, account_id, customer_id, start, end)
        issued = await _issued(conn, (account_id, customer_id, start, end))
        balance = rules.Balance(*await conn.fetchrow(sql.BALANCE, account_id, customer_id))
    details = [detail for hour in found for detail in rules.differences(hour, currency)]
    details += [*unlike, *longer, *_faults(issued, start, end)]
    details += rules.balance_differences(balance, currency, start)
    return _proof(currency, found, sorted(details, key=lambda difference: difference.hour))


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the period whose records one statement may read."""

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
async def _unlocked_after(conn: db.Connection) -> AsyncIterator[None]:
    """Gives back the locks on partitions; the transaction keeps its snapshot. Only for reading."""
    savepoint = conn.transaction()
    await savepoint.start()
    yield
    await savepoint.rollback()


def _proof(
    currency: str, found: Sequence[rules.Hour], differences: Sequence[rules.Difference]
) -> rules.Proof:
    waiting = [(hour.hour, rules.pending(hour)) for hour in found]
    return rules.Proof(
        currency=currency,
        records=_total(hour.records for hour in found),
        rows=_total(hour.rows for hour in found),
        ledger=money.add(hour.ledger for hour in found),
        invoiced=money.add(hour.billed_charge for hour in found),
        pending=[rules.Pending(hour, reason) for hour, reason in waiting if reason],
        differences=differences,
        frozen_hours=sum(hour.frozen for hour in found),
    )


def _total(sums: Iterator[rules.Sums]) -> rules.Sums:
    parts = list(sums)
    calls = sum(part.calls for part in parts)
    return rules.Sums(calls, money.add(part.charge for part in parts))


_COUNTS = ("calls", "answered", "talk_us", "billed_seconds", "unrated")


def _hour(row: Any, now: datetime) -> rules.Hour:
    return rules.Hour(
        hour=row["hour"],
        records=rules.Sums(row["record_calls"], row["record_charge"]),
        legs=row["record_legs"],
        rows=rules.Sums(int(row["row_calls"]), row["row_charge"]),
        row_legs=int(row["row_legs"]),
        row_counts=[int(row[f"row_{name}"]) for name in _COUNTS],
        head=rules.Sums(row["head_calls"], row["head_charge"]),
        head_counts=[row[f"head_{name}"] for name in _COUNTS],
        version=row["version"],
        posted_charge=row["posted_charge"],
        posted_version=row["posted_version"],
        frozen=row["frozen"],
        destinations=rules.Sums(int(row["destination_calls"]), row["destination_charge"]),
        code_calls=int(row["code_calls"]),
        ledger=row["ledger"],
        currencies=row["currencies"],
        marked=row["marked"],
        open=not periods.closed(row["hour"], now),
        billed_version=row["billed_version"],
        billed_charge=row["billed_charge"],
        billed=row["billed"],
    )


async def _unequal(part: _Part, found: Sequence[rules.Hour]) -> list[rules.Difference]:
    """The columns in which the finest sums differ from the records, where these are to agree."""
    unlike = {hour.hour for hour in found if not hour.has_comparable_records}
    return [
        rules.Difference(
            row["hour"],
            texts.Text(
                "{table} differ from the records in {columns}",
                {"table": table, "columns": row["names"]},
            ),
        )
        for table, query in sql.UNEQUAL.items()
        for row in await part.rows(query)
        if row["hour"] not in unlike
    ]


async def _keys(part: _Part, found: Sequence[rules.Hour]) -> list[rules.Difference]:
    """Record keys and records without each other. The keys outlive the records of frozen hours: one
    for each leg of their rows."""
    removed = {hour.hour: hour.row_legs for hour in found if hour.has_no_records_left}
    alone = await part.rows(sql.ALONE)
    keys = {row["hour"]: row["keys"] for row in alone if row["keys"]}
    records = {row["hour"]: row["records"] for row in alone if row["records"]}
    counts = {hour: {"keys": keys.pop(hour, 0), "legs": legs} for hour, legs in removed.items()}
    unlike = {
        texts.marked("the frozen hour has {keys} record keys, its rows {legs} legs"): {
            hour: count for hour, count in counts.items() if count["keys"] != count["legs"]
        },
        texts.marked("{keys} record keys have no record"): {
            hour: {"keys": count} for hour, count in keys.items()
        },
        texts.marked("{records} records have no key"): {
            hour: {"records": count} for hour, count in records.items()
        },
    }
    return [
        rules.Difference(hour, texts.Text(template, values))
        for template, hours in unlike.items()
        for hour, values in hours.items()
    ]


async def _issued(conn: db.Connection, of: tuple[Any, ...]) -> list[rules.Issued]:
    """The issued invoices that bill or adjust an hour of the period, each as a whole."""
    account_id, customer_id, _, _ = of
    rows = await conn.fetch(sql.INVOICES, *of)
    found = await invoices.with_lines(conn, account_id, rows)
    which = (account_id, [invoice.id for invoice in found])
    pins = _by_invoice(await conn.fetch(sql.PINS, *which))
    changes = _by_invoice(await conn.fetch(sql.CHANGES, *which))
    posts = _by_invoice(await conn.fetch(sql.POSTS, *which, customer_id))
    return [
        rules.Issued(
            invoice,
            [billing.Pin(*row) for row in pins.get(invoice.id, [])],
            [_change(*row) for row in changes.get(invoice.id, [])],
            *next(iter(posts.get(invoice.id, [])), (money.add([]), money.add([]))),
        )
        for invoice in found
    ]


def _by_invoice(rows: Sequence[Any]) -> dict[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = {}
    for invoice_id, *rest in rows:
        found.setdefault(invoice_id, []).append(tuple(rest))
    return found


def _change(
    hour: datetime, from_version: int, from_charge: Any, to_version: int, *now: Any
) -> billing.Change:
    billed = billing.Pin(hour, from_version, charge=from_charge)
    return billing.Change("", billed, billing.Pin(hour, to_version, *now))


def _faults(
    issued: Sequence[rules.Issued], start: datetime, end: datetime
) -> Iterator[rules.Difference]:
    for one in issued:
        held = [*(pin.hour for pin in one.pins), *(change.now.hour for change in one.changes)]
        hour = min((hour for hour in held if start <= hour < end), default=start)
        for fault in rules.faults(one):
            values = {"number": one.invoice.number, "fault": fault}
            yield rules.Difference(hour, texts.Text("{number}: {fault}", values))
