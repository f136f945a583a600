"""Held records: listed beside the record that counts, accepted or discarded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain import refusals
from domain.identity import callers, personal_data
from domain.records import calls, other_calls, review
from domain.records.review import HeldDecision, HeldState
from domain.records.verdicts import Verdict, apply_verdict, refusal_of
from models import db, listing
from models.directory import switches
from models.records import call_records, held_records
from models.records.held_records import Filter as Filter
from models.records.held_records import HeldRecord as HeldRecord
from resolvers import access, audit_entries
from resolvers.access import Capability
from resolvers.records import intake as intakes
from resolvers.records.intake import Intake


@dataclass(frozen=True, slots=True)
class Decided:
    """The record in its present state; `refusal` is the reason why it is still held."""

    held: HeldRecord
    refusal: refusals.Refusal | None = None


async def page(
    caller: callers.Caller,
    filter: held_records.Filter,
    before: listing.ReceiptPosition | None,
    limit: int,
) -> list[HeldRecord]:
    """Held records, newest first. Refuses FORBIDDEN, INVALID."""
    access.require_account(caller, Capability.REVIEW_RECORDS)
    if filter.switch is not None:
        personal_data.validate_name(filter.switch, "switch")
    return await held_records.page(caller.account_id, filter, before, limit)


async def accept(
    caller: callers.Caller,
    intake: Intake,
    ids: Sequence[int],
    now: datetime,
    decision: HeldDecision = HeldDecision.NEXT_REVISION,
) -> list[Decided]:
    """Accepts records in the order of the ids, which is that of their revisions. The result
    also has other legs that became another call with them. Records that are not held are
    unchanged.

    Refuses FORBIDDEN, INVALID, NOT_FOUND; then nothing is changed.
    """
    chosen = await _chosen(caller, ids)

    async def store() -> dict[int, Verdict]:
        async with db.transaction():
            return await _accept(caller, chosen, decision, now)

    verdicts = await call_records.retry(store, [record.content for record in chosen])
    decided = await _again(caller, [*ids, *(id for id in verdicts if id not in ids)])
    accepted = [record for record in decided if verdicts.get(record.id) in held_records.ACCEPTED]
    await intakes.update_live(
        intake, caller.account_id, await _ends(caller, accepted, verdicts, now), now
    )
    why = {id: refusal_of(verdict) for id, verdict in verdicts.items()}
    return [Decided(record, why.get(record.id)) for record in decided]


async def _accept(
    caller: callers.Caller, chosen: Sequence[HeldRecord], decision: HeldDecision, now: datetime
) -> dict[int, Verdict]:
    if decision is HeldDecision.ANOTHER_CALL:
        chosen = await held_records.with_other_legs(caller.account_id, chosen)
    chosen = await held_records.rate_by_current_cards(caller.account_id, chosen)
    verdicts = await held_records.accept(caller.account_id, chosen, now, decision)
    for record in chosen:
        verdict = verdicts.get(record.id)
        if verdict is Verdict.CORRECTED:
            before, after = _differing(record.counted, record.content)
            await _note(caller, "held.accept", record, HeldState.ACCEPTED, now, before, after)
        elif verdict is Verdict.ACCEPTED:
            _, after = _differing(None, other_calls.separate(record.content))
            state = HeldState.ANOTHER_CALL
            await _note(caller, "held.accept_another_call", record, state, now, {}, after)
    return verdicts


async def discard(caller: callers.Caller, ids: Sequence[int], now: datetime) -> list[Decided]:
    """Discards records in the order of the ids; others are unchanged. Refuses FORBIDDEN,
    INVALID, NOT_FOUND."""
    chosen = await _chosen(caller, ids)
    async with db.transaction():
        discarded = await held_records.discard(caller.account_id, chosen)
        for record in chosen:
            if record.id in discarded:
                _, difference = _differing(record.counted, record.content)
                await _note(
                    caller, "held.discard", record, HeldState.DISCARDED, now, difference, {}
                )
    return [Decided(record) for record in await _again(caller, ids)]


async def _chosen(caller: callers.Caller, ids: Sequence[int]) -> list[HeldRecord]:
    """The ids without duplicates."""
    access.require_account(caller, Capability.REVIEW_RECORDS)
    review.require_ids(ids)
    rows_by_id = await held_records.by_ids(caller.account_id, ids)
    if len(rows_by_id) != len(set(ids)):
        raise refusals.not_found("HeldRecord", "ids")
    return [rows_by_id[id] for id in dict.fromkeys(ids)]


async def _again(caller: callers.Caller, ids: Sequence[int]) -> list[HeldRecord]:
    rows_by_id = await held_records.by_ids(caller.account_id, ids)
    return [rows_by_id[id] for id in ids]


async def _ends(
    caller: callers.Caller,
    accepted: Sequence[HeldRecord],
    verdicts: Mapping[int, Verdict],
    now: datetime,
) -> list[calls.LiveEvent]:
    """The ends that now count in live state, instead of or beside the earlier ones."""
    switch_names = {content.content.switch for content in accepted}
    ids = (await switches.find_or_register(caller.account_id, switch_names, now)).switches
    return [
        apply_verdict(
            calls.end_event(content.counted, ids[content.counted.switch].lease_seconds),
            verdicts[content.id],
        )
        for content in accepted
        if content.counted is not None
    ]


_State = dict[str, object]
_NOT_SAID = ("digest", "revision", "currency")  # of a record, by its switch


def _differing(counts: calls.Record | None, held_content: calls.Record) -> tuple[_State, _State]:
    """The values in which the held record and the one that counts differ."""
    names = [name for name in held_content.__struct_fields__ if name not in _NOT_SAID]
    changed = [name for name in names if getattr(counts, name, None) != getattr(held_content, name)]
    before = {name: getattr(counts, name) for name in changed} if counts is not None else {}
    return before, {name: getattr(held_content, name) for name in changed}


async def _note(
    caller: callers.Caller,
    action: str,
    record: HeldRecord,
    state: HeldState,
    now: datetime,
    before: _State,
    after: _State,
) -> None:
    await audit_entries.write(
        caller,
        action,
        f"held:{record.id}",
        now,
        before={"state": record.state} | before,
        after={"state": state} | after,
    )
