"""Contents that contradict what is known under their key and revision: held until staff decide."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from domain import calls, rating
from domain.review import HeldState as State
from domain.revisions import Hour, Key, Verdict
from models import db, rate_look_up, rate_versions, record_store

_SELECT = """
SELECT id, switch, call_id, leg, state, received_at, content
FROM record_revisions WHERE account_id = $1
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
    return await _read(account_id, f"{where} {_NEWEST} {limit}", *values[1:])


async def of_ids(account_id: int, ids: Collection[int]) -> dict[int, Held]:
    """Those there are that are or were held, by id."""
    chosen = "AND id = ANY($2) AND state = ANY($3)"
    rows = await _read(account_id, chosen, list(ids), list(State))
    return {row.id: row for row in rows}


async def _read(account_id: int, chosen: str, *values: Any) -> list[Held]:
    """As they all were at one instant."""
    async with (
        db.connection() as conn,
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        rows = await conn.fetch(f"{_SELECT} {chosen}", account_id, *values)
        if not rows:
            return []
        current = await record_store.current(conn, account_id, {_key(row) for row in rows})
        counts = await record_store.contents(conn, account_id, current)
    return [_held(row, counts.get(_key(row))) for row in rows]


async def rated_by_now(account_id: int, chosen: Sequence[Held]) -> list[Held]:
    """With the charges of the rates in force at their setups as the cards are by now; these stay
    until the open transaction ends."""
    await rate_versions.share(account_id)
    return [replace(one, content=await _rated(account_id, one.content)) for one in chosen]


async def _rated(account_id: int, said: calls.Record) -> calls.Record:
    """A charge of the switch stays."""
    if said.rated_by == "SWITCH" or not said.final:
        return said
    numbers, setup_at = [said.destination], said.setup_at
    cards = await rate_look_up.in_force(account_id, said.customer_id, numbers, setup_at)
    card = cards.at(said.customer_id, setup_at)
    by = rating.by_card(said.talk_us, said.destination, setup_at, card)
    return msgspec.structs.replace(
        said,
        rated_by=by.by,
        prefix=by.prefix,
        rate_card_id=by.rate_card_id,
        rate_revision=by.rate_revision,
        rate_per_minute=by.rate_per_minute,
        billed_seconds=by.billed_seconds,
        charge=by.charge,
    )


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


def _key(row: Mapping[str, Any]) -> Key:
    return row["switch"], row["call_id"], row["leg"]


def _held(row: Mapping[str, Any], counts: str | None) -> Held:
    return Held(
        row["id"],
        State(row["state"]),
        row["received_at"],
        _decode(row["content"]),
        None if counts is None else _decode(counts),
    )
