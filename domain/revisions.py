"""Which content of a record counts: the highest revision, in whatever order they come.

Source of the rules: docs/rules.md, "Records".
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import msgspec

from domain import calls, kept_charges, periods, refusals
from domain.texts import marked

Key: TypeAlias = tuple[str, str, int]  # switch, call id, leg
Hour: TypeAlias = tuple[int, datetime]  # customer, start of the hour


class Verdict(StrEnum):
    """What became of a record. The last four are refusals."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    CORRECTED = "CORRECTED"
    STALE = "STALE"  # an earlier revision than the current one: kept, not counted
    HELD = "HELD"  # other content under a revision that is known: kept for review, not counted
    SECOND_FINAL_LEG = "SECOND_FINAL_LEG"
    RECORD_ARCHIVED = "RECORD_ARCHIVED"
    OTHER_CURRENCY = "OTHER_CURRENCY"  # than its customer is billed in by now
    HOUR_FROZEN = "HOUR_FROZEN"  # it would enter or leave an hour that can no longer change


_REFUSED = {
    Verdict.SECOND_FINAL_LEG: marked(
        "Another leg of this call is its final one; correct that one first."
    ),
    Verdict.RECORD_ARCHIVED: marked(
        "The record this would correct has been archived with its hour."
    ),
    Verdict.OTHER_CURRENCY: marked(
        "The customer's currency is no longer the one this was rated in; discard it and have its"
        " switch send a correction."
    ),
    Verdict.HOUR_FROZEN: marked(
        "The records of this hour are no longer kept, so the hour can no longer change. Agree on a"
        " credit or a payment with the customer, then discard this record."
    ),
}


def refusal(verdict: Verdict) -> refusals.Refusal | None:
    """Why a record was not taken; None of those that were."""
    template = _REFUSED.get(verdict)
    return None if template is None else refusals.Refusal(verdict.value, template)


def hour_frozen() -> refusals.Refusal:
    return refusals.Refusal(Verdict.HOUR_FROZEN.value, _REFUSED[Verdict.HOUR_FROZEN])


def counted(event: calls.LiveEvent, verdict: Verdict) -> calls.LiveEvent:
    """What does not count in the records does not count live; a correction counts instead."""
    if event.outcome is None or verdict in (Verdict.ACCEPTED, Verdict.DUPLICATE):
        return event
    corrects = verdict is Verdict.CORRECTED
    outcome = msgspec.structs.replace(event.outcome, corrects=True) if corrects else None
    return msgspec.structs.replace(event, outcome=outcome)


@dataclass(frozen=True, slots=True)
class Current:
    """The content that counts. `content` is its row as JSON; None: it has been archived, or was not
    asked for."""

    revision: int
    digest: bytes
    customer_id: int
    setup_at: datetime
    final: bool
    content: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A content that does not count: SUPERSEDED, STALE or HELD.

    Of a held one, its own setup and that of the content that counts: both days are kept for it.
    """

    key: Key
    digest: bytes
    revision: int
    state: str
    content: str
    setup_at: datetime | None = None
    counted_setup_at: datetime | None = None


class Book:
    """The records of some calls, loaded; enters more and knows what there is to write.

    `current` holds every leg of those calls, `seen` the digests and revisions of their contents
    that do not count, `frozen` hours that no record may enter or leave.
    """

    def __init__(
        self,
        current: Mapping[Key, Current],
        seen: Mapping[Key, Mapping[bytes, int]],
        frozen: Collection[Hour] = (),
    ) -> None:
        self.before = dict(current)
        self.records: dict[Key, calls.Record] = {}  # the new contents that count
        self.kept: list[Kept] = []
        self._current = dict(current)
        self._seen = {key: dict(digests) for key, digests in seen.items()}
        self._finals = {key[:2]: key[2] for key, held in current.items() if held.final}
        self._frozen = frozen

    def enter(self, record: calls.Record) -> Verdict:
        key = key_of(record)
        now = self._current.get(key)
        seen = self._seen.setdefault(key, {})
        if record.digest in seen or (now is not None and now.digest == record.digest):
            return Verdict.DUPLICATE
        if now is None:
            numbered = with_revision(record, 1)
            if self._is_frozen(record):
                return Verdict.HOUR_FROZEN
            if self._has_other_final(record):
                return Verdict.SECOND_FINAL_LEG
            self._put(key, numbered)
            return Verdict.ACCEPTED
        numbered = with_revision(record, now.revision + 1)
        if number_of(numbered) > now.revision:
            return self._replace(key, now, numbered)
        known = number_of(numbered) == now.revision or number_of(numbered) in seen.values()
        state = Verdict.HELD if known else Verdict.STALE
        setups = (numbered.setup_at, now.setup_at) if known else ()
        self._keep(key, numbered.digest, number_of(numbered), state, as_json(numbered), *setups)
        return state

    def accept(self, record: calls.Record) -> Verdict:
        """A held content as the next revision: CORRECTED, or why it cannot be."""
        key = key_of(record)
        now = self._current[key]
        return self._replace(key, now, msgspec.structs.replace(record, revision=now.revision + 1))

    def _replace(self, key: Key, now: Current, record: calls.Record) -> Verdict:
        if now.content is None:
            return Verdict.RECORD_ARCHIVED
        if self._is_frozen(now) or self._is_frozen(record):
            return Verdict.HOUR_FROZEN
        if self._has_other_final(record):
            return Verdict.SECOND_FINAL_LEG
        self._keep(key, now.digest, now.revision, "SUPERSEDED", now.content)
        self._put(key, kept_charges.kept(now.content, record))
        return Verdict.CORRECTED

    def _is_frozen(self, content: Current | calls.Record) -> bool:
        if not self._frozen:
            return False
        return (content.customer_id, periods.hour_of(content.setup_at)) in self._frozen

    def _has_other_final(self, record: calls.Record) -> bool:
        final = self._finals.get((record.switch, record.call_id))
        return record.final and final is not None and final != record.leg

    def _put(self, key: Key, record: calls.Record) -> None:
        call = key[:2]
        if record.final:
            self._finals[call] = record.leg
        elif self._finals.get(call) == record.leg:
            del self._finals[call]
        self.records[key] = record
        self._current[key] = Current(
            number_of(record),
            record.digest,
            record.customer_id,
            record.setup_at,
            record.final,
            as_json(record),
        )

    def _keep(
        self, key: Key, digest: bytes, revision: int, state: str, content: str, *setups: datetime
    ) -> None:
        self._seen[key][digest] = revision
        self.kept.append(Kept(key, digest, revision, state, content, *setups))


def key_of(record: calls.Record) -> Key:
    return record.switch, record.call_id, record.leg


def with_revision(record: calls.Record, next_revision: int) -> calls.Record:
    """Numbers a correction that left its number open."""
    if record.revision is not None:
        return record
    return msgspec.structs.replace(record, revision=next_revision)


def number_of(record: calls.Record) -> int:
    """The revision of a record whose number is settled."""
    if record.revision is None:
        raise ValueError("the revision is not settled")
    return record.revision


def as_json(record: calls.Record) -> str:
    """Without the version of the rates, which is of use only while a record is stored."""
    return msgspec.json.encode(msgspec.structs.replace(record, rates_version=None)).decode()
