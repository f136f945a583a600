"""Refused records, stored so that staff can list, correct and replay them.

A transaction that adds or removes items locks the size of the account first, then items by id.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, TypeAlias

from domain import refusals
from domain.messaging import texts
from domain.records import review
from domain.records.review import State
from domain.records.verdicts import hour_frozen_refusal
from models import db, listing
from models.records import quarantine_sql

MAX_PAYLOAD_CHARACTERS = 64_000  # longer payloads are truncated
_ITEM_BYTES = 500  # of an item and its index entries without the payload


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """`payload` is the received event. `switch` and `setup_at` are None if missing or invalid."""

    payload: bytes
    refusal: refusals.Refusal
    switch: str | None = None
    setup_at: datetime | None = None


async def add(
    account_id: int, records: Sequence[RefusedRecord], now: datetime
) -> list[RefusedRecord]:
    """Stores records durably. Returns those that were not stored because the quarantine is full.

    Counts a repeated payload, and opens it again if it was discarded.
    """
    if not records:
        return []
    counts = Counter(_digest(record.payload) for record in records)
    by_digest = {_digest(record.payload): record for record in records}
    async with db.connection() as conn, conn.transaction():
        size = await conn.fetchval(quarantine_sql.LOCK_SIZE, account_id)
        rows = await conn.fetch(quarantine_sql.LOCK_STORED, account_id, list(by_digest))
        stored = {row["digest"] for row in rows}
        repeated = [_item(by_digest[digest], digest, counts[digest]) for digest in stored]
        if repeated:
            await conn.execute(quarantine_sql.REPEAT, account_id, now, *zip(*repeated, strict=True))
        items = [_item(by_digest[key], key, n) for key, n in counts.items() if key not in stored]
        fitting = list(_fitting(items, review.QUARANTINE_BYTES - size))
        if fitting:
            await conn.execute(quarantine_sql.INSERT, account_id, now, *zip(*fitting, strict=True))
            await conn.execute(quarantine_sql.RESIZE, account_id, sum(map(_bytes, fitting)))
    return [by_digest[item[0]] for item in items[len(fitting) :]]


_Item: TypeAlias = tuple[Any, ...]  # in the order of the statements' parameters


def _item(record: RefusedRecord, digest: bytes, times: int) -> _Item:
    refusal = record.refusal
    text = (digest, _text(record.payload), refusal.code, refusal.message, refusal.field)
    return (*text, record.switch, _message_json(refusal), record.setup_at, times)


def _bytes(item: _Item) -> int:
    return len(item[1].encode()) + _ITEM_BYTES


def _fitting(items: Sequence[_Item], limit_bytes: int) -> Iterator[_Item]:
    """The first items with up to `limit_bytes` in total."""
    for item in items:
        limit_bytes -= _bytes(item)
        if limit_bytes < 0:
            return
        yield item


async def remove_decided(account_id: int, before: datetime, limit: int) -> int:
    """Removes up to `limit` decided items last received before a time. Returns the number."""
    return await _remove(account_id, [State.REPLAYED, State.DISCARDED], before, limit)


async def remove_open(account_id: int, before: datetime, limit: int) -> int:
    """Removes up to `limit` undecided items last received before a time. Returns the number."""
    return await _remove(account_id, [State.OPEN], before, limit)


async def _remove(account_id: int, states: Sequence[State], before: datetime, limit: int) -> int:
    async with db.connection() as conn, conn.transaction():
        await conn.execute(quarantine_sql.LOCK_SIZE, account_id)
        rows = await conn.fetch(quarantine_sql.REMOVE, account_id, list(states), before, limit)
        removed = sum(row["bytes"] + _ITEM_BYTES for row in rows)
        await conn.execute(quarantine_sql.RESIZE, account_id, -removed)
    return len(rows)


async def mark_day_frozen(account_id: int, start: datetime, end: datetime) -> None:
    """Sets HOUR_FROZEN as the refusal of open items set up from `start` until `end`."""
    refusal = hour_frozen_refusal()
    async with db.connection() as conn:
        await conn.execute(
            quarantine_sql.MARK_DAY_FROZEN,
            account_id,
            start,
            end,
            refusal.code,
            refusal.message,
            _message_json(refusal),
        )


def _digest(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=16).digest()


def _message_json(refusal: refusals.Refusal) -> str:
    """The refusal's message as JSON, so that it can be translated later."""
    text = refusal.text
    return json.dumps({"template": text.template, "values": dict(text.values)}, default=str)


def _text(payload: bytes) -> str:
    text = payload.decode("utf-8", "backslashreplace").replace("\0", "\\0")
    return text[:MAX_PAYLOAD_CHARACTERS]


# Review by staff ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    id: int
    payload: str
    code: str
    message: texts.Text
    field: str | None
    switch: str | None
    state: State
    received_at: datetime
    last_received_at: datetime
    times_received: int


@dataclass(frozen=True, slots=True)
class Filter:
    """None matches everything. `start` is inclusive, `end` exclusive."""

    state: State = State.OPEN
    code: str | None = None
    switch: str | None = None
    start: datetime | None = None
    end: datetime | None = None


# By the field of `Filter`.
_CONDITIONS = {
    "state": "state = {}",
    "code": "code = {}",
    "switch": "switch = {}",
    "start": "received_at >= {}",
    "end": "received_at < {}",
}
_COLUMNS = ", ".join([*QuarantinedRecord.__dataclass_fields__, "said"]).replace(
    "last_received_at", "coalesce(last_received_at, received_at) AS last_received_at"
)


async def page(
    account_id: int, filter: Filter, before: listing.ReceiptPosition | None, limit: int
) -> list[QuarantinedRecord]:
    """Items before a position, newest first."""
    conditions, values = listing.filter_conditions(account_id, filter, _CONDITIONS)
    where = listing.page_by_receipt(conditions, values, before, limit)
    async with db.connection() as conn:
        rows = await conn.fetch(f"SELECT {_COLUMNS} FROM quarantine {where}", *values)
    return [_row(row) for row in rows]


async def by_ids(
    account_id: int, ids: Collection[int], *, lock: bool = False
) -> dict[int, QuarantinedRecord]:
    """The items with these ids, by id. `lock` locks them until the transaction ends."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            f"SELECT {_COLUMNS} FROM quarantine WHERE account_id = $1 AND id = ANY($2)"
            f" ORDER BY id{' FOR UPDATE' if lock else ''}",
            account_id,
            list(ids),
        )
    return {row["id"]: _row(row) for row in rows}


async def set_state(account_id: int, ids: Collection[int], state: State) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE quarantine SET state = $3 WHERE account_id = $1 AND id = ANY($2)",
            account_id,
            list(ids),
            state,
        )


async def update_refusal(account_id: int, id: int, refusal: refusals.Refusal) -> None:
    """Replaces the stored refusal of an item."""
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE quarantine SET code = $3, message = $4, field = $5, said = $6"
            " WHERE account_id = $1 AND id = $2",
            account_id,
            id,
            refusal.code,
            refusal.message,
            refusal.field,
            _message_json(refusal),
        )


def _row(row: Any) -> QuarantinedRecord:
    values = dict(row) | {"state": State(row["state"])}
    stored = json.loads(values.pop("said") or "{}")
    message = texts.Text(stored.get("template", row["message"]), stored.get("values", {}))
    return QuarantinedRecord(**values | {"message": message})
