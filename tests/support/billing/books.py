"""A small account whose calls, corrections and invoices a test writes in one line each."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from domain import periods
from domain.billing import invoices
from domain.records import calls, other_calls
from domain.records.review import HeldDecision
from domain.records.verdicts import Verdict
from models import db
from models.billing import invoicing
from models.records import call_keys, call_records, held_records, partitions
from models.summaries import hours

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
    rows = [periods.period_containing(granularity, at(day)) for day in days]
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
        """Stores a call as ingest does: key, record and mark together. Returns its call id. A
        charge of None is an unrated call; 0 seconds of talk are an unanswered call."""
        call_id = f"call-{next(self._numbers)}"
        customer = customer_id or self.customer_id
        answer_at = setup_at if talk_seconds else None
        rated_by = None if charge is None else "CARD" if prefix is not None else "SWITCH"
        await partitions.create_missing([setup_at.date()])
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
            row = await conn.fetchrow(
                "UPDATE call_records SET charge = $3, rated_by = 'SWITCH', prefix = NULL"
                " WHERE account_id = $1 AND call_id = $2 RETURNING customer_id, setup_at",
                self.account_id,
                call_id,
                Decimal(charge),
            )
            await conn.execute(_MARK, self.account_id, *row)

    async def reuse(self, call_id: str, setup_at: datetime, charge: str) -> str:
        """Another call of this id, which is held, then accepted. Returns the id of its own."""
        end_at = setup_at + timedelta(seconds=60)
        record = calls.Record(
            switch="edge-1",
            call_id=call_id,
            leg=0,
            revision=0,
            final=True,
            customer_id=self.customer_id,
            carrier_id=1,
            digest=uuid.uuid4().bytes,
            source="+441632960000",
            destination="+15550100",
            source_ip=None,
            setup_at=setup_at,
            offered_at=setup_at,
            answer_at=setup_at,
            ringing_at=None,
            end_at=end_at,
            talk_us=60_000_000,
            dtmf_digits=0,
            sip_code=200,
            sip_reason="OK",
            q850_cause=None,
            direction=None,
            released_by=None,
            rated_by="SWITCH",
            prefix=None,
            rate_card_id=None,
            billed_seconds=60,
            charge=Decimal(charge),
            cost=None,
        )
        inserted = await call_records.insert(self.account_id, [record], NOW)
        assert inserted.verdicts == [Verdict.HELD]
        [waiting] = await held_records.page(self.account_id, held_records.Filter(), None, 2)
        await partitions.create_missing([setup_at.date()])
        async with db.transaction():
            of = (self.account_id, [waiting], NOW, HeldDecision.ANOTHER_CALL)
            assert await held_records.accept(*of) == {waiting.id: Verdict.ACCEPTED}
        return other_calls.separate(record).call_id

    async def rebuild(self, now: datetime = NOW) -> None:
        for hour in await hours.marked_hours(10_000):
            await hours.rebuild(*hour, now)

    async def generate(
        self,
        *days: int,
        key: str | None = None,
        issue: bool = True,
        expected: str | None = None,
        customer_id: int | None = None,
        now: datetime = NOW,
    ) -> invoices.Invoice:
        """An invoice of these days of November."""
        return await invoicing.generate(
            self.account_id,
            replace(
                selection(customer_id or self.customer_id, days),
                expected=None if expected is None else Decimal(expected),
            ),
            key=key or f"key-{next(self._numbers)}",
            issue=issue,
            now=now,
        )

    async def void(self, invoice_id: int) -> None:
        """Voids an issued invoice and frees the hours that it billed, without its credit note."""
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
