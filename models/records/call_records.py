"""Call records: stored once by their key, even if repeated, reordered or corrected.

Usually all keys are new: `insert` claims them in one statement and copies their records. Records
whose keys exist are decided by `domain.records.revisions`. Keys are claimed in order, so that
clients with overlapping batches wait for each other instead of deadlocking.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import TypeVar

from domain import periods
from domain.records import calls, other_calls, revisions
from domain.records.revisions import Hour, Key
from domain.records.verdicts import Verdict
from models import db, faults
from models.records import call_keys, partitions, record_store, reused_call_ids, revision_store

T = TypeVar("T")

_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class InsertResult:
    """The verdict on each record, in the order of the input."""

    verdicts: Sequence[Verdict]

    def count(self, verdict: Verdict) -> int:
        return self.verdicts.count(verdict)

    def indexes(self, *verdicts: Verdict) -> list[int]:
        return [index for index, verdict in enumerate(self.verdicts) if verdict in verdicts]


async def insert(account_id: int, records: Sequence[calls.Record], now: datetime) -> InsertResult:
    """Stores records durably and marks their hours. A repeated record changes nothing.

    Raises one of faults.REFERENCES_CHANGED_ERRORS if a customer's currency or rates have changed
    since the records were read.
    """
    if not records:
        return InsertResult(())
    by_key = _in_key_order(records)
    async with db.connection() as conn:
        reused = await reused_call_ids.among(conn, account_id, records)
    # A record with a reused call id may belong to the other call, which is decided under a lock.
    first_records = [
        records[indexes[0]]
        for indexes in by_key.values()
        if other_calls.reuse_of(records[indexes[0]]) not in reused
    ]
    claimed_keys = await record_store.retry_without_frozen(
        lambda frozen: retry(
            lambda: _claim(account_id, _without_frozen(frozen, first_records), now),
            records,
        )
    )
    if len(claimed_keys) == len(records):
        return InsertResult([Verdict.ACCEPTED] * len(records))
    verdicts = [Verdict.ACCEPTED if key in claimed_keys else None for key in map(_key, records)]
    other_indexes = [
        index
        for key, indexes in by_key.items()
        for index in (indexes[1:] if key in claimed_keys else indexes)
    ]
    other_indexes.sort()
    if other_indexes:
        other_records = [records[index] for index in other_indexes]
        other_verdicts = await record_store.retry_without_frozen(
            lambda frozen: retry(
                lambda: _decide(account_id, other_records, now, frozen), other_records
            )
        )
        for index, verdict in zip(other_indexes, other_verdicts, strict=True):
            verdicts[index] = verdict
    return InsertResult([verdict for verdict in verdicts if verdict is not None])


_key = attrgetter("switch", "call_id", "leg")


def _without_frozen(frozen: frozenset[Hour], records: list[calls.Record]) -> list[calls.Record]:
    if not frozen:
        return records
    return [
        record
        for record in records
        if (record.customer_id, periods.hour_of(record.setup_at)) not in frozen
    ]


def _in_key_order(records: Sequence[calls.Record]) -> dict[Key, list[int]]:
    """Indexes by key, in lock order; those of one key in the order of the input."""
    by_key: dict[Key, list[int]] = {}
    for index, key in enumerate(map(_key, records)):
        by_key.setdefault(key, []).append(index)
    return {key: by_key[key] for key in sorted(by_key, key=call_keys.lock_order)}


async def retry(work: Callable[[], Awaitable[T]], records: Sequence[calls.Record] = ()) -> T:
    """Runs a transaction. Retries it after a collision or a missing partition of the records."""
    days: set[date] = set()
    for attempt in range(_ATTEMPTS):
        try:
            return await (_with_partitions(days, work) if days else work())
        except faults.NoPartitionError:
            if attempt == _ATTEMPTS - 1:
                raise
            days = partitions.days_of(record.setup_at for record in records)
        except faults.COLLISION_ERRORS:
            if attempt == _ATTEMPTS - 1:
                raise
            await asyncio.sleep(random.uniform(0.2, 1.0) * 0.01 * 2**attempt)
    raise AssertionError("the last attempt returns or raises")


async def _with_partitions(days: set[date], work: Callable[[], Awaitable[T]]) -> T:
    """Runs the work in the transaction that creates the partitions, so that none is dropped."""
    async with db.transaction() as conn:
        await partitions.ensure_until_commit(conn, days)
        return await work()


async def _claim(account_id: int, records: Sequence[calls.Record], now: datetime) -> set[Key]:
    """Stores the records whose keys are new. Returns these keys.

    Tries first to claim all of them with a COPY, which takes half the time.
    """
    if not records:
        return set()
    records = [revisions.with_revision(record, 1) for record in records]
    try:
        return await _store_new(account_id, records, record_store.claim_all, now)
    except faults.KeyTakenError:
        return await _store_new(account_id, records, record_store.claim_new, now)


async def _store_new(
    account_id: int,
    records: Sequence[calls.Record],
    claim: Callable[[db.Connection, int, Sequence[calls.Record]], Awaitable[set[Key]]],
    now: datetime,
) -> set[Key]:
    async with db.connection() as conn, conn.transaction():
        claimed_keys = await claim(conn, account_id, records)
        if claimed_keys:
            are_all_new = len(claimed_keys) == len(records)
            new = (
                records
                if are_all_new
                else [record for record in records if _key(record) in claimed_keys]
            )
            await record_store.store(conn, account_id, new, now)
    return claimed_keys


def _is_repeat(record: calls.Record, current: Mapping[Key, revisions.CurrentContent]) -> bool:
    stored = current.get(_key(record))
    return stored is not None and stored.digest == record.digest


async def _decide(
    account_id: int, records: Sequence[calls.Record], now: datetime, frozen: frozenset[Hour]
) -> list[Verdict]:
    """Stores records whose key, or whose call's final leg, already exists. Returns the verdicts."""
    async with db.connection() as conn:
        current = await revision_store.current(conn, account_id, map(_key, records))
    verdicts = [Verdict.DUPLICATE if _is_repeat(record, current) else None for record in records]
    if None not in verdicts:
        return [Verdict.DUPLICATE] * len(records)
    async with db.connection() as conn, conn.transaction():
        undecided = [r for r, verdict in zip(records, verdicts, strict=True) if verdict is None]
        record_revisions = await revision_store.load(conn, account_id, undecided, frozen)
        first_verdicts = [
            record_revisions.add(record) if verdict is None else verdict
            for record, verdict in zip(records, verdicts, strict=True)
        ]
        # The correction that makes a final leg not final may follow the new final leg.
        final_verdicts = [
            record_revisions.add(record) if verdict is Verdict.SECOND_FINAL_LEG else verdict
            for record, verdict in zip(records, first_verdicts, strict=True)
        ]
        await revision_store.write(conn, account_id, record_revisions, now)
    return final_verdicts
