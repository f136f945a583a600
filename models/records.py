"""Call records: stored once by their key, whatever is repeated, reordered or corrected.

`insert` claims the keys that are new in one statement and copies their records in (the usual
case); what is left has a key already and is decided by `domain.revisions`. Keys are taken in
order, so that clients with overlapping batches wait for each other instead of deadlocking.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import TypeVar

from domain import calls, periods, revisions
from domain.revisions import Hour, Key, Verdict
from models import call_keys, db, faults, partitions, record_store

T = TypeVar("T")

_ATTEMPTS = 8


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

    One of faults.REFERENCES_CHANGED if a customer's currency or rates are not those they were read
    for.
    """
    if not records:
        return Inserted(())
    by_key = _in_key_order(records)
    firsts = [indexes[0] for indexes in by_key.values()]
    claimed = await record_store.without_frozen(
        lambda frozen: retried(
            lambda: _claim(account_id, _outside(frozen, [records[i] for i in firsts]), now), records
        )
    )
    verdicts = [Verdict.ACCEPTED if key in claimed else None for key in map(_key, records)]
    rest = [
        index
        for key, indexes in by_key.items()
        for index in (indexes[1:] if key in claimed else indexes)
    ]
    rest.sort()
    if rest:
        known = [records[index] for index in rest]
        decided = await record_store.without_frozen(
            lambda frozen: retried(lambda: _decide(account_id, known, now, frozen), known)
        )
        for index, verdict in zip(rest, decided, strict=True):
            verdicts[index] = verdict
    return Inserted([verdict for verdict in verdicts if verdict is not None])


_key = attrgetter("switch", "call_id", "leg")


def _outside(frozen: frozenset[Hour], records: list[calls.Record]) -> list[calls.Record]:
    if not frozen:
        return records
    return [
        one for one in records if (one.customer_id, periods.hour_of(one.setup_at)) not in frozen
    ]


def _in_key_order(records: Sequence[calls.Record]) -> dict[Key, list[int]]:
    """Indexes by key, the keys in the order of their locks, the records of a key as they came."""
    by_key: dict[Key, list[int]] = {}
    for index, key in enumerate(map(_key, records)):
        by_key.setdefault(key, []).append(index)
    return {key: by_key[key] for key in sorted(by_key, key=call_keys.lock_order)}


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
    if not records:
        return set()
    numbered = [revisions.with_revision(record, 1) for record in records]
    try:
        return await _store_new(account_id, numbered, record_store.claim_all, now)
    except faults.Taken:
        return await _store_new(account_id, numbered, record_store.claim_new, now)


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
            await record_store.put(conn, account_id, new, now)
    return claimed


def _counts(record: calls.Record, known: Mapping[Key, revisions.Current]) -> bool:
    current = known.get(_key(record))
    return current is not None and current.digest == record.digest


async def _decide(
    account_id: int, records: Sequence[calls.Record], now: datetime, frozen: frozenset[Hour]
) -> list[Verdict]:
    """The verdicts over records whose key (or whose call's final leg) was there already."""
    async with db.connection() as conn:
        known = await record_store.current(conn, account_id, map(_key, records))
    verdicts = [Verdict.DUPLICATE if _counts(record, known) else None for record in records]
    if None not in verdicts:
        return [Verdict.DUPLICATE] * len(records)
    async with db.connection() as conn, conn.transaction():
        undecided = [r for r, verdict in zip(records, verdicts, strict=True) if verdict is None]
        book = await record_store.load(conn, account_id, undecided, frozen)
        decided = [
            book.enter(record) if verdict is None else verdict
            for record, verdict in zip(records, verdicts, strict=True)
        ]
        # The correction that frees a final leg's place may come after the leg that takes it.
        decided = [
            book.enter(record) if verdict is Verdict.SECOND_FINAL_LEG else verdict
            for record, verdict in zip(records, decided, strict=True)
        ]
        await record_store.write(conn, account_id, book, now)
    return decided
