"""Which content of a record counts: the highest revision, in any order of arrival.

Source of the rules: docs/rules.md, "Records".
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import msgspec

from domain import periods
from domain.billing import correction_charges
from domain.records import calls, other_calls
from domain.records.other_calls import Reuse
from domain.records.verdicts import Verdict

Key: TypeAlias = tuple[str, str, int]  # switch, call id, leg
Hour: TypeAlias = tuple[int, datetime]  # customer, start of the hour


@dataclass(frozen=True, slots=True)
class CurrentContent:
    """The content that counts. `content` is its row as JSON; None: it is archived or not loaded."""

    revision: int
    digest: bytes
    customer_id: int
    setup_at: datetime
    final: bool
    content: str | None = None


@dataclass(frozen=True, slots=True)
class UncountedContent:
    """A content that does not count: SUPERSEDED, STALE or HELD.

    A held one also has its own setup and that of the content that counts, because the records of
    both days are stored until it is decided.
    """

    key: Key
    digest: bytes
    revision: int
    state: str
    content: str
    setup_at: datetime | None = None
    counted_setup_at: datetime | None = None


class RecordRevisions:
    """Loaded records of calls, to which records are added, and the resulting changes.

    - `current`: every leg of the calls.
    - `uncounted_revisions`: the revisions of their contents that do not count, by digest.
    - `frozen`: hours that no record may enter or leave.
    - `reused`: the other calls with the same call ids that staff accepted.
    """

    def __init__(
        self,
        current: Mapping[Key, CurrentContent],
        uncounted_revisions: Mapping[Key, Mapping[bytes, int]],
        frozen: Collection[Hour] = (),
        reused: Collection[Reuse] = (),
    ) -> None:
        self.previous = dict(current)
        self.records: dict[Key, calls.Record] = {}  # the new current contents
        self.uncounted: list[UncountedContent] = []  # new ones
        self.newly_reused: set[Reuse] = set()
        self._current = dict(current)
        self._uncounted_revisions = {
            key: dict(digests) for key, digests in uncounted_revisions.items()
        }
        self._finals = {key[:2]: key[2] for key, content in current.items() if content.final}
        self._frozen = frozen
        self._reused = set(reused)

    def add(self, record: calls.Record) -> Verdict:
        """Adds a record as a first content or a correction."""
        if self._is_duplicate(record):
            return Verdict.DUPLICATE
        record = self._resolve_reuse(record)
        if self._is_duplicate(record):
            return Verdict.DUPLICATE
        key = key_of(record)
        current = self._current.get(key)
        if current is None:
            return self._add(key, with_revision(record, 1))
        numbered = with_revision(record, current.revision + 1)
        if settled_revision(numbered) > current.revision:
            return self._replace(key, current, numbered)
        revisions = [current.revision, *self._uncounted_revisions.get(key, {}).values()]
        is_conflict = settled_revision(numbered) in revisions
        state = Verdict.HELD if is_conflict else Verdict.STALE
        setups = (numbered.setup_at, current.setup_at) if is_conflict else ()
        self._add_uncounted(
            key, numbered.digest, settled_revision(numbered), state, as_json(numbered), *setups
        )
        return state

    def accept(self, record: calls.Record) -> Verdict:
        """Adds a held content as the next revision. Returns CORRECTED or a refusal."""
        record = self._resolve_reuse(record)
        key = key_of(record)
        current = self._current[key]
        return self._replace(
            key, current, msgspec.structs.replace(record, revision=current.revision + 1)
        )

    def accept_as_another(self, record: calls.Record) -> Verdict:
        """Adds a held content as another call. Returns ACCEPTED or a refusal.

        Only the setup distinguishes the records of the two calls.
        """
        other = other_calls.separate(record)
        current = self._current.get(key_of(record))
        has_same_setup = current is not None and current.setup_at == record.setup_at
        if has_same_setup or key_of(other) in self._current:
            return Verdict.SAME_CALL
        verdict = self._add(key_of(other), other)
        if verdict is Verdict.ACCEPTED:
            self.newly_reused.add(other_calls.reuse_of(record))
        return verdict

    def _resolve_reuse(self, record: calls.Record) -> calls.Record:
        """Returns the record with the other call's own id if it belongs to such a call."""
        if other_calls.reuse_of(record) not in self._reused | self.newly_reused:
            return record
        current = self._current.get(key_of(record))
        is_current_call = current is not None and current.setup_at == record.setup_at
        return record if is_current_call else other_calls.separate(record)

    def _is_duplicate(self, record: calls.Record) -> bool:
        key = key_of(record)
        current = self._current.get(key)
        is_current = current is not None and current.digest == record.digest
        return is_current or record.digest in self._uncounted_revisions.get(key, {})

    def _add(self, key: Key, record: calls.Record) -> Verdict:
        if self._is_frozen(record):
            return Verdict.HOUR_FROZEN
        if self._has_other_final(record):
            return Verdict.SECOND_FINAL_LEG
        self._set_current(key, record)
        return Verdict.ACCEPTED

    def _replace(self, key: Key, current: CurrentContent, record: calls.Record) -> Verdict:
        if current.content is None:
            return Verdict.RECORD_ARCHIVED
        if self._is_frozen(current) or self._is_frozen(record):
            return Verdict.HOUR_FROZEN
        if self._has_other_final(record):
            return Verdict.SECOND_FINAL_LEG
        self._add_uncounted(key, current.digest, current.revision, "SUPERSEDED", current.content)
        record = other_calls.with_received_id(current.content, record)
        self._set_current(key, correction_charges.keep_charge(current.content, record))
        return Verdict.CORRECTED

    def _is_frozen(self, content: CurrentContent | calls.Record) -> bool:
        if not self._frozen:
            return False
        return (content.customer_id, periods.hour_of(content.setup_at)) in self._frozen

    def _has_other_final(self, record: calls.Record) -> bool:
        final = self._finals.get((record.switch, record.call_id))
        return record.final and final is not None and final != record.leg

    def _set_current(self, key: Key, record: calls.Record) -> None:
        call = key[:2]
        if record.final:
            self._finals[call] = record.leg
        elif self._finals.get(call) == record.leg:
            del self._finals[call]
        self.records[key] = record
        self._current[key] = CurrentContent(
            settled_revision(record),
            record.digest,
            record.customer_id,
            record.setup_at,
            record.final,
            as_json(record),
        )

    def _add_uncounted(
        self, key: Key, digest: bytes, revision: int, state: str, content: str, *setups: datetime
    ) -> None:
        self._uncounted_revisions.setdefault(key, {})[digest] = revision
        self.uncounted.append(UncountedContent(key, digest, revision, state, content, *setups))


def key_of(record: calls.Record) -> Key:
    return record.switch, record.call_id, record.leg


def with_revision(record: calls.Record, next_revision: int) -> calls.Record:
    """Sets the revision of a correction without a number."""
    if record.revision is not None:
        return record
    return msgspec.structs.replace(record, revision=next_revision)


def settled_revision(record: calls.Record) -> int:
    """The revision of a record that has a number."""
    if record.revision is None:
        raise ValueError("the revision is not settled")
    return record.revision


def as_json(record: calls.Record) -> str:
    """Encodes a record without `rates_version`, which is only needed when it is stored."""
    return msgspec.json.encode(msgspec.structs.replace(record, rates_version=None)).decode()
