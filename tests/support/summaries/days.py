"""Records inserted into the tables with their marks, and their sums calculated in Python."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg

from models import db
from models.records import partitions

ACCOUNT = 1
HOUR = datetime(2026, 11, 20, 9, tzinfo=UTC)
SLOT = timedelta(minutes=15)
CLOSED = HOUR + timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Leg:
    """A call record as the tests make it; the rest of its columns does not matter here."""

    call: str
    leg: int = 0
    customer: int = 1
    carrier: int = 1
    final: bool = True
    setup: datetime = HOUR
    offered_after_us: int = 0
    ringing_after_us: int | None = None
    talk_us: int | None = None  # None: not answered
    code: int | None = 200
    digits: int = 0
    rated_by: str | None = "CARD"
    prefix: str | None = "44"
    billed: int = 0
    charge: Decimal | None = Decimal(0)
    cost: Decimal | None = None
    country: str | None = None
    released_by: str | None = None

    @property
    def hour(self) -> datetime:
        return self.setup.replace(minute=0, second=0, microsecond=0)

    @property
    def slot(self) -> datetime:
        return self.hour + (self.setup - self.hour) // SLOT * SLOT

    @property
    def is_effective(self) -> bool:
        return self.final and self.code in (200, 480, 486, 600, 603)

    @property
    def is_redirected(self) -> bool:
        return self.final and (self.code or 0) // 100 == 3

    @property
    def destination(self) -> str:
        if self.rated_by is None:
            return "unrated"
        if self.rated_by == "CARD":
            return f"prefix:{self.prefix}"
        return self.rated_by.lower()


@dataclass(slots=True)
class Slot:
    """A row of `rollups`, its columns in their order."""

    attempts: int = 0
    answered: int = 0
    talk_us: int = 0
    billed_seconds: int = 0
    charge: Decimal = Decimal(0)
    unrated: int = 0
    dtmf_answered: int = 0
    pdd_us: int = 0
    pdd_count: int = 0
    legs: int = 0
    legs_answered: int = 0
    legs_talk_us: int = 0
    legs_pdd_us: int = 0
    legs_pdd_count: int = 0
    cost: Decimal = Decimal(0)
    uncosted: int = 0
    effective: int = 0
    redirected: int = 0
    released_caller: int = 0
    released_callee: int = 0
    released_other: int = 0

    def add(self, leg: Leg) -> None:
        answered = leg.talk_us is not None
        if leg.final:
            self.attempts += 1
            self.answered += answered
            self.talk_us += leg.talk_us or 0
            self.billed_seconds += leg.billed
            self.charge += leg.charge or 0
            self.unrated += leg.charge is None
            self.dtmf_answered += answered and leg.digits > 0
            self.pdd_us += leg.ringing_after_us or 0
            self.pdd_count += leg.ringing_after_us is not None
            self.effective += leg.is_effective
            self.redirected += leg.is_redirected
            self.released_caller += leg.released_by == "caller"
            self.released_callee += leg.released_by == "callee"
            self.released_other += leg.released_by not in (None, "caller", "callee")
        self.legs += 1
        self.legs_answered += answered
        self.legs_talk_us += leg.talk_us or 0
        if leg.ringing_after_us is not None:
            self.legs_pdd_us += leg.ringing_after_us - leg.offered_after_us
            self.legs_pdd_count += 1
        self.cost += leg.cost or 0
        self.uncosted += answered and leg.cost is None


Rows = dict[tuple[Any, ...], tuple[Any, ...]]


def slots(legs: Iterable[Leg]) -> Rows:
    rows: dict[tuple[Any, ...], Slot] = defaultdict(Slot)
    for leg in legs:
        rows[leg.customer, leg.slot, leg.carrier].add(leg)
    return {key: astuple(row) for key, row in rows.items()}


def destinations(legs: Iterable[Leg]) -> Rows:
    rows: dict[tuple[Any, ...], Slot] = defaultdict(Slot)
    for leg in legs:
        if leg.final:
            rows[leg.customer, leg.hour, leg.destination].add(leg)
    return {key: astuple(row)[:5] for key, row in rows.items()}


def codes(legs: Iterable[Leg]) -> Rows:
    rows: dict[tuple[Any, ...], Slot] = defaultdict(Slot)
    for leg in legs:
        rows[leg.customer, leg.hour, leg.carrier, leg.code or 0].add(leg)
    return {key: (row.attempts, row.legs) for key, row in rows.items()}


HEAD_SUMS = (
    "attempts, answered, talk_us, billed_seconds, charge, unrated, dtmf_answered, pdd_us,"
    " pdd_count, effective, redirected"
)


def heads(legs: Iterable[Leg]) -> Rows:
    """By customer and hour, in the order of HEAD_SUMS."""
    rows: dict[tuple[Any, ...], Slot] = defaultdict(Slot)
    by_code: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    for leg in legs:
        rows[leg.customer, leg.hour].add(leg)
        by_code[leg.customer, leg.hour][0] += leg.is_effective
        by_code[leg.customer, leg.hour][1] += leg.is_redirected
    return {key: (*astuple(row)[:9], *by_code[key]) for key, row in rows.items()}


SLOT_SUMS = ", ".join(f.name for f in fields(Slot))


async def stored(table: str, keys: str, sums: str) -> Rows:
    """A table's rows without those that are all zeros: what is left of calls that moved away."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            f"SELECT {keys}, {sums} FROM {table} WHERE account_id = $1", ACCOUNT
        )
    at = keys.count(",") + 1
    return {tuple(row)[:at]: tuple(row)[at:] for row in rows if any(tuple(row)[at:])}


