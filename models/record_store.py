"""The tables of call records, as one transaction reads and writes them; its caller opens it.

`models/records.py` decides what becomes of a batch, and tries again what met another transaction.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address
from operator import attrgetter
from typing import Any, TypeVar

from domain import calls, periods, revisions
from domain.revisions import Hour, Key
from models import call_keys, customers, day_bounds, db, faults, rate_versions, record_sql

T = TypeVar("T")

_FIELDS = (
    *("customer_id", "setup_at", "switch", "call_id", "leg", "revision", "carrier_id", "final"),
    *("source", "destination", "direction", "offered_at", "ringing_at", "answer_at"),
    *("end_at", "talk_us", "sip_code", "sip_reason", "q850_cause", "released_by", "dtmf_digits"),
    *("rated_by", "prefix", "rate_card_id", "billed_seconds", "charge", "cost"),
    *("rate_revision", "rate_per_minute", "currency"),
)
COLUMNS = ("account_id", "source_ip", *_FIELDS)
_values = attrgetter(*_FIELDS)
_KEY_COLUMNS = (
    *("account_id", "call_key", "leg", "setup_at", "customer_id", "revision", "digest", "final"),
)


async def without_frozen(write: Callable[[frozenset[Hour]], Awaitable[T]]) -> T:
    """What `write`, a transaction, returns once it leaves out the records of every frozen hour: it
    is given those that were found frozen so far."""
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
    """Claims all of the keys, or raises faults.Taken."""
    rows = [(account_id, *_key_row(record)) for record in records]
    await conn.copy_records_to_table("record_keys", records=rows, columns=_KEY_COLUMNS)
    return set(map(revisions.key_of, records))


async def claim_new(
    conn: db.Connection, account_id: int, records: Sequence[calls.Record]
) -> set[Key]:
    """Claims those of the keys that are new."""
    rows = {_key_row(record): revisions.key_of(record) for record in records}
    columns = zip(*rows, strict=True)
    claimed = {tuple(row) for row in await conn.fetch(record_sql.CLAIM, account_id, *columns)}
    return {key for row, key in rows.items() if row[:2] in claimed}


def _key_row(record: calls.Record) -> tuple[Any, ...]:
    """In the order of `_KEY_COLUMNS`, without the account."""
    return (
        call_keys.compute(record.switch, record.call_id),
        record.leg,
        record.setup_at,
        record.customer_id,
        record.revision,
        call_keys.digest(record.digest),
        record.final,
    )


async def put(
    conn: db.Connection,
    account_id: int,
    records: Collection[calls.Record],
    now: datetime,
    left: frozenset[Hour] = frozenset(),
) -> None:
    """Stores records whose keys are claimed, with marks for their hours and those they `left`.

    Raises faults.CurrencyChangedError if a customer's currency is not the one they were read for,
    faults.RatesChangedError if its rates are not those they were rated by, and
    faults.FrozenHoursError.
    """
    await _require_same_rates(conn, account_id, records)
    if await in_other_currency(conn, account_id, records):
        raise faults.CurrencyChangedError
    await _copy(conn, account_id, records)
    await mark(conn, account_id, _hours_of(records) | left, _ended(records), now)


async def _require_same_rates(
    conn: db.Connection, account_id: int, records: Collection[calls.Record]
) -> None:
    rated_at = {
        one.customer_id: one.rates_version for one in records if one.rates_version is not None
    }
    if rated_at and rated_at != await rate_versions.hold(conn, account_id, rated_at):
        raise faults.RatesChangedError


async def in_other_currency(
    conn: db.Connection, account_id: int, records: Collection[calls.Record]
) -> list[calls.Record]:
    """Those read for a currency that their customer is no longer billed in; the other customers
    keep theirs until the transaction ends."""
    held = await customers.hold_currencies(conn, account_id, {one.customer_id for one in records})
    return [
        one
        for one in records
        if one.currency not in (None, held.get(one.customer_id, one.currency))
    ]


async def _copy(conn: db.Connection, account_id: int, records: Iterable[calls.Record]) -> None:
    # In one go: a part of a batch is small, and a turn after each row costs more than its encoding.
    rows = [(account_id, _binary(record.source_ip), *_values(record)) for record in records]
    await conn.copy_records_to_table("call_records", records=rows, columns=COLUMNS)


@lru_cache(maxsize=10_000)
def _binary(address: str | None) -> int | str | None:
    """An IPv4 address as a number, which asyncpg encodes four times as fast as the text."""
    return int(IPv4Address(address)) if address and ":" not in address else address


async def mark(
    conn: db.Connection,
    account_id: int,
    hours: set[Hour],
    ended: set[tuple[str, str]],
    now: datetime,
) -> None:
    """After the records of these hours were written. Raises faults.FrozenHoursError."""
    customers, starts = zip(*hours, strict=True)
    switches, call_ids = zip(*ended, strict=True) if ended else ((), ())
    frozen = await conn.fetch(
        record_sql.MARK, account_id, customers, starts, now, switches, call_ids
    )
    if frozen:
        raise faults.FrozenHoursError([(row[0], row[1]) for row in frozen])


def _hours_of(records: Iterable[calls.Record]) -> set[Hour]:
    return {(record.customer_id, periods.hour_of(record.setup_at)) for record in records}


def _ended(records: Iterable[calls.Record]) -> set[tuple[str, str]]:
    return {(record.switch, record.call_id) for record in records if record.final}


async def current(
    conn: db.Connection, account_id: int, keys: Iterable[Key]
) -> dict[Key, revisions.Current]:
    """What counts under those of the keys that are claimed, without its content."""
    by_place = {call_keys.of_leg(key): key for key in keys}
    rows = await conn.fetch(record_sql.KEYS, account_id, *_columns(by_place))
    return {by_place[row["call_key"], row["leg"]]: _current(row) for row in rows}


def _current(row: Any) -> revisions.Current:
    return revisions.Current(
        row["revision"], row["digest"].bytes, row["customer_id"], row["setup_at"], row["final"]
    )


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True))


async def load(
    conn: db.Connection,
    account_id: int,
    records: Sequence[calls.Record],
    frozen: Collection[Hour] = (),
) -> revisions.Book:
    """The records' calls with all their legs, locked until the transaction ends; hours known to be
    `frozen`."""
    wanted = dict.fromkeys(map(revisions.key_of, records))
    called = {call_keys.compute(*key[:2]): key[:2] for key in wanted}
    locked = await conn.fetch(record_sql.LOCK_CALLS, account_id, list(called))
    current = {(*called[row["call_key"]], row["leg"]): _current(row) for row in locked}
    of_wanted = {key: current[key] for key in wanted if key in current}
    for key, content in (await contents(conn, account_id, of_wanted, lock=True)).items():
        current[key] = replace(current[key], content=content)
    seen: dict[Key, dict[bytes, int]] = {}
    for row in await conn.fetch(record_sql.SEEN, account_id, *_columns(wanted)):
        seen.setdefault((row[0], row[1], row[2]), {})[row["digest"]] = row["revision"]
    return revisions.Book(current, seen, frozen)


async def contents(
    conn: db.Connection,
    account_id: int,
    current: Mapping[Key, revisions.Current],
    *,
    lock: bool = False,
) -> dict[Key, str]:
    """Of those that have not been archived, as JSON. Locked, so that nobody rates or waives what is
    about to be replaced, they stay until the transaction ends."""
    found: dict[Key, str] = {}
    for span, keys in _by_span(current):
        places = [
            (*key, current[key].customer_id, current[key].setup_at, current[key].digest)
            for key in keys
        ]
        locked = "FOR UPDATE" if lock else ""
        statement = record_sql.CONTENTS.format(days=span.condition("r.setup_at"), lock=locked)
        for row in await conn.fetch(statement, account_id, *_columns(places)):
            found[row[0], row[1], row[2]] = row["content"]
    return found


def _by_span(
    current: Mapping[Key, revisions.Current],
) -> list[tuple[day_bounds.Span, list[Key]]]:
    return day_bounds.grouped(current, lambda key: current[key].setup_at)


async def write(conn: db.Connection, account_id: int, book: revisions.Book, now: datetime) -> None:
    """What was entered into a loaded book, with marks for the hours it changes."""
    await conn.executemany(
        record_sql.KEEP,
        [
            (
                *(account_id, *kept.key, kept.digest, kept.revision, kept.state, kept.content),
                *(kept.setup_at, kept.counted_setup_at, now),
            )
            for kept in book.kept
        ],
    )
    if not book.records:
        return
    old = {key: book.before[key] for key in book.records if key in book.before}
    for span, keys in _by_span(old):
        await conn.executemany(
            record_sql.DELETE.format(days=span.condition()),
            [(account_id, old[key].customer_id, old[key].setup_at, *key) for key in keys],
        )
    # First what stops being final: at no instant may two legs of a call be.
    await conn.executemany(
        record_sql.UNFINAL,
        [(account_id, *call_keys.of_leg(key)) for key, was in old.items() if was.final],
    )
    await conn.executemany(
        record_sql.REVISE, [(account_id, *_key_row(book.records[key])) for key in old]
    )
    fresh = sorted(book.records.keys() - old.keys(), key=call_keys.lock_order)
    new = [book.records[key] for key in fresh]
    if new and len(await claim_new(conn, account_id, new)) < len(new):
        raise faults.OvertakenError
    left = frozenset((was.customer_id, periods.hour_of(was.setup_at)) for was in old.values())
    await put(conn, account_id, book.records.values(), now, left)
