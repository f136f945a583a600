"""Batches: the events of a request, and the result of each so far."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from domain import refusals
from domain.records import calls, events, intake, live_events, references, review
from domain.records.verdicts import Verdict, apply_verdict, refusal_of
from ingest import adapters, body, refused_events
from models.records import call_records, quarantine_store

SLICE_EVENTS = 250  # processed before other requests run; fewer if events are long
PARSE_SLICE_EVENTS = 100  # each may have invalid optional fields
_SLICE_BYTES = 500_000
RECORDS_PER_TRANSACTION = 500  # occupies the event loop for a few milliseconds

_HELD = "Other content is stored under this key and revision. This record was held for review."

T = TypeVar("T")


async def run_in_slices(
    items: Iterable[T], process: Callable[[T], None], limit: int = SLICE_EVENTS
) -> None:
    """Processes the items. Other requests run after every `limit` items."""
    for count, item in enumerate(items, 1):
        process(item)
        if count % limit == 0:
            await asyncio.sleep(0)


@dataclass(slots=True)
class Batch:
    """The events of a request. All mappings are by the index of the event in the request."""

    raws: Sequence[body.Raw]
    adapter: adapters.Adapter = adapters.NATIVE
    is_record_only: bool = False
    parsed_events: dict[int, events.Event] = field(default_factory=dict)
    listed_calls: dict[int, events.ListedCall] = field(default_factory=dict)
    records: dict[int, calls.Record] = field(default_factory=dict)
    live_events: dict[int, calls.LiveEvent | calls.Beat] = field(default_factory=dict)
    snapshot_calls: dict[int, calls.SnapshotCall] = field(default_factory=dict)
    event_refusals: dict[int, refusals.Refusal] = field(default_factory=dict)
    ignored_fields: dict[int, list[refusals.Refusal]] = field(default_factory=dict)
    refused_ends: dict[int, events.RefusedEnd] = field(default_factory=dict)  # not parsed
    refused_call_ids: set[str] = field(default_factory=set)  # of refused calls of a snapshot
    calls_without_id: int = 0  # the other refused calls of a snapshot
    held_indexes: list[int] = field(default_factory=list)
    accepted_count: int = 0
    duplicate_count: int = 0
    corrected_count: int = 0
    parts: list[list[int]] = field(default_factory=list)  # each is stored in one transaction
    _refused_items: list[dict[str, Any]] = field(default_factory=list)  # of the answer
    _ignored_items: list[msgspec.Raw] = field(default_factory=list)
    _part_by_call: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def refuse(self, index: int, refusal: refusals.Refusal) -> None:
        self.event_refusals[index] = refusals.without_traceback(refusal)

    def slices(self, indexes: Sequence[int], limit: int = SLICE_EVENTS) -> Iterator[Sequence[int]]:
        """Divides events into slices of limited number and size."""
        start = size = 0
        for end, index in enumerate(indexes):
            if end - start == limit or size >= _SLICE_BYTES:
                yield indexes[start:end]
                start, size = end, 0
            size += len(self.raws[index])
        yield indexes[start:]

    def parse(self, index: int) -> None:
        """Parses an event, or refuses it."""
        try:
            self.parsed_events[index] = self.adapter.parse_event(self.raws[index])
        except refusals.Refusal as refusal:
            self._parse_without_optional_fields(index, refusal)

    def _parse_without_optional_fields(self, index: int, refusal: refusals.Refusal) -> None:
        raw = self.raws[index]
        try:
            self.parsed_events[index], self.ignored_fields[index] = (
                self.adapter.parse_end_leniently(raw, refusal)
            )
        except refusals.Refusal as final:
            self.refuse(index, final)
            end = self.adapter.parse_refused_end(raw)
            if end is not None:
                self.refused_ends[index] = end

    def close_refused_end(self, index: int, lookup: references.Lookup) -> None:
        """Adds the live event that closes the live entry of an end that could not be parsed."""
        self.live_events[index] = live_events.build_closing(self.refused_ends[index], lookup)

    def check(self, index: int, lookup: references.Lookup) -> None:
        """Builds the record and live event of a parsed event, or refuses it.

        Invalid optional fields of an end are ignored.
        """
        event = self.parsed_events[index]
        try:
            if isinstance(event, events.End):
                record = intake.build_record(event, lookup)
                self.records[index] = record
                self.live_events[index] = live_events.build_end(event, record, lookup)
            elif isinstance(event, events.Beat):
                self.live_events[index] = live_events.build_beat(event, lookup)
                self.accepted_count += 1
            else:
                self.live_events[index] = live_events.build_progress(event, lookup)
                self.accepted_count += 1
        except refusals.Refusal as refusal:
            name = refusal.field
            if not isinstance(event, events.End):
                self.refuse(index, refusal)
            elif name is not None and name in events.OPTIONAL_FIELDS:
                self.parsed_events[index] = replace(event, **{name: events.OPTIONAL_FIELDS[name]})
                self.ignored_fields.setdefault(index, []).append(
                    refusals.without_traceback(refusal)
                )
                self.check(index, lookup)
            else:
                self.refuse(index, refusal)
                self.live_events[index] = live_events.build_closing(event, lookup)

    def parse_listed_call(self, index: int) -> None:
        try:
            self.listed_calls[index] = self.adapter.parse_listed_call(self.raws[index])
        except refusals.Refusal as refusal:
            self.refuse(index, refusal)

    def check_listed_call(
        self, index: int, at: datetime, zone: ZoneInfo | None, lookup: references.Lookup
    ) -> None:
        try:
            self.snapshot_calls[index] = live_events.build_snapshot_call(
                self.listed_calls[index], at, zone, lookup
            )
            self.accepted_count += 1
        except refusals.Refusal as refusal:
            self.refuse(index, refusal)

    def assign_part(self, index: int) -> None:
        """Assigns a record to a part, and all legs of a call to the same part."""
        record = self.records[index]
        call = (record.switch, record.call_id)
        part = self._part_by_call.get(call)
        if part is None:
            if not self.parts or len(self.parts[-1]) >= RECORDS_PER_TRANSACTION:
                self.parts.append([])
            part = self._part_by_call[call] = self.parts[-1]
        part.append(index)

    def recheck(self, part: Sequence[int], lookup: references.Lookup) -> list[int]:
        """Checks again a part that was not stored. Returns the indexes of its valid records."""
        for index in part:
            del self.records[index], self.live_events[index]
            self.check(index, lookup)
        return [index for index in part if index in self.records]

    def add_result(self, part: Sequence[int], result: call_records.InsertResult) -> None:
        """Counts the verdicts about a part, in the order of its records.

        Releases the records, because releasing those of a whole batch at once takes long.
        """
        self.accepted_count += result.count(Verdict.ACCEPTED) + result.count(Verdict.STALE)
        self.duplicate_count += result.count(Verdict.DUPLICATE)
        self.corrected_count += result.count(Verdict.CORRECTED)
        self.held_indexes += [part[n] for n in result.indexes(Verdict.HELD)]
        for index, verdict in zip(part, result.verdicts, strict=True):
            if verdict is not Verdict.ACCEPTED:
                self._apply_verdict(index, verdict)
            del self.parsed_events[index], self.records[index]

    def _apply_verdict(self, index: int, verdict: Verdict) -> None:
        refusal = refusal_of(verdict)
        if refusal is not None:
            self.event_refusals[index] = refusal
        live_event = self.live_events[index]
        if isinstance(live_event, calls.LiveEvent):
            self.live_events[index] = apply_verdict(live_event, verdict)

    def live_events_in_order(self) -> list[calls.LiveEvent | calls.Beat]:
        live_events = [self.live_events[index] for index in sorted(self.live_events)]
        if not self.is_record_only:
            return live_events
        return [
            replace(event, is_record_only=True) if isinstance(event, calls.LiveEvent) else event
            for event in live_events
        ]

    def switch_names(self) -> set[str]:
        return {
            event.switch for event in (*self.parsed_events.values(), *self.refused_ends.values())
        }

    def quarantine_items(
        self, indexes: Sequence[int], switches: Mapping[str, references.Switch]
    ) -> tuple[list[quarantine_store.RefusedRecord], list[quarantine_store.RefusedRecord]]:
        """The refused events that may be records, and the others, which cannot be replayed."""
        records: list[quarantine_store.RefusedRecord] = []
        others: list[quarantine_store.RefusedRecord] = []
        for index in indexes:
            raw = bytes(self.raws[index])[: body.MAX_EVENT_BYTES]
            item, may_be_record = refused_events.quarantine_item(
                raw, self.event_refusals[index], switches
            )
            (records if may_be_record else others).append(item)
        return records, others

    def keep_refused_call(self, index: int) -> None:
        """Keeps a refused call of a snapshot in the count."""
        call_id = refused_events.read_header(bytes(self.raws[index])).call_id
        if call_id:
            self.refused_call_ids.add(call_id)
        else:
            self.calls_without_id += 1

    def replay_result(self, index: int) -> review.ValidRecord | refusals.Refusal:
        """The record of an event that is replayed, or its refusal.

        Other events are refused, because they reported a state that has passed.
        """
        refusal = self.event_refusals.get(index)
        if refusal is not None:
            return refusal
        live_event, record = self.live_events[index], self.records.get(index)
        if record is None or not isinstance(live_event, calls.LiveEvent):
            return refusals.Refusal(
                "NOT_A_RECORD",
                "Only the end of a call can be replayed. Discard this event; the switch reports"
                " active calls itself.",
                "type",
            )
        # Its old number would look like missing events or a restart of the switch, and it does not
        # come from the switch: its call was closed when it was refused.
        return review.ValidRecord(
            record, replace(live_event, event_number=None, is_record_only=True)
        )

    def add_refused_item(self, index: int) -> None:
        """Adds a refused event to the answer. Call it in the order of the indexes."""
        refusal = self.event_refusals[index]
        self._refused_items.append(
            {"index": index, "code": refusal.code, "message": refusal.message}
        )

    def add_ignored_items(self, index: int) -> None:
        """Adds the ignored fields of an event to the answer, unless the event is refused.

        Encodes them here, because encoding 10,000 events with seven fields at once takes too long.
        """
        if index in self.event_refusals:
            return
        for refusal in self.ignored_fields[index]:
            item = {
                "index": index,
                "field": refusal.field,
                "code": refusal.code,
                "message": refusal.message,
            }
            self._ignored_items.append(msgspec.Raw(msgspec.json.encode(item)))

    def build_answer(self, snapshot_wanted: Sequence[str]) -> dict[str, Any]:
        """The answer to the switch, as JSON values. Counts every event once.

        Call it after `add_refused_item` and `add_ignored_items`.
        """
        return {
            "accepted": self.accepted_count,
            "duplicates": self.duplicate_count,
            "corrected": self.corrected_count,
            "held": [
                {"index": index, "code": "HELD", "message": _HELD}
                for index in sorted(self.held_indexes)
            ],
            "refused": self._refused_items,
            "ignored": self._ignored_items,
            "snapshotWanted": snapshot_wanted,
        }
