"""Refused records: listed, corrected, replayed through the intake they were refused by, discarded.

Rows are locked, their records stored and they themselves settled in one transaction: a row gives
one record, whoever replays it at the same time and with whatever correction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from domain import callers, calls, people, refusals, review, revisions
from domain.review import Outcome, State
from models import audit as audit_log
from models import db, faults, records
from models import quarantine as stored
from models.quarantine import Row
from resolvers import access, audit
from resolvers import intake as intakes
from resolvers.access import Capability
from resolvers.intake import Intake


@dataclass(frozen=True, slots=True)
class Replayed:
    """A row as it is now; `refusal` says why it stays in quarantine."""

    row: Row
    outcome: Outcome
    refusal: refusals.Refusal | None = None


async def page(
    caller: callers.Caller, wanted: stored.Filter, before: stored.Place | None, limit: int
) -> list[Row]:
    """Newest first; FORBIDDEN, INVALID."""
    access.require_account(caller, Capability.REVIEW_RECORDS)
    for field in ("code", "switch"):
        if (value := getattr(wanted, field)) is not None:
            people.name(value, field)
    return await stored.page(caller.account_id, wanted, before, limit)


async def replay(
    caller: callers.Caller,
    intake: Intake,
    ids: Sequence[int],
    corrected: str | None,
    now: datetime,
) -> list[Replayed]:
    """By the order of the ids. `corrected` is what the one record should have said.

    FORBIDDEN, INVALID, NOT_FOUND; then nothing of it is done.
    """
    access.require_account(caller, Capability.REVIEW_RECORDS)
    review.require_some(ids)
    if corrected is not None:
        review.require_one(ids)
        if len(corrected) > stored.LONGEST_PAYLOAD:
            raise refusals.Refusal(
                "TOO_LONG",
                "A record has at most {most:,} characters.",
                "corrected",
                most=stored.LONGEST_PAYLOAD,
            )
    rows = await _existing(caller.account_id, ids)
    said = {id: row.payload if corrected is None else corrected for id, row in rows.items()}
    payloads = [text.encode("utf-8", "surrogatepass") for text in said.values()]
    first = min(row.received_at for row in rows.values())
    answers = await intake.check(caller.account_id, payloads, first, now)
    checked = dict(zip(said, answers, strict=True))

    async def store() -> tuple[dict[int, Replayed], list[calls.LiveEvent]]:
        async with db.transaction():
            return await _store(caller, checked, corrected, now)

    try:
        replayed, counted = await records.retried(store, _records(checked))
    except faults.REFERENCES_CHANGED:  # since they were checked
        return await replay(caller, intake, ids, corrected, now)
    await intakes.tell(intake, caller.account_id, counted, now)
    return [replayed[id] for id in ids]


async def discard(caller: callers.Caller, ids: Sequence[int], now: datetime) -> list[Row]:
    """By the order of the ids; what is not open stays as it is. FORBIDDEN, INVALID, NOT_FOUND."""
    access.require_account(caller, Capability.REVIEW_RECORDS)
    review.require_some(ids)
    async with db.transaction():
        rows = await _existing(caller.account_id, ids, lock=True)
        opened = [row for row in rows.values() if row.state is State.OPEN]
        await stored.settle(caller.account_id, [row.id for row in opened], State.DISCARDED)
        for row in opened:
            rows[row.id] = replace(row, state=State.DISCARDED)
            await _note(caller, "quarantine.discard", row, rows[row.id], now)
    return [rows[id] for id in ids]


async def _existing(account_id: int, ids: Sequence[int], *, lock: bool = False) -> dict[int, Row]:
    found = await stored.of_ids(account_id, set(ids), lock=lock)
    if len(found) != len(set(ids)):
        raise refusals.no_such("QuarantinedRecord", "ids")
    return found


_Checked = Mapping[int, review.Checked | refusals.Refusal]


def _records(checked: _Checked) -> list[calls.Record]:
    return [one.record for one in checked.values() if isinstance(one, review.Checked)]


async def _store(
    caller: callers.Caller, checked: _Checked, corrected: str | None, now: datetime
) -> tuple[dict[int, Replayed], list[calls.LiveEvent]]:
    """What became of each, and what to tell of it after the commit."""
    rows = await _existing(caller.account_id, list(checked), lock=True)
    opened = {id: checked[id] for id, row in rows.items() if row.state is State.OPEN}
    sound = {id: one for id, one in opened.items() if isinstance(one, review.Checked)}
    refused = {id: one for id, one in opened.items() if isinstance(one, refusals.Refusal)}
    of_each = await records.insert(caller.account_id, [one.record for one in sound.values()], now)
    verdicts = dict(zip(sound, of_each.verdicts, strict=True))
    for id, verdict in verdicts.items():
        refusal = revisions.refusal(verdict)
        if refusal is not None:
            refused[id] = refusal
    replayed = {id: Replayed(row, Outcome.NOT_OPEN) for id, row in rows.items()}
    for id, refusal in refused.items():
        row = await _refused(caller, rows[id], refusal, corrected, now)
        replayed[id] = Replayed(row, Outcome.REFUSED, refusal)
    taken = {id: verdict for id, verdict in verdicts.items() if id not in refused}
    await stored.settle(caller.account_id, list(taken), State.REPLAYED)
    for id, verdict in taken.items():
        row = replace(rows[id], state=State.REPLAYED)
        said = _said(rows[id], corrected)
        await _note(caller, "quarantine.replay", rows[id], row, now, said, {"outcome": verdict})
        replayed[id] = Replayed(row, Outcome(verdict.value))
    return replayed, [revisions.counted(sound[id].ended, verdicts[id]) for id in taken]


async def _refused(
    caller: callers.Caller,
    row: Row,
    refusal: refusals.Refusal,
    corrected: str | None,
    now: datetime,
) -> Row:
    """What it said itself may be refused for another reason by now; a correction is not kept."""
    why = replace(row, code=refusal.code, message=refusal.text, field=refusal.field)
    if corrected is not None or (why.code, str(why.message)) == (row.code, str(row.message)):
        return row
    await stored.refuse_again(caller.account_id, row.id, refusal)
    await _note(caller, "quarantine.refuse", row, why, now)
    return why


def _said(row: Row, corrected: str | None) -> dict[str, str]:
    return {} if corrected is None or corrected == row.payload else {"payload": corrected}


async def _note(
    caller: callers.Caller,
    action: str,
    was: Row,
    row: Row,
    now: datetime,
    said: Mapping[str, str] | None = None,
    more: audit_log.State | None = None,
) -> None:
    before = {"state": was.state, "code": was.code, "message": str(was.message)}
    after = {"state": row.state, "code": row.code, "message": str(row.message)}
    changed = [name for name in before if before[name] != after[name]]
    await audit.write(
        caller,
        action,
        f"quarantine:{row.id}",
        now,
        before={name: before[name] for name in changed}
        | ({"payload": was.payload} if said else {}),
        after={name: after[name] for name in changed} | dict(said or {}) | dict(more or {}),
    )
