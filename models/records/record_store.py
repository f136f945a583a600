"""Writes the tables of call records in one transaction, which the caller opens.

`models/records/call_records.py` decides on each record of a batch and retries after a collision.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from domain import periods
from domain.records import calls, revisions
from domain.records.revisions import Hour, Key
from models import changes, db, faults
from models.billing import rate_versions
from models.directory import customers
from models.records import binary_rows, call_keys, record_sql

T = TypeVar("T")

_FIELDS = (
    *("customer_id", "setup_at", "switch", "call_id", "leg", "revision", "carrier_id", "final"),
    *("source", "destination", "direction", "offered_at", "ringing_at", "answer_at"),
    *("end_at", "talk_us", "sip_code", "sip_reason", "q850_cause", "released_by", "dtmf_digits"),
    *("rated_by", "prefix", "rate_card_id", "billed_seconds", "charge", "cost"),
    *("rate_revision", "rate_per_minute", "currency", "received_call_id", "country"),
)
COLUMNS = ("account_id", "source_ip", *_FIELDS)


async def retry_without_frozen(write: Callable[[frozenset[Hour]], Awaitable[T]]) -> T:
    """Runs the transaction `write` until it omits the records of all frozen hours.

    Each run receives the frozen hours found so far. Returns the result of the last run.
    """
    frozen: frozenset[Hour] = frozenset()
    while True:
        try:
            return await write(frozen)
        except faults.FrozenHoursError as error:
            if error.hours <= frozen:
                raise
            frozen |= error.hours


async def claim_all(
    conn: db.Connection, account_id: int, records: Sequence[calls.Record]
) -> set[Key]:
    """Claims all keys. Raises faults.KeyTakenError."""
    rows = [binary_rows.key_row(account_id, record) for record in records]
    await _copy(conn, "record_keys", binary_rows.KEY_COLUMNS, rows)
    return set(map(revisions.key_of, records))


async def claim_new(
    conn: db.Connection, account_id: int, records: Sequence[calls.Record]
) -> set[Key]:
    """Claims the keys that are new. Returns them."""
    rows = {key_row(record): revisions.key_of(record) for record in records}
    columns = zip(*rows, strict=True)
    claimed = {tuple(row) for row in await conn.fetch(record_sql.CLAIM, account_id, *columns)}
    return {key for row, key in rows.items() if row[:2] in claimed}


def key_row(record: calls.Record) -> tuple[Any, ...]:
    """The columns of `record_sql.CLAIM` and `REVISE` in order, without the account."""
    return (
        call_keys.compute(record.switch, record.call_id),
        record.leg,
        record.setup_at,
        record.customer_id,
        record.revision,
        call_keys.digest(record.digest),
        record.final,
    )


async def store(
    conn: db.Connection,
    account_id: int,
    records: Collection[calls.Record],
    now: datetime,
    previous_hours: frozenset[Hour] = frozenset(),
) -> None:
    """Stores records whose keys are claimed and marks their hours and `previous_hours`.

    Raises faults.CurrencyChangedError or faults.RatesChangedError if a customer's currency or
    rates have changed since the records were read, and faults.FrozenHoursError.
    """
    await _require_same_rates(conn, account_id, records)
    if await in_other_currency(conn, account_id, records):
        raise faults.CurrencyChangedError
    rows = [binary_rows.record_row(account_id, record) for record in records]
    await _copy(conn, "call_records", binary_rows.RECORD_COLUMNS, rows)
    await mark(conn, account_id, _hours_of(records) | previous_hours, _ended_calls(records), now)


async def _require_same_rates(
    conn: db.Connection, account_id: int, records: Collection[calls.Record]
) -> None:
    rated_at = {
        record.customer_id: record.rates_version
        for record in records
        if record.rates_version is not None
    }
    if rated_at and rated_at != await rate_versions.lock_versions(conn, account_id, rated_at):
        raise faults.RatesChangedError


async def in_other_currency(
    conn: db.Connection, account_id: int, records: Collection[calls.Record]
) -> list[calls.Record]:
    """Returns the records in another currency than their customer's.

    Locks the currencies of the customers until the transaction ends.
    """
    currencies = await customers.lock_currencies(conn, account_id, {r.customer_id for r in records})
    return [
        record
        for record in records
        if record.currency not in (None, currencies.get(record.customer_id, record.currency))
    ]


async def _copy(
    conn: db.Connection, table: str, columns: Sequence[str], rows: Iterable[bytes]
) -> None:
    content = binary_rows.copy(rows)
    await conn.copy_to_table(table, source=content, columns=columns, format="binary")


async def mark(
    conn: db.Connection,
    account_id: int,
    hours: set[Hour],
    ended_calls: set[tuple[str, str]],
    now: datetime,
) -> None:
    """Marks hours after their records were written. Raises faults.FrozenHoursError.

    `ended_calls` (switch, call id) are no longer listed as calls without an end.
    """
    customers, starts = zip(*hours, strict=True)
    numbers = list(map(periods.hour_number, starts))  # they are encoded faster than times
    switches, call_ids = zip(*ended_calls, strict=True) if ended_calls else ((), ())
    frozen = await conn.fetch(
        record_sql.MARK, account_id, customers, numbers, now, switches, call_ids
    )
    if frozen:
        raise faults.FrozenHoursError([(row["customer_id"], row["hour"]) for row in frozen])
    changes.record(changes.Work.MARKS)


def _hours_of(records: Iterable[calls.Record]) -> set[Hour]:
    numbers = {(record.customer_id, periods.hour_number(record.setup_at)) for record in records}
    return {(customer_id, periods.start_of(number)) for customer_id, number in numbers}


def _ended_calls(records: Iterable[calls.Record]) -> set[tuple[str, str]]:
    """The calls of final legs, by switch and received call id."""
    return {
        (record.switch, record.received_call_id or record.call_id)
        for record in records
        if record.final
    }
