"""Refused records: listed, corrected, replayed through the original intake, discarded.

One transaction locks the rows, stores their records and updates the rows. So a row results in
one record, regardless of concurrent replays and their corrections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain import refusals
from domain.identity import callers, personal_data
from domain.records import calls, review
from domain.records.review import Outcome, State
from domain.records.verdicts import apply_verdict, refusal_of
from models import db, faults, listing
from models.directory import audit_log
from models.records import call_records, quarantine_store
from models.records.quarantine_store import Filter as Filter
from models.records.quarantine_store import QuarantinedRecord as QuarantinedRecord
from resolvers import access, audit_entries
from resolvers.access import Capability
from resolvers.records import intake as intakes
from resolvers.records.intake import Intake


@dataclass(frozen=True, slots=True)
class Replayed:
    """A row in its present state; `refusal` is the reason why it remains in quarantine."""

    row: QuarantinedRecord
    outcome: Outcome
    refusal: refusals.Refusal | None = None


async def page(
    caller: callers.Caller,
    filter: quarantine_store.Filter,
    before: listing.ReceiptPosition | None,
    limit: int,
) -> list[QuarantinedRecord]:
    """Refused records, newest first. Refuses FORBIDDEN, INVALID."""
    access.require_account(caller, Capability.REVIEW_RECORDS)
    for field in ("code", "switch"):
        if (value := getattr(filter, field)) is not None:
            personal_data.validate_name(value, field)
    return await quarantine_store.page(caller.account_id, filter, before, limit)


async def replay(
    caller: callers.Caller,
    intake: Intake,
    ids: Sequence[int],
    corrected: str | None,
    now: datetime,
) -> list[Replayed]:
    """Replays records in the order of the ids. `corrected` is the correction of a single
    record.

    Refuses FORBIDDEN, INVALID, NOT_FOUND; then nothing is changed.
    """
    access.require_account(caller, Capability.REVIEW_RECORDS)
    review.require_ids(ids)
    if corrected is not None:
        review.require_single_id(ids)
        if len(corrected) > quarantine_store.MAX_PAYLOAD_CHARACTERS:
            raise refusals.Refusal(
                "TOO_LONG",
                "A record has at most {most:,} characters.",
                "corrected",
                most=quarantine_store.MAX_PAYLOAD_CHARACTERS,
            )
    rows = await _existing(caller.account_id, ids)
    payload_of = {id: row.payload if corrected is None else corrected for id, row in rows.items()}
    payloads = [text.encode("utf-8", "surrogatepass") for text in payload_of.values()]
    first = min(row.received_at for row in rows.values())
    answers = await intake.check(caller.account_id, payloads, first, now)
    checked = dict(zip(payload_of, answers, strict=True))

    async def store() -> tuple[dict[int, Replayed], list[calls.LiveEvent]]:
        async with db.transaction():
            return await _store(caller, checked, corrected, now)

    try:
        replayed, events = await call_records.retry(store, _records(checked))
    except faults.REFERENCES_CHANGED_ERRORS:  # since they were checked
        return await replay(caller, intake, ids, corrected, now)
    await intakes.update_live(intake, caller.account_id, events, now)
    return [replayed[id] for id in ids]


async def discard(
    caller: callers.Caller, ids: Sequence[int], now: datetime
) -> list[QuarantinedRecord]:
    """Discards records in the order of the ids; others are unchanged. Refuses FORBIDDEN,
    INVALID, NOT_FOUND."""
    access.require_account(caller, Capability.REVIEW_RECORDS)
    review.require_ids(ids)
    async with db.transaction():
        rows = await _existing(caller.account_id, ids, lock=True)
        open_rows = [row for row in rows.values() if row.state is State.OPEN]
        await quarantine_store.set_state(
            caller.account_id, [row.id for row in open_rows], State.DISCARDED
        )
        for row in open_rows:
            rows[row.id] = replace(row, state=State.DISCARDED)
            await _note(caller, "quarantine.discard", row, rows[row.id], now)
    return [rows[id] for id in ids]


async def _existing(
    account_id: int, ids: Sequence[int], *, lock: bool = False
) -> dict[int, QuarantinedRecord]:
    rows_by_id = await quarantine_store.by_ids(account_id, set(ids), lock=lock)
    if len(rows_by_id) != len(set(ids)):
        raise refusals.not_found("QuarantinedRecord", "ids")
    return rows_by_id


_Checked = Mapping[int, review.ValidRecord | refusals.Refusal]


def _records(checked: _Checked) -> list[calls.Record]:
    return [item.record for item in checked.values() if isinstance(item, review.ValidRecord)]


async def _store(
    caller: callers.Caller, checked: _Checked, corrected: str | None, now: datetime
) -> tuple[dict[int, Replayed], list[calls.LiveEvent]]:
    """The outcome of each record, and the changes to publish after the commit."""
    rows = await _existing(caller.account_id, list(checked), lock=True)
    open_records = {id: checked[id] for id, row in rows.items() if row.state is State.OPEN}
    sound = {
        id: record for id, record in open_records.items() if isinstance(record, review.ValidRecord)
    }
    refusals_by_id = {
        id: record for id, record in open_records.items() if isinstance(record, refusals.Refusal)
    }
    of_each = await call_records.insert(
        caller.account_id, [record.record for record in sound.values()], now
    )
    verdicts = dict(zip(sound, of_each.verdicts, strict=True))
    for id, verdict in verdicts.items():
        refusal = refusal_of(verdict)
        if refusal is not None:
            refusals_by_id[id] = refusal
    replayed = {id: Replayed(row, Outcome.NOT_OPEN) for id, row in rows.items()}
    for id, refusal in refusals_by_id.items():
        row = await _refused(caller, rows[id], refusal, corrected, now)
        replayed[id] = Replayed(row, Outcome.REFUSED, refusal)
    verdicts_stored = {id: verdict for id, verdict in verdicts.items() if id not in refusals_by_id}
    await quarantine_store.set_state(caller.account_id, list(verdicts_stored), State.REPLAYED)
    for id, verdict in verdicts_stored.items():
        row = replace(rows[id], state=State.REPLAYED)
        changes = _said(rows[id], corrected)
        await _note(caller, "quarantine.replay", rows[id], row, now, changes, {"outcome": verdict})
        replayed[id] = Replayed(row, Outcome(verdict.value))
    return replayed, [apply_verdict(sound[id].live_event, verdicts[id]) for id in verdicts_stored]


async def _refused(
    caller: callers.Caller,
    row: QuarantinedRecord,
    refusal: refusals.Refusal,
    corrected: str | None,
    now: datetime,
) -> QuarantinedRecord:
    """Stores the new reason if the original event is refused again; a refused correction is not
    stored."""
    why = replace(row, code=refusal.code, message=refusal.text, field=refusal.field)
    if corrected is not None or (why.code, str(why.message)) == (row.code, str(row.message)):
        return row
    await quarantine_store.update_refusal(caller.account_id, row.id, refusal)
    await _note(caller, "quarantine.refuse", row, why, now)
    return why


def _said(row: QuarantinedRecord, corrected: str | None) -> dict[str, str]:
    return {} if corrected is None or corrected == row.payload else {"payload": corrected}


async def _note(
    caller: callers.Caller,
    action: str,
    was: QuarantinedRecord,
    row: QuarantinedRecord,
    now: datetime,
    changes: Mapping[str, str] | None = None,
    more: audit_log.State | None = None,
) -> None:
    before = {"state": was.state, "code": was.code, "message": str(was.message)}
    after = {"state": row.state, "code": row.code, "message": str(row.message)}
    changed = [name for name in before if before[name] != after[name]]
    await audit_entries.write(
        caller,
        action,
        f"quarantine:{row.id}",
        now,
        before={name: before[name] for name in changed}
        | ({"payload": was.payload} if changes else {}),
        after={name: after[name] for name in changed} | dict(changes or {}) | dict(more or {}),
    )
