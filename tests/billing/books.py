"""A small account whose calls, corrections and invoices a test writes in a line each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from domain import billing, periods
from models import call_keys, db, hours, invoicing, partitions

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
FIRST = datetime(2026, 11, 1, tzinfo=UTC)  # a Sunday

_RECORD = """
INSERT INTO call_records (
    account_id, customer_id, setup_at, switch, call_id, leg, revision, carrier_id, final, source,
    destination, offered_at, answer_at, end_at, talk_us, rated_by, prefix, billed_seconds, charge
) VALUES ($1, $2, $3, 'edge-1', $4, 0, 0, $5, true, '+441632960000', '+15550100', $3, $6, $7, $8,
          $9, $10, $11, $12)
"""
_KEY = """
INSERT INTO record_keys (
    account_id, call_key, leg, setup_at, customer_id, revision, digest, final
) VALUES ($1, $2, 0, $3, $4, 0, $5, true)
"""
_MARK = """
INSERT INTO hour_marks (account_id, customer_id, hour, marked_at)
VALUES ($1, $2, date_trunc('hour', $3::timestamptz), $3)
"""


def at(day: int, hour: int = 9, minute: int = 0) -> datetime:
    """An instant of November 2026, UTC."""
    return FIRST + timedelta(days=day - 1, hours=hour, minutes=minute)


def selection(
    customer_id: int,
    days: Sequence[int],
    granularity: periods.Granularity = periods.Granularity.DAILY,
) -> invoicing.Selection:
    rows = [periods.containing(granularity, at(day)) for day in days]
    return invoicing.Selection(customer_id, granularity, rows)


@dataclass(slots=True)
class Books:
    account_id: int
    customer_id: int
    _numbers: count[int] = field(default_factory=lambda: count(1))

    async def call(
        self,
        setup_at: datetime,
        charge: str | None = "0.10",
        *,
        customer_id: int | None = None,
        talk_seconds: int = 60,
        prefix: str | None = None,
        carrier_id: int = 1,
    ) -> str:
        """Stores a call as ingest does: key, record and mark together. Returns its call id.

        A charge of None is a call that nobody could rate; 0 seconds of talk are no answer.
        """
        call_id = f"call-{next(self._numbers)}"
        customer = customer_id or self.customer_id
        answer_at = setup_at if talk_seconds else None
        rated_by = None if charge is None else "CARD" if prefix is not None else "SWITCH"
        await partitions.make([setup_at.date()])
        async with db.transaction() as conn:
            key = call_keys.compute("edge-1", call_id)
            digest = call_keys.digest(hashlib.md5(call_id.encode()).digest())
            await conn.execute(_KEY, self.account_id, key, setup_at, customer, digest)
            await conn.execute(
                _RECORD,
                *(self.account_id, customer, setup_at, call_id, carrier_id, answer_at),
                *(setup_at + timedelta(seconds=talk_seconds), talk_seconds * 1_000_000),
                *(rated_by, prefix, talk_seconds, None if charge is None else Decimal(charge)),
            )
            await conn.execute(_MARK, self.account_id, customer, setup_at)
        return call_id

    async def correct(self, call_id: str, charge: str) -> None:
        """Changes a stored call's charge as a correction does: record and mark together."""
        async with db.transaction() as conn:
            changed = await conn.fetchrow(
                "UPDATE call_records SET charge = $3, rated_by = 'SWITCH', prefix = NULL"
                " WHERE account_id = $1 AND call_id = $2 RETURNING customer_id, setup_at",
                self.account_id,
                call_id,
                Decimal(charge),
            )
            await conn.execute(_MARK, self.account_id, *changed)

    async def rebuild(self, now: datetime = NOW) -> None:
        for hour in await hours.marked(10_000):
            await hours.rebuild(*hour, now)

    async def generate(
        self,
        *days: int,
        key: str | None = None,
        issue: bool = True,
        expected: str | None = None,
        customer_id: int | None = None,
        now: datetime = NOW,
    ) -> billing.Invoice:
        """An invoice of these days of November."""
        return await invoicing.generate(
            self.account_id,
            selection(customer_id or self.customer_id, days),
            key=key or f"key-{next(self._numbers)}",
            issue=issue,
            expected=None if expected is None else Decimal(expected),
            now=now,
        )

    async def void(self, invoice_id: int) -> None:
        """Voids an issued invoice and frees what it billed, without its credit note."""
        of = (self.account_id, invoice_id)
        async with db.transaction() as conn:
            await conn.execute(
                "UPDATE invoices SET status = 'VOID' WHERE account_id = $1 AND id = $2", *of
            )
            for table in ("invoice_adjustments", "invoice_hours"):
                await conn.execute(
                    f"UPDATE {table} SET freed_at = $3 WHERE account_id = $1 AND invoice_id = $2",
                    *(*of, NOW),
                )

    async def sql(self, statement: str, *arguments: object) -> None:
        """Changes the database behind everybody's back, past the triggers too."""
        async with db.transaction() as conn:
            await conn.execute("SET LOCAL session_replication_role = replica")
            await conn.execute(statement, *arguments)

    async def value(self, query: str, *arguments: object) -> object:
        async with db.connection() as conn:
            return await conn.fetchval(query, *arguments)


async def open_books(
    *, currency: str = "EUR", tax_percent: str = "19", grouping: str = "DAY"
) -> Books:
    async with db.transaction() as conn:
        account_id = await conn.fetchval(
            "INSERT INTO accounts (name, invoice_grouping, created_at)"
            " VALUES ('Carrier', $1, $2) RETURNING id",
            grouping,
            FIRST,
        )
    books = Books(account_id, 0)
    books.customer_id = await open_customer(books, "first", currency, tax_percent)
    return books


async def open_customer(
    books: Books, reference: str, currency: str = "EUR", tax_percent: str = "19"
) -> int:
    async with db.connection() as conn:
        customer_id: int = await conn.fetchval(
            "INSERT INTO customers"
            " (account_id, reference, name, currency, tax_percent, created_at)"
            " VALUES ($1, $2, $2, $3, $4, $5) RETURNING id",
            books.account_id,
            reference,
            currency,
            Decimal(tax_percent),
            FIRST,
        )
    return customer_id
