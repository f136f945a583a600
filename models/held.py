"""Contents that contradict what is known under their key and revision: held until staff decide."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from domain import calls
from domain.review import HeldState as State
from domain.revisions import Hour, Verdict
from models import db, record_store

# Chosen first, so that the rest is looked up for a page alone; the LIMIT keeps it a look-up of one
# partition for each row.
_SELECT = """
SELECT v.id, v.state, v.received_at, v.content, found.content AS counts
FROM (SELECT * FROM record_revisions WHERE account_id = $1 {chosen}) v
JOIN record_keys k ON k.account_id = v.account_id AND k.switch = v.switch
    AND k.call_id = v.call_id AND k.leg = v.leg
LEFT JOIN LATERAL (
    SELECT (to_jsonb(r) || jsonb_build_object('digest', encode(k.digest, 'base64')))::text
        AS content
    FROM call_records r
    WHERE r.account_id = $1 AND r.customer_id = k.customer_id AND r.setup_at = k.setup_at
    AND r.switch = k.switch AND r.call_id = k.call_id AND r.leg = k.leg LIMIT 1
) AS found ON true
ORDER BY v.received_at DESC, v.id DESC
"""
_NEWEST = "ORDER BY received_at DESC, id DESC LIMIT"
_decode = msgspec.json.Decoder(calls.Record).decode


@dataclass(frozen=True, slots=True)
class Held:
    """`counts` None: what counts has been archived."""

    id: int
    state: State
    received_at: datetime
    content: calls.Record
    counts: calls.Record | None


@dataclass(frozen=True, slots=True)
class Filter:
    """None matches everything; `start` is inclusive, `end` exclusive."""

    switch: str | None = None
    start: datetime | None = None
    end: datetime | None = None


# By the field of `Filter`.
_CONDITIONS = {
    "switch": "switch = {}",
    "start": "received_at >= {}",
    "end": "received_at < {}",
}

Place: TypeAlias = tuple[datetime, int]  # when it was received, and its id


async def page(account_id: int, wanted: Filter, before: Place | None, limit: int) -> list[Held]:
    """Those that wait, newest first, before that place."""
    values: list[Any] = [account_id]
    where = "AND state = 'HELD'"
    for name, condition in _CONDITIONS.items():
        value = getattr(wanted, name)
        if value is not None:
            values.append(value)
            where += f" AND {condition.format(f'${len(values)}')}"
    if before is not None:
        values += before
        where += f" AND (received_at, id) < (${len(values) - 1}, ${len(values)})"
    return await _read(f"{where} {_NEWEST} {limit}", *values)


async def of_ids(account_id: int, ids: Collection[int]) -> dict[int, Held]:
    """Those there are that are or were held, by id."""
    rows = await _read("AND id = ANY($2) AND state = ANY($3)", account_id, list(ids), list(State))
    return {row.id: row for row in rows}


async def _read(chosen: str, *values: Any) -> list[Held]:
    async with db.connection() as conn:
        rows = await conn.fetch(_SELECT.format(chosen=chosen), *values)
    return [_held(row) for row in rows]


async def accept(account_id: int, chosen: Sequence[Held], now: datetime) -> dict[int, Verdict]:
    """Those that still wait become the next revisions of their records, in this order, and their
    hours are marked; by id, what became of each of them. Inside `db.transaction()`.
    """
    return await record_store.without_frozen(
        lambda frozen: _accept(account_id, chosen, now, frozen)
    )


async def _accept(
    account_id: int, chosen: Sequence[Held], now: datetime, frozen: frozenset[Hour]
) -> dict[int, Verdict]:
    async with db.connection() as conn, conn.transaction():
        contents = [one.content for one in chosen]
        book = await record_store.load(conn, account_id, contents, frozen)
        waiting = await _waiting(conn, account_id, chosen)
        foreign = await record_store.in_other_currency(conn, account_id, contents)
        verdicts = {
            one.id: Verdict.OTHER_CURRENCY if one.content in foreign else book.accept(one.content)
            for one in chosen
            if one.id in waiting
        }
        accepted = [id for id, verdict in verdicts.items() if verdict is Verdict.CORRECTED]
        # First, so that one that another of them supersedes is known to have been accepted.
        await _settle(conn, account_id, accepted, State.ACCEPTED)
        await record_store.write(conn, account_id, book, now)
    return verdicts


async def discard(account_id: int, chosen: Sequence[Held]) -> set[int]:
    """Those that still waited, by id. Inside `db.transaction()`."""
    async with db.connection() as conn:
        waiting = await _waiting(conn, account_id, chosen)
        await _settle(conn, account_id, waiting, State.DISCARDED)
    return waiting


async def _waiting(conn: db.Connection, account_id: int, chosen: Sequence[Held]) -> set[int]:
    """Locked until the transaction ends."""
    rows = await conn.fetch(
        "SELECT id FROM record_revisions WHERE account_id = $1 AND id = ANY($2)"
        " AND state = 'HELD' ORDER BY id FOR UPDATE",
        account_id,
        [one.id for one in chosen],
    )
    return {row["id"] for row in rows}


async def _settle(conn: db.Connection, account_id: int, ids: Collection[int], state: State) -> None:
    await conn.execute(
        "UPDATE record_revisions SET state = $3 WHERE account_id = $1 AND id = ANY($2)",
        account_id,
        list(ids),
        state,
    )


def _held(row: Mapping[str, Any]) -> Held:
    counts = None if row["counts"] is None else _decode(row["counts"])
    return Held(row["id"], State(row["state"]), row["received_at"], _decode(row["content"]), counts)
