"""The events that switch adapters return: their fields and the limits of each.

`intake` builds records from them, and `live_events` live events.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

MAX_SEQUENCE = 2**53 - 1

Instant: TypeAlias = str | int  # RFC 3339 (see `instants.parse`), or microseconds since the epoch
Reference: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100)]
CallId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255)]
Number: TypeAlias = Annotated[str, Meta(max_length=128)]
ShortText: TypeAlias = Annotated[str, Meta(max_length=32)]
Leg: TypeAlias = Annotated[int, Meta(ge=0, le=9_999)]
SequenceNumber: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_SEQUENCE)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=10_000_000)]


class SwitchEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    """An event of a switch. `boot` and `seq` number it; without either it has no number."""

    switch: Reference
    boot: SequenceNumber | None = None
    seq: SequenceNumber | None = None


class _Call(SwitchEvent, frozen=True, kw_only=True, gc=False):
    call_id: CallId
    leg: Leg = 0
    customer: Reference
    carrier: Annotated[str, Meta(max_length=100)] | None = None


class _Progress(_Call, frozen=True, kw_only=True, gc=False):
    at: Instant
    setup_at: Instant | None = None


class Start(_Progress, frozen=True, kw_only=True, gc=False, tag="start"):
    """A call, or its next leg, was set up."""


class Ringing(_Progress, frozen=True, kw_only=True, gc=False, tag="ringing"):
    pass


class Answer(_Progress, frozen=True, kw_only=True, gc=False, tag="answer"):
    pass


class End(_Call, frozen=True, kw_only=True, gc=False, tag="end"):
    """A leg's call detail record. It requires no earlier event."""

    source: Number
    destination: Number
    setup_at: Instant
    offered_at: Instant | None = None
    ringing_at: Instant | None = None
    answer_at: Instant | None = None
    end_at: Instant
    final: bool = True
    source_ip: Annotated[str, Meta(max_length=64)] | None = None  # may have a port
    direction: ShortText | None = None
    sip_code: Annotated[int, Meta(ge=100, le=699)] | None = None
    sip_reason: Annotated[str, Meta(max_length=255)] | None = None
    q850_cause: Annotated[int, Meta(ge=0, le=127)] | None = None
    released_by: ShortText | None = None
    dtmf_digits: Count = 0
    charge: Decimal | None = None
    cost: Decimal | None = None
    billed_seconds: Annotated[int, Meta(ge=0, le=2**31)] | None = None
    currency: Annotated[str, Meta(max_length=3)] | None = None
    correction: bool | Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


# Fields of an `End` that are ignored if they are invalid, and the values that are stored instead.
# None of them is a time, an amount of money or part of a key.
OPTIONAL_FIELDS: Mapping[str, int | None] = {
    "source_ip": None,
    "direction": None,
    "sip_code": None,
    "sip_reason": None,
    "q850_cause": None,
    "released_by": None,
    "dtmf_digits": 0,
}


class RefusedEnd(SwitchEvent, frozen=True, kw_only=True, gc=False, tag="end"):
    """The fields of a refused `End` that are needed to close its live entry."""

    call_id: CallId
    leg: Leg = 0
    final: bool = True
    end_at: Instant | None = None


class Beat(SwitchEvent, frozen=True, kw_only=True, gc=False, tag="beat"):
    """The switch is running and has `active` calls."""

    active: Count
    at: Instant


Progress: TypeAlias = Start | Ringing | Answer
Event: TypeAlias = Start | Ringing | Answer | End | Beat


class ListedCall(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call of a snapshot."""

    call_id: CallId
    leg: Leg = 0
    customer: Reference
    carrier: Annotated[str, Meta(max_length=100)] | None = None
    setup_at: Instant | None = None
