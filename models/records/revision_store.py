"""Loads and writes the revisions of call records, in one transaction, which the caller opens.

`domain.records.revisions` decides which content of a record counts.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from domain import periods
from domain.records import calls, other_calls, revisions
from domain.records.revisions import Hour, Key
from models import db, faults
from models.records import call_keys, day_bounds, record_sql, record_store, reused_call_ids


async def current(
    conn: db.Connection, account_id: int, keys: Iterable[Key]
) -> dict[Key, revisions.CurrentContent]:
    """Reads the current revisions of those keys that are stored, without their contents."""
    by_row = {call_keys.of_leg(key): key for key in keys}
    rows = await conn.fetch(record_sql.KEYS, account_id, *_columns(by_row))
    return {by_row[row["call_key"], row["leg"]]: _current(row) for row in rows}


def _current(row: Any) -> revisions.CurrentContent:
    return revisions.CurrentContent(
        row["revision"], row["digest"].bytes, row["customer_id"], row["setup_at"], row["final"]
    )


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True))


async def load(
    conn: db.Connection,
    account_id: int,
    records: Sequence[calls.Record],
    frozen: Collection[Hour] = (),
) -> revisions.RecordRevisions:
    """Loads the records' calls with all their legs, and the other calls that they may belong to.

    Locks these calls until the transaction ends.
    """
    keys = dict.fromkeys(map(revisions.key_of, records))
    current = await _lock(conn, account_id, keys)
    # Read under the lock of the calls, which is also held to accept another call of their ids.
    reused = await reused_call_ids.among(conn, account_id, records)
    others = [record for record in records if other_calls.reuse_of(record) in reused]
    other_keys = dict.fromkeys(revisions.key_of(other_calls.separate(record)) for record in others)
    if new_keys := {key: None for key in other_keys if key not in keys}:
        current |= await _lock(conn, account_id, new_keys)
        keys |= new_keys
    stored = {key: current[key] for key in keys if key in current}
    for key, content in (await contents(conn, account_id, stored, lock=True)).items():
        current[key] = replace(current[key], content=content)
    uncounted: dict[Key, dict[bytes, int]] = {}
    for row in await conn.fetch(record_sql.REVISIONS, account_id, *_columns(keys)):
        uncounted.setdefault(_row_key(row), {})[row["digest"]] = row["revision"]
    return revisions.RecordRevisions(current, uncounted, frozen, reused)


async def _lock(
    conn: db.Connection, account_id: int, keys: Iterable[Key]
) -> dict[Key, revisions.CurrentContent]:
    """Locks and reads the current revisions of all legs of the keys' calls, without contents."""
    by_call_key = {call_keys.compute(*key[:2]): key[:2] for key in keys}
    rows = await conn.fetch(record_sql.LOCK_CALLS, account_id, list(by_call_key))
    return {(*by_call_key[row["call_key"]], row["leg"]): _current(row) for row in rows}


def _row_key(row: Any) -> Key:
    return row["switch"], row["call_id"], row["leg"]


async def contents(
    conn: db.Connection,
    account_id: int,
    current: Mapping[Key, revisions.CurrentContent],
    *,
    lock: bool = False,
) -> dict[Key, str]:
    """Reads the contents of records as JSON, except archived ones.

    `lock` locks them until the transaction ends, so that no other transaction rates or waives them.
    """
    by_key: dict[Key, str] = {}
    for span, keys in _by_span(current):
        rows = [
            (*key, current[key].customer_id, current[key].setup_at, current[key].digest)
            for key in keys
        ]
        statement = record_sql.CONTENTS.format(
            days=span.condition("r.setup_at"), lock="FOR UPDATE" if lock else ""
        )
        for row in await conn.fetch(statement, account_id, *_columns(rows)):
            by_key[_row_key(row)] = row["content"]
    return by_key


def _by_span(
    current: Mapping[Key, revisions.CurrentContent],
) -> list[tuple[day_bounds.Span, list[Key]]]:
    return day_bounds.grouped(current, lambda key: current[key].setup_at)


async def write(
    conn: db.Connection,
    account_id: int,
    record_revisions: revisions.RecordRevisions,
    now: datetime,
) -> None:
    """Writes the changes of loaded revisions and marks the hours that they affect."""
    await conn.executemany(
        record_sql.KEEP,
        [
            (
                *(account_id, *content.key, content.digest, content.revision, content.state),
                *(content.content, content.setup_at, content.counted_setup_at, now),
            )
            for content in record_revisions.uncounted
        ],
    )
    await reused_call_ids.insert(conn, account_id, record_revisions.newly_reused)
    if not record_revisions.records:
        return
    old = {
        key: record_revisions.previous[key]
        for key in record_revisions.records
        if key in record_revisions.previous
    }
    for span, keys in _by_span(old):
        await conn.executemany(
            record_sql.DELETE.format(days=span.condition()),
            [(account_id, old[key].customer_id, old[key].setup_at, *key) for key in keys],
        )
    # Legs that are no longer final come first, because a call never has two final legs.
    await conn.executemany(
        record_sql.UNFINAL,
        [(account_id, *call_keys.of_leg(key)) for key, previous in old.items() if previous.final],
    )
    await conn.executemany(
        record_sql.REVISE,
        [(account_id, *record_store.key_row(record_revisions.records[key])) for key in old],
    )
    new_keys = sorted(record_revisions.records.keys() - old.keys(), key=call_keys.lock_order)
    new = [record_revisions.records[key] for key in new_keys]
    if new and len(await record_store.claim_new(conn, account_id, new)) < len(new):
        raise faults.ConcurrentInsertError
    previous_hours = frozenset(
        (previous.customer_id, periods.hour_of(previous.setup_at)) for previous in old.values()
    )
    await record_store.store(
        conn, account_id, record_revisions.records.values(), now, previous_hours
    )
