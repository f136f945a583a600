"""What a switch says of its calls, as every adapter gives it: the fields and their limits.

`domain.intake` checks what the fields say together and makes records and live events of them.
"""

from decimal import Decimal
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

LARGEST_SEQUENCE = 2**53 - 1

Instant: TypeAlias = str | int  # RFC 3339 (see `instants.parse`), or microseconds since the epoch
Reference: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100)]
CallId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255)]
Number: TypeAlias = Annotated[str, Meta(max_length=128)]
Word: TypeAlias = Annotated[str, Meta(max_length=32)]
Leg: TypeAlias = Annotated[int, Meta(ge=0, le=9_999)]
Sequence_: TypeAlias = Annotated[int, Meta(ge=0, le=LARGEST_SEQUENCE)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=10_000_000)]


class Said(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    """Anything a switch says. `boot` and `seq` number it, both or neither."""

    switch: Reference
    boot: Sequence_ | None = None
    seq: Sequence_ | None = None


class _Call(Said, frozen=True, kw_only=True, gc=False):
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
    """A leg's call detail record; enough alone."""

    source: Number
    destination: Number
    setup_at: Instant
    offered_at: Instant | None = None
    ringing_at: Instant | None = None
    answer_at: Instant | None = None
    end_at: Instant
    final: bool = True
    source_ip: Annotated[str, Meta(max_length=45)] | None = None
    direction: Word | None = None
    sip_code: Annotated[int, Meta(ge=100, le=699)] | None = None
    sip_reason: Annotated[str, Meta(max_length=255)] | None = None
    q850_cause: Annotated[int, Meta(ge=0, le=127)] | None = None
    released_by: Word | None = None
    dtmf_digits: Count = 0
    charge: Decimal | None = None
    cost: Decimal | None = None
    billed_seconds: Annotated[int, Meta(ge=0, le=2**31)] | None = None
    currency: Annotated[str, Meta(max_length=3)] | None = None
    correction: bool | Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


class Beat(Said, frozen=True, kw_only=True, gc=False, tag="beat"):
    """The switch is alive and has `active` calls up."""

    active: Count
    at: Instant


Progress: TypeAlias = Start | Ringing | Answer
Event: TypeAlias = Start | Ringing | Answer | End | Beat


class Listed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call of a snapshot."""

    call_id: CallId
    leg: Leg = 0
    customer: Reference
    carrier: Annotated[str, Meta(max_length=100)] | None = None
    setup_at: Instant | None = None
