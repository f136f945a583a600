"""The switch adapters. Each parses the events of one kind of switch, without I/O.

An adapter is a module of `ingest/switches/` with the members of `Adapter`, and an entry in
`ADAPTERS`.
"""

from typing import Protocol

from domain import refusals
from domain.records import events
from ingest import body, snapshot_body, splitting
from ingest.switches import callboard


class Adapter(Protocol):
    """See `ingest/switches/callboard.py`. The functions raise Refusal for invalid input.

    Switches post events to `CALLS_PATH`. A refused end is replayed in the native format.
    """

    CALLS_PATH: str

    def parse_event(self, raw: body.Raw) -> events.Event: ...

    def parse_end_leniently(
        self, raw: body.Raw, refusal: refusals.Refusal
    ) -> tuple[events.End, list[refusals.Refusal]]: ...

    def parse_refused_end(self, raw: body.Raw) -> events.RefusedEnd | None: ...

    def parse_listed_call(self, raw: body.Raw) -> events.ListedCall: ...

    def parse_snapshot(self, content: bytes) -> splitting.Work[snapshot_body.Snapshot]: ...


NATIVE: Adapter = callboard  # the only format of snapshots and of replays
ADAPTERS: tuple[Adapter, ...] = (NATIVE,)
