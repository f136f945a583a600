"""Records that were refused, kept so that staff can list, correct and replay them.

Whoever adds or removes items locks the account's size first, then items in the order of their ids.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, TypeAlias

from domain import refusals, review, revisions, texts
from domain.review import State
from models import db, lists, quarantine_sql

LONGEST_PAYLOAD = 64_000  # characters; what is longer is cut
_ITEM_BYTES = 500  # of an item and its index entries beside its payload


@dataclass(frozen=True, slots=True)
class Refused:
    """`payload` is the event as it was received; `switch` and `setup_at` None: none can be read."""

    payload: bytes
    refusal: refusals.Refusal
    switch: str | None = None
    setup_at: datetime | None = None


async def add(account_id: int, refused: Sequence[Refused], now: datetime) -> list[Refused]:
    """Stores them durably; returns those that were not stored because the quarantine is full.

    A payload that is there already is counted; a discarded one opens again.
    """
    if not refused:
        return []
    times = Counter(_digest(one.payload) for one in refused)
    by_digest = {_digest(one.payload): one for one in refused}
    async with db.connection() as conn, conn.transaction():
        size = await conn.fetchval(quarantine_sql.LOCK_SIZE, account_id)
        rows = await conn.fetch(quarantine_sql.LOCK_KNOWN, account_id, list(by_digest))
        known = {row["digest"] for row in rows}
        repeated = [_item(by_digest[digest], digest, times[digest]) for digest in known]
        if repeated:
            await conn.execute(quarantine_sql.REPEAT, account_id, now, *zip(*repeated, strict=True))
        items = [_item(by_digest[key], key, n) for key, n in times.items() if key not in known]
        fitting = list(_fitting(items, review.QUARANTINE_BYTES - size))
        if fitting:
            await conn.execute(quarantine_sql.INSERT, account_id, now, *zip(*fitting, strict=True))
            await conn.execute(quarantine_sql.RESIZE, account_id, sum(map(_bytes, fitting)))
    return [by_digest[item[0]] for item in items[len(fitting) :]]


_Item: TypeAlias = tuple[Any, ...]  # in the order of the statements' parameters


def _item(one: Refused, digest: bytes, times: int) -> _Item:
    why = one.refusal
    text = (digest, _text(one.payload), why.code, why.message, why.field)
    return (*text, one.switch, _said(why), one.setup_at, times)


def _bytes(item: _Item) -> int:
    return len(item[1].encode()) + _ITEM_BYTES


def _fitting(items: Sequence[_Item], space: int) -> Iterator[_Item]:
    """The first of them that fit into so many bytes."""
    for item in items:
        space -= _bytes(item)
        if space < 0:
            return
        yield item


async def remove_settled(account_id: int, before: datetime, limit: int) -> int:
    """Removes decided items that were last received before; returns how many, at most `limit`."""
    return await _remove(account_id, [State.REPLAYED, State.DISCARDED], before, limit)


async def remove_open(account_id: int, before: datetime, limit: int) -> int:
    """Removes undecided items that were last received before; returns how many."""
    return await _remove(account_id, [State.OPEN], before, limit)


async def _remove(account_id: int, states: Sequence[State], before: datetime, limit: int) -> int:
    async with db.connection() as conn, conn.transaction():
        await conn.execute(quarantine_sql.LOCK_SIZE, account_id)
        rows = await conn.fetch(quarantine_sql.REMOVE, account_id, list(states), before, limit)
        removed = sum(row["bytes"] + _ITEM_BYTES for row in rows)
        await conn.execute(quarantine_sql.RESIZE, account_id, -removed)
    return len(rows)


async def refuse_day(account_id: int, start: datetime, end: datetime) -> None:
    """Notes that the hours of open items set up between `start` and `end` are frozen now."""
    why = revisions.hour_frozen()
    async with db.connection() as conn:
        await conn.execute(
            quarantine_sql.REFUSE_DAY, account_id, start, end, why.code, why.message, _said(why)
        )


def _digest(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=16).digest()


def _said(refusal: refusals.Refusal) -> str:
    """Why, so that it can be said again in the language of who reads it."""
    text = refusal.text
    return json.dumps({"template": text.template, "values": dict(text.values)}, default=str)


def _text(payload: bytes) -> str:
    text = payload.decode("utf-8", "backslashreplace").replace("\0", "\\0")
    return text[:LONGEST_PAYLOAD]


# What staff do with it ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
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
    """None matches everything; `start` is inclusive, `end` exclusive."""

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
_COLUMNS = ", ".join([*Row.__dataclass_fields__, "said"]).replace(
    "last_received_at", "coalesce(last_received_at, received_at) AS last_received_at"
)

Place: TypeAlias = tuple[datetime, int]  # when it was received, and its id


async def page(account_id: int, wanted: Filter, before: Place | None, limit: int) -> list[Row]:
    """Newest first, those before that place."""
    conditions, values = lists.matching(account_id, wanted, _CONDITIONS)
    if before is not None:
        values += before
        conditions.append(f"(received_at, id) < (${len(values) - 1}, ${len(values)})")
    where = " AND ".join(conditions)
    async with db.connection() as conn:
        rows = await conn.fetch(
            f"SELECT {_COLUMNS} FROM quarantine WHERE {where}"
            f" ORDER BY received_at DESC, id DESC LIMIT {limit}",
            *values,
        )
    return [_row(row) for row in rows]


async def of_ids(account_id: int, ids: Collection[int], *, lock: bool = False) -> dict[int, Row]:
    """Those there are, by id. Locked they are the open transaction's until it ends."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            f"SELECT {_COLUMNS} FROM quarantine WHERE account_id = $1 AND id = ANY($2)"
            f" ORDER BY id{' FOR UPDATE' if lock else ''}",
            account_id,
            list(ids),
        )
    return {row["id"]: _row(row) for row in rows}


async def settle(account_id: int, ids: Collection[int], state: State) -> None:
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE quarantine SET state = $3 WHERE account_id = $1 AND id = ANY($2)",
            account_id,
            list(ids),
            state,
        )


async def refuse_again(account_id: int, id: int, refusal: refusals.Refusal) -> None:
    """Keeps why it is refused now."""
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE quarantine SET code = $3, message = $4, field = $5, said = $6"
            " WHERE account_id = $1 AND id = $2",
            account_id,
            id,
            refusal.code,
            refusal.message,
            refusal.field,
            _said(refusal),
        )


def _row(row: Any) -> Row:
    values = dict(row) | {"state": State(row["state"])}
    said = json.loads(values.pop("said") or "{}")
    message = texts.Text(said.get("template", row["message"]), said.get("values", {}))
    return Row(**values | {"message": message})
