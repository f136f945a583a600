"""Call events as every switch adapter gives them, and the record a call's end becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

MICROSECOND = timedelta(microseconds=1)
NO_CARRIER = 0  # stored where no carrier was chosen; null for whoever asks


class EventType(StrEnum):
    START = "start"
    RINGING = "ringing"
    ANSWER = "answer"
    END = "end"
    BEAT = "beat"


class Numbered(msgspec.Struct, frozen=True, gc=False):
    """A switch's own number of an event: `boot` names its start, `seq` rises by one from 1."""

    boot: int
    seq: int


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of an attempt. `pdd_us`: setup to the first 18x; None: none came.

    `corrects`: it replaces what was known of the attempt.
    """

    answered: bool
    talk_us: int
    pdd_us: int | None
    corrects: bool = False

    @classmethod
    def of(
        cls,
        setup_at: datetime,
        ringing_at: datetime | None,
        answer_at: datetime | None,
        talk_us: int,
    ) -> "Outcome":
        pdd_us = None if ringing_at is None else (ringing_at - setup_at) // MICROSECOND
        return cls(answer_at is not None, talk_us, pdd_us)


class Ended(msgspec.Struct, frozen=True, gc=False):
    """An attempt by the record of its final leg."""

    switch: str
    call_id: str
    customer_id: int
    setup_at: datetime
    end_at: datetime
    outcome: Outcome


class LiveEvent(msgspec.Struct, frozen=True, gc=False):
    """A start, ringing, answer or end as the live picture needs it, references resolved.

    `at` is when it happened. `lease_seconds` is how long the switch's calls are believed without
    news of them. `outcome` is there where a record of the attempt's final leg counts.
    """

    type: EventType
    switch: str
    call_id: str
    leg: int
    customer_id: int
    carrier_id: int
    at: datetime
    setup_at: datetime | None
    final: bool
    numbered: Numbered | None
    lease_seconds: int
    outcome: Outcome | None = None


class Beat(msgspec.Struct, frozen=True, gc=False):
    """ "I am alive and have `active` calls up", said by a switch every few seconds."""

    switch: str
    active: int
    at: datetime
    numbered: Numbered | None
    lease_seconds: int


@dataclass(frozen=True, slots=True)
class SnapshotCall:
    call_id: str
    leg: int
    customer_id: int
    carrier_id: int
    setup_at: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a switch has up. `numbered.seq` was read before the list was taken."""

    switch: str
    at: datetime
    numbered: Numbered | None
    calls: Sequence[SnapshotCall]
    lease_seconds: int


@dataclass(frozen=True, slots=True)
class LostCall:
    """A call taken out of the count without an end: its end is unknown, its bill untouched."""

    switch: str
    call_id: str
    customer_id: int
    setup_at: datetime | None
    reason: Literal["SNAPSHOT", "LEASE"]


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One leg's call detail record, valid and rated: what is stored.

    `revision` is 0, the number of a correction, or None for "a correction, whichever comes next".
    `talk_us` is answer to end in microseconds. `charge` is the customer's (None: unrated), `cost`
    the carrier's (None: not known). `currency` is what the customer was billed in when it was read.
    (`rate_card_id`, `rate_revision`, `prefix`) is the rate that charged it. `rates_version` is that
    of the customer's rates when it was rated by them; None: it was not, or long ago.
    """

    switch: str
    call_id: str
    leg: int
    revision: int | None
    digest: bytes
    customer_id: int
    carrier_id: int
    final: bool
    source: str
    destination: str
    source_ip: str | None
    direction: str | None
    setup_at: datetime
    offered_at: datetime
    ringing_at: datetime | None
    answer_at: datetime | None
    end_at: datetime
    talk_us: int
    sip_code: int | None
    sip_reason: str | None
    q850_cause: int | None
    released_by: str | None
    dtmf_digits: int
    rated_by: Literal["SWITCH", "CARD", "WAIVED"] | None
    prefix: str | None
    rate_card_id: int | None
    billed_seconds: int
    charge: Decimal | None
    cost: Decimal | None
    currency: str | None = None
    rate_revision: int | None = None
    rate_per_minute: Decimal | None = None
    rates_version: int | None = None


def end_of(record: Record, lease_seconds: int, numbered: Numbered | None = None) -> LiveEvent:
    """What the live picture needs of a record."""
    outcome = None
    if record.final:
        outcome = Outcome.of(record.setup_at, record.ringing_at, record.answer_at, record.talk_us)
    return LiveEvent(
        type=EventType.END,
        switch=record.switch,
        call_id=record.call_id,
        leg=record.leg,
        customer_id=record.customer_id,
        carrier_id=record.carrier_id,
        at=record.end_at,
        setup_at=record.setup_at,
        final=record.final,
        numbered=numbered,
        lease_seconds=lease_seconds,
        outcome=outcome,
    )
