"""Contents that contradict what counts: listed beside it, accepted as its next revision, or
discarded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain import callers, calls, people, refusals, review, revisions
from domain.review import HeldState
from domain.revisions import Verdict
from models import db, records, switches
from models import held as stored
from models.held import Held
from resolvers import access, audit
from resolvers import intake as intakes
from resolvers.access import Capability
from resolvers.intake import Intake


@dataclass(frozen=True, slots=True)
class Decided:
    """As it is now; `refusal` says why it is held still."""

    held: Held
    refusal: refusals.Refusal | None = None


async def page(
    caller: callers.Caller, wanted: stored.Filter, before: stored.Place | None, limit: int
) -> list[Held]:
    """Newest first; FORBIDDEN, INVALID."""
    access.require_account(caller, Capability.REVIEW_RECORDS)
    if wanted.switch is not None:
        people.name(wanted.switch, "switch")
    return await stored.page(caller.account_id, wanted, before, limit)


async def accept(
    caller: callers.Caller, intake: Intake, ids: Sequence[int], now: datetime
) -> list[Decided]:
    """By the order of the ids, which is that of the revisions they become; what waits no more stays
    as it is. FORBIDDEN, INVALID, NOT_FOUND; then nothing of it is done."""
    chosen = await _chosen(caller, ids)

    async def store() -> dict[int, Verdict]:
        async with db.transaction():
            return await _accept(caller, chosen, now)

    verdicts = await records.retried(store, [one.content for one in chosen])
    accepted = [one for one in chosen if verdicts.get(one.id) is Verdict.CORRECTED]
    await intakes.tell(intake, caller.account_id, await _ends(caller, accepted, now), now)
    why = {id: revisions.refusal(verdict) for id, verdict in verdicts.items()}
    return [Decided(one, why.get(one.id)) for one in await _again(caller, ids)]


async def _accept(
    caller: callers.Caller, chosen: Sequence[Held], now: datetime
) -> dict[int, Verdict]:
    chosen = await stored.rated_by_now(caller.account_id, chosen)
    verdicts = await stored.accept(caller.account_id, chosen, now)
    for one in chosen:
        if verdicts.get(one.id) is Verdict.CORRECTED:
            before, after = _differing(one.counts, one.content)
            await _note(caller, "held.accept", one, HeldState.ACCEPTED, now, before, after)
    return verdicts


async def discard(caller: callers.Caller, ids: Sequence[int], now: datetime) -> list[Decided]:
    """By the order of the ids; what waits no more stays as it is. FORBIDDEN, INVALID, NOT_FOUND."""
    chosen = await _chosen(caller, ids)
    async with db.transaction():
        discarded = await stored.discard(caller.account_id, chosen)
        for one in chosen:
            if one.id in discarded:
                _, said = _differing(one.counts, one.content)
                await _note(caller, "held.discard", one, HeldState.DISCARDED, now, said, {})
    return [Decided(one) for one in await _again(caller, ids)]


async def _chosen(caller: callers.Caller, ids: Sequence[int]) -> list[Held]:
    """Each once."""
    access.require_account(caller, Capability.REVIEW_RECORDS)
    review.require_some(ids)
    found = await stored.of_ids(caller.account_id, ids)
    if len(found) != len(set(ids)):
        raise refusals.no_such("HeldRecord", "ids")
    return [found[id] for id in dict.fromkeys(ids)]


async def _again(caller: callers.Caller, ids: Sequence[int]) -> list[Held]:
    found = await stored.of_ids(caller.account_id, ids)
    return [found[id] for id in ids]


async def _ends(
    caller: callers.Caller, accepted: Sequence[Held], now: datetime
) -> list[calls.LiveEvent]:
    """What counts live instead of what counted."""
    names = {one.content.switch for one in accepted}
    known = (await switches.known(caller.account_id, names, now)).switches
    ends = [calls.end_of(one.content, known[one.content.switch].lease_seconds) for one in accepted]
    return [revisions.counted(end, Verdict.CORRECTED) for end in ends]


_State = dict[str, object]
_NOT_SAID = ("digest", "revision", "currency")  # of a record, by its switch


def _differing(counts: calls.Record | None, held: calls.Record) -> tuple[_State, _State]:
    """What the one that counts says, and what the held one does, where they differ."""
    names = [name for name in held.__struct_fields__ if name not in _NOT_SAID]
    changed = [name for name in names if getattr(counts, name, None) != getattr(held, name)]
    before = {name: getattr(counts, name) for name in changed} if counts is not None else {}
    return before, {name: getattr(held, name) for name in changed}


async def _note(
    caller: callers.Caller,
    action: str,
    held: Held,
    state: HeldState,
    now: datetime,
    before: _State,
    after: _State,
) -> None:
    await audit.write(
        caller,
        action,
        f"held:{held.id}",
        now,
        before={"state": held.state} | before,
        after={"state": state} | after,
    )
