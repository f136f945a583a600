"""A batch on its way: what each of its events has become so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from domain import calls, events, instants, intake, references, refusals, review, revisions
from domain.revisions import Verdict
from ingest import body
from ingest.switches import callboard
from models import quarantine
from models import records as stored_records

PART = 500  # records stored in one transaction: what takes the event loop a few milliseconds

# Of an event that reports the present: repeated later, it would say nothing.
_NO_RECORDS = ("start", "ringing", "answer", "beat")
_HELD = "Another content is stored under this key and revision; this one is kept for review."


@dataclass(slots=True)
class Batch:
    """Everything is by the index of the event in the request."""

    raws: Sequence[body.Raw]
    said: dict[int, events.Event] = field(default_factory=dict)
    listed: dict[int, events.Listed] = field(default_factory=dict)
    records: dict[int, calls.Record] = field(default_factory=dict)
    live: dict[int, calls.LiveEvent | calls.Beat] = field(default_factory=dict)
    up: dict[int, calls.SnapshotCall] = field(default_factory=dict)
    refused: dict[int, refusals.Refusal] = field(default_factory=dict)
    held: list[int] = field(default_factory=list)
    accepted: int = 0
    duplicates: int = 0
    corrected: int = 0
    parts: list[list[int]] = field(default_factory=list)  # what is stored at once
    _told: list[dict[str, Any]] = field(default_factory=list)
    _part_of: dict[tuple[str, str], list[int]] = field(default_factory=dict)  # by call

    def refuse(self, index: int, refusal: refusals.Refusal) -> None:
        """Kept without its traceback, whose frames the garbage collector would look through."""
        refusal.__context__ = None
        self.refused[index] = refusal.with_traceback(None)

    def parse(self, index: int) -> None:
        try:
            self.said[index] = callboard.event(self.raws[index])
        except refusals.Refusal as refusal:
            self.refuse(index, refusal)

    def check(self, index: int, known: references.Known) -> None:
        said = self.said[index]
        try:
            if isinstance(said, events.End):
                record = intake.record(said, known)
                self.records[index] = record
                self.live[index] = intake.ended(said, record, known)
            elif isinstance(said, events.Beat):
                self.live[index] = intake.beat(said, known)
                self.accepted += 1
            else:
                self.live[index] = intake.live_event(said, known)
                self.accepted += 1
        except refusals.Refusal as refusal:
            self.refuse(index, refusal)

    def parse_listed(self, index: int) -> None:
        try:
            self.listed[index] = callboard.listed(self.raws[index])
        except refusals.Refusal as refusal:
            self.refuse(index, refusal)

    def check_listed(
        self, index: int, at: datetime, zone: ZoneInfo | None, known: references.Known
    ) -> None:
        try:
            self.up[index] = intake.listed(self.listed[index], at, zone, known)
            self.accepted += 1
        except refusals.Refusal as refusal:
            self.refuse(index, refusal)

    def put_in_part(self, index: int) -> None:
        """Every leg of a call is put in the same part: others say nothing of it."""
        record = self.records[index]
        call = (record.switch, record.call_id)
        part = self._part_of.get(call)
        if part is None:
            if not self.parts or len(self.parts[-1]) >= PART:
                self.parts.append([])
            part = self._part_of[call] = self.parts[-1]
        part.append(index)

    def check_again(self, part: Sequence[int], known: references.Known) -> list[int]:
        """What is left of a part that has not been stored: the others are refused by now."""
        for index in part:
            del self.records[index], self.live[index]
            self.check(index, known)
        return [index for index in part if index in self.records]

    def stored(self, part: Sequence[int], inserted: stored_records.Inserted) -> None:
        """Counts what became of a part; its records were inserted in its order.

        Lets go of them: to free those of a whole batch at once takes long.
        """
        self.accepted += inserted.count(Verdict.ACCEPTED) + inserted.count(Verdict.STALE)
        self.duplicates += inserted.count(Verdict.DUPLICATE)
        self.corrected += inserted.count(Verdict.CORRECTED)
        self.held += [part[n] for n in inserted.indexes(Verdict.HELD)]
        for index, verdict in zip(part, inserted.verdicts, strict=True):
            refusal = revisions.refusal(verdict)
            if refusal is not None:
                self.refused[index] = refusal
            event = self.live[index]
            if isinstance(event, calls.LiveEvent):
                self.live[index] = revisions.counted(event, verdict)
            del self.said[index], self.records[index]

    def switches(self) -> set[str]:
        return {said.switch for said in self.said.values()}

    def refused_records(
        self, indexes: Sequence[int], known: Mapping[str, references.Switch]
    ) -> tuple[list[quarantine.Refused], list[quarantine.Refused]]:
        """Of these refused events those that may be records, and the others, which nobody could
        replay."""
        records: list[quarantine.Refused] = []
        others: list[quarantine.Refused] = []
        for index in indexes:
            raw = bytes(self.raws[index])
            header = callboard.header(raw)
            setup_at = _setup(header, known)
            refused = quarantine.Refused(raw, self.refused[index], header.switch, setup_at)
            (others if header.type in _NO_RECORDS else records).append(refused)
        return records, others

    def checked(self, index: int) -> review.Checked | refusals.Refusal:
        """Of an event by itself, long after it was said: only a record still means anything."""
        refusal = self.refused.get(index)
        if refusal is not None:
            return refusal
        ended, record = self.live[index], self.records.get(index)
        if record is None or not isinstance(ended, calls.LiveEvent):
            return refusals.Refusal(
                "NOT_A_RECORD",
                "Only the end of a call can be replayed; discard this one: what is up now, the"
                " switch tells by itself.",
                "type",
            )
        # Its number among the switch's events would make holes, or an earlier start, of the past.
        return review.Checked(record, replace(ended, numbered=None))

    def tell_refused(self, index: int) -> None:
        """Puts it into the answer; in the order of the indexes."""
        refusal = self.refused[index]
        self._told.append({"index": index, "code": refusal.code, "message": refusal.message})

    def answer(self, snapshot_wanted: Sequence[str]) -> dict[str, Any]:
        """What the reporter is told, as JSON values, after `tell_refused` of each that is. Every
        event is counted once."""
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "corrected": self.corrected,
            "held": [
                {"index": index, "code": "HELD", "message": _HELD} for index in sorted(self.held)
            ],
            "refused": self._told,
            "snapshotWanted": snapshot_wanted,
        }


def _setup(header: callboard.Header, known: Mapping[str, references.Switch]) -> datetime | None:
    """When the call was set up, None if that cannot be read."""
    said, switch = header.setup_at, known.get(header.switch or "")
    if isinstance(said, bool) or not isinstance(said, str | int):
        return None
    try:
        return instants.parse(said, None if switch is None else switch.zone, "setup_at")
    except refusals.Refusal:
        return None
