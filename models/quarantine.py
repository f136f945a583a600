"""What was refused from a switch, kept so that staff can list, correct and replay it."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, TypeAlias

from domain import refusals, texts
from domain.review import State
from models import db, lists

LONGEST_PAYLOAD = 64_000  # characters; what is longer is cut


@dataclass(frozen=True, slots=True)
class Refused:
    """`payload` is the event as it was received; `switch` None: it names none that can be read."""

    payload: bytes
    refusal: refusals.Refusal
    switch: str | None = None


async def add(account_id: int, refused: Sequence[Refused], now: datetime) -> None:
    """Keeps them durably; a payload that is there already adds nothing."""
    if not refused:
        return
    by_digest = {_digest(one.payload): one for one in refused}
    rows = [
        (
            digest,
            _text(by_digest[digest].payload),
            by_digest[digest].refusal.code,
            by_digest[digest].refusal.message,
            by_digest[digest].refusal.field,
            by_digest[digest].switch,
            _said(by_digest[digest].refusal),
        )
        for digest in sorted(by_digest)
    ]
    async with db.connection() as conn:
        await conn.execute(
            """
            INSERT INTO quarantine
                (account_id, digest, payload, code, message, field, switch, said, received_at)
            SELECT $1, *, $2
            FROM unnest($3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                        $9::jsonb[])
            ON CONFLICT (account_id, digest) DO NOTHING
            """,
            account_id,
            now,
            *zip(*rows, strict=True),
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
_COLUMNS = ", ".join([*Row.__dataclass_fields__, "said"])

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
