"""Call records: stored once by their key, whatever is repeated, reordered or corrected.

`insert` claims the keys that are new in one statement and copies their records in (the usual
case); what is left has a key already and is decided by `domain.revisions`. Keys are taken in
order, so that clients with overlapping batches wait for each other instead of deadlocking.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address
from operator import attrgetter
from typing import Any, TypeVar

from domain import calls, periods, revisions
from domain.revisions import Key, Verdict
from models import customers, db, faults, partitions, record_sql

T = TypeVar("T")

_ATTEMPTS = 8
_FIELDS = (
    *("customer_id", "setup_at", "switch", "call_id", "leg", "revision", "carrier_id", "final"),
    *("source", "destination", "direction", "offered_at", "ringing_at", "answer_at"),
    *("end_at", "talk_us", "sip_code", "sip_reason", "q850_cause", "released_by", "dtmf_digits"),
    *("rated_by", "prefix", "rate_card_id", "billed_seconds", "charge", "cost"),
)
COLUMNS = ("account_id", "source_ip", *_FIELDS)
_values = attrgetter(*_FIELDS)
_KEY_FIELDS = (
    *("switch", "call_id", "leg", "setup_at", "customer_id", "revision", "digest", "final"),
)
_KEY_COLUMNS = ("account_id", *_KEY_FIELDS)
_key_values = attrgetter(*_KEY_FIELDS)


@dataclass(frozen=True, slots=True)
class Inserted:
    """What became of each record, in the order they were given."""

    verdicts: Sequence[Verdict]

    def count(self, verdict: Verdict) -> int:
        return self.verdicts.count(verdict)

    def indexes(self, *verdicts: Verdict) -> list[int]:
        return [index for index, verdict in enumerate(self.verdicts) if verdict in verdicts]


async def insert(account_id: int, records: Sequence[calls.Record], now: datetime) -> Inserted:
    """Stores records durably and marks their hours; a repeat of any of it changes nothing.

    faults.CurrencyChangedError where a customer's currency is not the one they were read for.
    """
    if not records:
        return Inserted(())
    by_key = _in_key_order(records)
    firsts = [indexes[0] for indexes in by_key.values()]
    claimed = await retried(lambda: _claim(account_id, [records[i] for i in firsts], now), records)
    verdicts = [Verdict.ACCEPTED if key in claimed else None for key in map(_key, records)]
    rest = [
        index
        for key, indexes in by_key.items()
        for index in (indexes[1:] if key in claimed else indexes)
    ]
    rest.sort()
    if rest:
        known = [records[index] for index in rest]
        decided = await retried(lambda: _decide(account_id, known, now), known)
        for index, verdict in zip(rest, decided, strict=True):
            verdicts[index] = verdict
    return Inserted([verdict for verdict in verdicts if verdict is not None])


_key = attrgetter("switch", "call_id", "leg")


def _in_key_order(records: Sequence[calls.Record]) -> dict[Key, list[int]]:
    """Indexes by key, the keys sorted, the records of a key as they came."""
    by_key: dict[Key, list[int]] = {}
    for index, key in enumerate(map(_key, records)):
        by_key.setdefault(key, []).append(index)
    return {key: by_key[key] for key in sorted(by_key)}


async def retried(work: Callable[[], Awaitable[T]], records: Sequence[calls.Record] = ()) -> T:
    """Runs a transaction again that met another one, or a missing partition of these records."""
    for attempt in range(_ATTEMPTS):
        try:
            return await work()
        except faults.NoPartition:
            if attempt == _ATTEMPTS - 1:
                raise
            await partitions.make(partitions.days_of(record.setup_at for record in records))
        except faults.COLLISION:
            if attempt == _ATTEMPTS - 1:
                raise
            await asyncio.sleep(random.uniform(0.2, 1.0) * 0.01 * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


async def _claim(account_id: int, records: Sequence[calls.Record], now: datetime) -> set[Key]:
    """Stores the records whose keys are new; returns those keys.

    Usually all are: then a plain COPY claims them in half the time.
    """
    numbered = [revisions.with_revision(record, 1) for record in records]
    try:
        return await _store_new(account_id, numbered, _copy_keys, now)
    except faults.Taken:
        return await _store_new(account_id, numbered, _claim_keys, now)


async def _store_new(
    account_id: int,
    records: Sequence[calls.Record],
    claim: Callable[[db.Connection, int, Sequence[calls.Record]], Awaitable[set[Key]]],
    now: datetime,
) -> set[Key]:
    async with db.connection() as conn, conn.transaction():
        claimed = await claim(conn, account_id, records)
        if claimed:
            new = [record for record in records if _key(record) in claimed]
            await _hold_currencies(conn, account_id, new)
            await _copy(conn, account_id, new)
            await mark(conn, account_id, _hours_of(new), _ended(new), now)
    return claimed


async def _copy_keys(
    conn: db.Connection, account_id: int, records: Sequence[calls.Record]
) -> set[Key]:
    """Claims all of the keys, or raises faults.Taken."""
    rows = [(account_id, *_key_values(record)) for record in records]
    await conn.copy_records_to_table("record_keys", records=rows, columns=_KEY_COLUMNS)
    return {row[1:4] for row in rows}


async def _claim_keys(
    conn: db.Connection, account_id: int, records: Sequence[calls.Record]
) -> set[Key]:
    """Claims those of the keys that are new."""
    columns = zip(*map(_key_values, records), strict=True)
    return {tuple(row) for row in await conn.fetch(record_sql.CLAIM, account_id, *columns)}


async def _hold_currencies(
    conn: db.Connection, account_id: int, records: Collection[calls.Record]
) -> None:
    if await in_other_currency(conn, account_id, records):
        raise faults.CurrencyChangedError


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
    rows = [(account_id, _binary(record.source_ip), *_values(record)) for record in records]
    await conn.copy_records_to_table("call_records", records=rows, columns=COLUMNS)


@lru_cache(maxsize=10_000)
def _binary(address: str | None) -> int | str | None:
    """An IPv4 address as a number, which asyncpg encodes four times as fast as the text."""
    return int(IPv4Address(address)) if address and ":" not in address else address


async def mark(
    conn: db.Connection,
    account_id: int,
    hours: set[tuple[int, datetime]],
    ended: set[tuple[str, str]],
    now: datetime,
) -> None:
    customers, starts = zip(*hours, strict=True)
    switches, call_ids = zip(*ended, strict=True) if ended else ((), ())
    await conn.execute(record_sql.MARK, account_id, customers, starts, now, switches, call_ids)


def _hours_of(records: Iterable[calls.Record]) -> set[tuple[int, datetime]]:
    return {(record.customer_id, periods.hour_of(record.setup_at)) for record in records}


def _ended(records: Iterable[calls.Record]) -> set[tuple[str, str]]:
    return {(record.switch, record.call_id) for record in records if record.final}


async def _decide(account_id: int, records: Sequence[calls.Record], now: datetime) -> list[Verdict]:
    """The verdicts over records whose key (or whose call's final leg) was there already."""
    known = await _digests(account_id, records)
    verdicts = [
        Verdict.DUPLICATE if known.get(_key(record)) == record.digest else None
        for record in records
    ]
    if None not in verdicts:
        return [Verdict.DUPLICATE] * len(records)
    async with db.connection() as conn, conn.transaction():
        undecided = [r for r, verdict in zip(records, verdicts, strict=True) if verdict is None]
        book = await load(conn, account_id, undecided)
        decided = [
            book.enter(record) if verdict is None else verdict
            for record, verdict in zip(records, verdicts, strict=True)
        ]
        # The correction that frees a final leg's place may come after the leg that takes it.
        decided = [
            book.enter(record) if verdict is Verdict.SECOND_FINAL_LEG else verdict
            for record, verdict in zip(records, decided, strict=True)
        ]
        await write(conn, account_id, book, now)
    return decided


async def _digests(account_id: int, records: Sequence[calls.Record]) -> dict[Key, bytes]:
    async with db.connection() as conn:
        rows = await conn.fetch(record_sql.DIGESTS, account_id, *_key_columns(map(_key, records)))
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def _key_columns(keys: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list(zip(*keys, strict=True))


async def load(
    conn: db.Connection, account_id: int, records: Sequence[calls.Record]
) -> revisions.Book:
    """The records' calls with all their legs, locked until the transaction ends."""
    wanted = dict.fromkeys(map(_key, records))
    called = sorted({key[:2] for key in wanted})
    locked = await conn.fetch(record_sql.LOCK_CALLS, account_id, *_key_columns(called))
    rows = {(row["switch"], row["call_id"], row["leg"]): row for row in locked}
    contents = await _contents(conn, account_id, {k: rows[k] for k in wanted if k in rows})
    current = {
        key: revisions.Current(
            row["revision"],
            row["digest"],
            row["customer_id"],
            row["setup_at"],
            row["final"],
            contents.get(key),
        )
        for key, row in rows.items()
    }
    seen: dict[Key, dict[bytes, int]] = {}
    for row in await conn.fetch(record_sql.SEEN, account_id, *_key_columns(wanted)):
        seen.setdefault((row[0], row[1], row[2]), {})[row["digest"]] = row["revision"]
    return revisions.Book(current, seen)


async def _contents(
    conn: db.Connection, account_id: int, rows: Mapping[Key, Any]
) -> dict[Key, str]:
    if not rows:
        return {}
    places = [(*key, row["customer_id"], row["setup_at"]) for key, row in rows.items()]
    found = await conn.fetch(record_sql.CONTENTS, account_id, *_key_columns(places))
    return {(row[0], row[1], row[2]): row["content"] for row in found}


async def write(conn: db.Connection, account_id: int, book: revisions.Book, now: datetime) -> None:
    """What was entered into a loaded book, with marks for the hours it changes."""
    await conn.executemany(
        record_sql.KEEP,
        [
            (account_id, *kept.key, kept.digest, kept.revision, kept.state, kept.content, now)
            for kept in book.kept
        ],
    )
    if not book.records:
        return
    old = {key: book.before[key] for key in book.records if key in book.before}
    await conn.executemany(
        record_sql.DELETE,
        [(account_id, was.customer_id, was.setup_at, *key) for key, was in old.items()],
    )
    # First what stops being final: at no instant may two legs of a call be.
    await conn.executemany(
        record_sql.UNFINAL, [(account_id, *key) for key, was in old.items() if was.final]
    )
    await conn.executemany(
        record_sql.REVISE, [(account_id, *_key_values(book.records[key])) for key in old]
    )
    new = [record for key, record in sorted(book.records.items()) if key not in old]
    if new and len(await _claim_keys(conn, account_id, new)) < len(new):
        raise faults.OvertakenError
    await _hold_currencies(conn, account_id, book.records.values())
    await _copy(conn, account_id, book.records.values())
    left = {(was.customer_id, periods.hour_of(was.setup_at)) for was in old.values()}
    hours = left | _hours_of(book.records.values())
    await mark(conn, account_id, hours, _ended(book.records.values()), now)
