"""Contents held for review: they contradict another content with the same key and revision."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from domain.billing import rating
from domain.records import calls, destinations
from domain.records.other_calls import Reuse, separate
from domain.records.review import STATE_OF_DECISION
from domain.records.review import HeldDecision as Decision
from domain.records.review import HeldState as State
from domain.records.revisions import CurrentContent, Hour, Key, key_of
from domain.records.verdicts import Verdict
from models import db, listing
from models.billing import rate_lookup, rate_versions
from models.directory import switches
from models.records import record_store, revision_store

_SELECT = "SELECT id, state, received_at, content FROM record_revisions"
_OF_ATTEMPTS = f"""
{_SELECT} WHERE account_id = $1 AND state = 'HELD' AND (switch, call_id, setup_at) IN (
    SELECT * FROM unnest($2::text[], $3::text[], $4::timestamptz[]))
ORDER BY id
"""
ACCEPTED = (Verdict.CORRECTED, Verdict.ACCEPTED)  # as the next revision, or as another call
_decode = msgspec.json.Decoder(calls.Record).decode


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """`counted`: the content that counts instead, or into which this one was accepted.

    None if that content is archived.
    """

    id: int
    state: State
    received_at: datetime
    content: calls.Record
    counted: calls.Record | None


@dataclass(frozen=True, slots=True)
class Filter:
    """None matches everything. `start` is inclusive, `end` exclusive."""

    switch: str | None = None
    start: datetime | None = None
    end: datetime | None = None


# By the field of `Filter`.
_CONDITIONS = {
    "switch": "switch = {}",
    "start": "received_at >= {}",
    "end": "received_at < {}",
}


async def page(
    account_id: int, filter: Filter, before: listing.ReceiptPosition | None, limit: int
) -> list[HeldRecord]:
    """Undecided contents before a position, newest first."""
    conditions, values = listing.filter_conditions(account_id, filter, _CONDITIONS)
    conditions.append("state = 'HELD'")
    return await _read(listing.page_by_receipt(conditions, values, before, limit), *values)


async def by_ids(account_id: int, ids: Collection[int]) -> dict[int, HeldRecord]:
    """The contents with these ids that are or were held, by id."""
    where = "WHERE account_id = $1 AND id = ANY($2) AND state = ANY($3)"
    return {
        held_record.id: held_record
        for held_record in await _read(where, account_id, list(ids), list(State))
    }


async def _read(where: str, account_id: int, *values: Any) -> list[HeldRecord]:
    """Reads held contents and their counted contents from one snapshot."""
    async with (
        db.connection() as conn,
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        rows = await conn.fetch(f"{_SELECT} {where}", account_id, *values)
        if not rows:
            return []
        held_contents = [_held(row) for row in rows]
        keys = {
            key_of(record)
            for held_record in held_contents
            for record in (held_record.content, separate(held_record.content))
        }
        current = await revision_store.current(conn, account_id, keys)
        counted_keys = [_counted_key(held_record, current) for held_record in held_contents]
        counted_records = {key: current[key] for key in counted_keys if key in current}
        contents = await revision_store.contents(conn, account_id, counted_records)
    return [
        replace(held_record, counted=_decode(contents[key])) if key in contents else held_record
        for held_record, key in zip(held_contents, counted_keys, strict=True)
    ]


def _counted_key(held_record: HeldRecord, current: Mapping[Key, CurrentContent]) -> Key:
    """The key of the counted content: that of the other call if it has the same setup."""
    own_key, other_key = key_of(held_record.content), key_of(separate(held_record.content))
    if other_key not in current:
        return own_key
    own = current.get(own_key)
    is_other_call = own is None or own.setup_at != held_record.content.setup_at
    return other_key if is_other_call or held_record.state is State.ANOTHER_CALL else own_key


async def with_other_legs(account_id: int, selected: Sequence[HeldRecord]) -> list[HeldRecord]:
    """Adds the held contents of the other legs of the same attempts, without counted contents.

    Omits legs with several held contents. Runs in the open transaction.
    """
    attempts = {
        _attempt(held_record) for held_record in selected if held_record.state is State.HELD
    }
    if not attempts:
        return list(selected)
    async with db.connection() as conn:
        rows = await conn.fetch(_OF_ATTEMPTS, account_id, *zip(*attempts, strict=True))
    by_leg: dict[tuple[Reuse, int], list[HeldRecord]] = {}
    for held_record in map(_held, rows):
        by_leg.setdefault((_attempt(held_record), held_record.content.leg), []).append(held_record)
    selected_legs = {(_attempt(held_record), held_record.content.leg) for held_record in selected}
    others = (
        contents[0]
        for leg, contents in by_leg.items()
        if len(contents) == 1 and leg not in selected_legs
    )
    return [*selected, *others]


def _attempt(held_record: HeldRecord) -> Reuse:
    return held_record.content.switch, held_record.content.call_id, held_record.content.setup_at


async def rate_by_current_cards(
    account_id: int, selected: Sequence[HeldRecord]
) -> list[HeldRecord]:
    """Rates the contents by the current revisions of the cards in force at their setups.

    Locks the rates until the open transaction ends.
    """
    await rate_versions.lock_shared(account_id)
    return [
        replace(held_record, content=await _rate_by_current_card(account_id, held_record.content))
        for held_record in selected
    ]


async def _rate_by_current_card(account_id: int, record: calls.Record) -> calls.Record:
    """Rates a record by the current card. Keeps a charge from the switch."""
    if record.rated_by == "SWITCH" or not record.final:
        return record
    numbering = await switches.numbering(account_id, [record.switch])
    digits = destinations.digits(record.destination, numbering[record.switch])
    numbers, setup_at = [digits] if digits else [], record.setup_at
    cards = await rate_lookup.in_force(account_id, record.customer_id, numbers, setup_at)
    card = cards.at(record.customer_id, setup_at)
    charge = rating.charge_by_card(record.talk_us, digits, setup_at, card)
    return msgspec.structs.replace(
        record,
        rated_by=charge.rated_by,
        prefix=charge.prefix,
        rate_card_id=charge.rate_card_id,
        rate_revision=charge.rate_revision,
        rate_per_minute=charge.rate_per_minute,
        billed_seconds=charge.billed_seconds,
        charge=charge.charge,
    )


async def accept(
    account_id: int,
    selected: Sequence[HeldRecord],
    now: datetime,
    decision: Decision = Decision.NEXT_REVISION,
) -> dict[int, Verdict]:
    """Accepts the undecided contents in this order, as next revisions or as other calls.

    Marks their hours. Returns the verdicts by id. Runs inside `db.transaction()`.
    """
    return await record_store.retry_without_frozen(
        lambda frozen: _accept(account_id, selected, now, decision, frozen)
    )


async def _accept(
    account_id: int,
    selected: Sequence[HeldRecord],
    now: datetime,
    decision: Decision,
    frozen: frozenset[Hour],
) -> dict[int, Verdict]:
    async with db.connection() as conn, conn.transaction():
        contents = [held_record.content for held_record in selected]
        both = [*contents, *map(separate, contents)]
        record_revisions = await revision_store.load(conn, account_id, both, frozen)
        add = (
            record_revisions.accept
            if decision is Decision.NEXT_REVISION
            else record_revisions.accept_as_another
        )
        undecided = await _lock_undecided(conn, account_id, selected)
        in_other_currency = await record_store.in_other_currency(conn, account_id, contents)
        verdicts = {
            held_record.id: Verdict.OTHER_CURRENCY
            if held_record.content in in_other_currency
            else add(held_record.content)
            for held_record in selected
            if held_record.id in undecided
        }
        accepted = [id for id, verdict in verdicts.items() if verdict in ACCEPTED]
        # Before the write, which keeps the state ACCEPTED of contents that it supersedes.
        await _set_state(conn, account_id, accepted, STATE_OF_DECISION[decision])
        await revision_store.write(conn, account_id, record_revisions, now)
    return verdicts


async def discard(account_id: int, selected: Sequence[HeldRecord]) -> set[int]:
    """Discards the undecided contents. Returns their ids. Runs inside `db.transaction()`."""
    async with db.connection() as conn:
        undecided = await _lock_undecided(conn, account_id, selected)
        await _set_state(conn, account_id, undecided, State.DISCARDED)
    return undecided


async def _lock_undecided(
    conn: db.Connection, account_id: int, selected: Sequence[HeldRecord]
) -> set[int]:
    """Locks the undecided contents until the transaction ends. Returns their ids."""
    rows = await conn.fetch(
        "SELECT id FROM record_revisions WHERE account_id = $1 AND id = ANY($2)"
        " AND state = 'HELD' ORDER BY id FOR UPDATE",
        account_id,
        [held_record.id for held_record in selected],
    )
    return {row["id"] for row in rows}


async def _set_state(
    conn: db.Connection, account_id: int, ids: Collection[int], state: State
) -> None:
    await conn.execute(
        "UPDATE record_revisions SET state = $3 WHERE account_id = $1 AND id = ANY($2)",
        account_id,
        list(ids),
        state,
    )


def _held(row: Mapping[str, Any]) -> HeldRecord:
    return HeldRecord(
        row["id"], State(row["state"]), row["received_at"], _decode(row["content"]), None
    )
