"""The switch adapters. Each parses what one kind of switch posts, without I/O.

An adapter is a module of `ingest/switches/` with the members of `Adapter` or `PostAdapter`, and an
entry in `ADAPTERS`.
"""

from typing import Protocol

from domain import refusals
from domain.directory import channel_variables
from domain.records import call_channels, events
from ingest import body, snapshot_body, splitting
from ingest.switches import callboard, freeswitch


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


class Post(Protocol):
    """A decoded post about one leg. `switch` None: the post does not name it."""

    @property
    def switch(self) -> str | None: ...

    def channel(self, names: channel_variables.ChannelVariables) -> call_channels.Channel: ...


class PostAdapter(Protocol):
    """See `ingest/switches/freeswitch.py`. The functions raise Refusal for invalid input.

    Switches post one leg of a call at a time to `CALLS_PATH`; `ingest.channel_posts` joins them.
    `excerpt` is stored in quarantine for a post that is not valid.
    """

    CALLS_PATH: str

    def decode(self, content: bytes) -> Post: ...

    def excerpt(self, content: bytes) -> bytes: ...


NATIVE: Adapter = callboard  # the only format of snapshots and of replays
POST_ADAPTERS: tuple[PostAdapter, ...] = (freeswitch,)
ADAPTERS: tuple[Adapter | PostAdapter, ...] = (NATIVE, *POST_ADAPTERS)