async def stored_slots() -> Rows:
    return await stored("rollups", "customer_id, slot, carrier_id", SLOT_SUMS)


async def set_id(table: str, id: int, new_id: int) -> None:
    """Gives a row a small id, which the tests' legs and callers name."""
    async with db.connection() as conn:
        await conn.execute(f"UPDATE {table} SET id = $2 WHERE id = $1", id, new_id)


async def prepare(customers: int = 2) -> None:
    """Customers 1, 2, … in EUR, with nothing on their checklists."""
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO customers (account_id, id, reference, name, currency, created_at,"
            " legal_name, street, postal_code, city, country, billing_email)"
            " SELECT $1, n, 'customer-' || n, 'Customer', 'EUR', $2, 'Customer Ltd', 'High Street',"
            " '1000', 'Anytown', 'GB', 'bills@customer.example' FROM generate_series(1, $3) n",
            ACCOUNT,
            HOUR,
            customers,
        )
        await conn.execute(
            "WITH card AS (INSERT INTO rate_cards (account_id, name, currency, created_at)"
            " VALUES ($1, 'Standard', 'EUR', $2) RETURNING id)"
            " INSERT INTO rate_card_assignments SELECT $1, n, $2, id"
            " FROM card, generate_series(1, $3) n",
            ACCOUNT,
            HOUR,
            customers,
        )


async def empty() -> None:
    """Removes all calls, sums and entries, past the guards of the ledger."""
    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute(
            "TRUNCATE call_records, hour_marks, hours, rollups, rollup_destinations, rollup_codes,"
            " ledger_entries, balances, day_sums, month_sums, carrier_days, country_slots,"
            " country_days, minute_sums, pdd_minutes, pdd_slots, pdd_days"
        )


async def put(legs: Sequence[Leg], gone: Sequence[Leg] = ()) -> None:
    """Stores records (and takes away what a correction moved) with their marks, in one commit."""
    await partitions.create_missing(partitions.days_of(leg.setup for leg in legs))
    async with db.transaction() as conn:
        for leg in gone:
            await conn.execute(
                "DELETE FROM call_records WHERE account_id = $1 AND customer_id = $2"
                " AND setup_at = $3 AND call_id = $4 AND leg = $5",
                *(ACCOUNT, leg.customer, leg.setup, leg.call, leg.leg),
            )
        await conn.executemany(
            "INSERT INTO call_records (account_id, customer_id, setup_at, switch, call_id, leg,"
            " revision, carrier_id, final, source, destination, offered_at, ringing_at, answer_at,"
            " end_at, talk_us, sip_code, dtmf_digits, rated_by, prefix, billed_seconds, charge,"
            " cost, country, released_by) VALUES ($1, $2, $3, 'edge-1', $4, $5, 0, $6, $7,"
            " '+441632960000', '+15550100', $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,"
            " $19, $20, $21)",
            [_columns(leg) for leg in legs],
        )
        await mark(conn, [*legs, *gone])


async def mark(conn: db.Connection, legs: Sequence[Leg]) -> None:
    await conn.executemany(
        "INSERT INTO hour_marks (account_id, customer_id, hour, marked_at) VALUES ($1, $2, $3, $3)",
        sorted({(ACCOUNT, leg.customer, leg.hour) for leg in legs}),
    )


def _columns(leg: Leg) -> tuple[Any, ...]:
    def after(us: int | None) -> datetime | None:
        return None if us is None else leg.setup + timedelta(microseconds=us)

    end = after((leg.ringing_after_us or leg.offered_after_us) + (leg.talk_us or 0))
    answer = None if leg.talk_us is None else end
    return (
        *(ACCOUNT, leg.customer, leg.setup, leg.call, leg.leg, leg.carrier, leg.final),
        *(after(leg.offered_after_us), after(leg.ringing_after_us), answer, end),
        *(leg.talk_us or 0, leg.code, leg.digits, leg.rated_by, leg.prefix, leg.billed),
        *(leg.charge, leg.cost, leg.country, leg.released_by),
    )


@asynccontextmanager
async def session(url: str) -> AsyncIterator[db.Connection]:
    """A connection beside the pool, so that two transactions of one test do not nest."""
    credentials = db.config(url)["connections"]["default"]["credentials"]
    names = ("host", "port", "user", "password", "database")
    own = await asyncpg.connect(**{name: credentials[name] for name in names})
    try:
        yield own
    finally:
        await own.close()
