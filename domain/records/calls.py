"""Live events, snapshots and call records, with checked fields and resolved references."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

MICROSECOND = timedelta(microseconds=1)
NO_CUSTOMER = 0  # in an end without a record: the live entry has the customer
NO_CARRIER = 0  # stored if no carrier was chosen; null in the API


class EventType(StrEnum):
    START = "start"
    RINGING = "ringing"
    ANSWER = "answer"
    END = "end"
    BEAT = "beat"


class EventNumber(msgspec.Struct, frozen=True, gc=False):
    """A switch's number of an event: `boot` identifies its start, `seq` increases by one from 1."""

    boot: int
    seq: int


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The result of an attempt. `pdd_us` is setup to the first 18x; None if there was none.

    `corrects`: it replaces the previous outcome of the attempt.
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


class EndedAttempt(msgspec.Struct, frozen=True, gc=False):
    """An ended attempt, from the record of its final leg."""

    switch: str
    call_id: str
    customer_id: int
    setup_at: datetime
    end_at: datetime
    outcome: Outcome


class LiveEvent(msgspec.Struct, frozen=True, gc=False):
    """A start, ringing, answer or end for the live state.

    `lease_seconds`: the switch's calls are removed after that time without an event. `outcome` is
    None unless a counted record of the attempt's final leg exists. `is_record_only`: its source
    reports records and no active calls, so it cannot send a snapshot.
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
    event_number: EventNumber | None
    lease_seconds: int
    outcome: Outcome | None = None
    is_record_only: bool = False


class Beat(msgspec.Struct, frozen=True, gc=False):
    """The number of active calls, which a switch reports every few seconds."""

    switch: str
    active: int
    at: datetime
    event_number: EventNumber | None
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
    """All active calls of a switch. The switch reads `event_number` before it lists the calls.

    The switch also listed refused calls: those with `refused_call_ids`, and `calls_without_id`
    calls whose id is missing or invalid. All of them stay in the count.
    """

    switch: str
    at: datetime
    event_number: EventNumber | None
    calls: Sequence[SnapshotCall]
    lease_seconds: int
    refused_call_ids: frozenset[str] = frozenset()
    calls_without_id: int = 0


@dataclass(frozen=True, slots=True)
class LostCall:
    """A call that was removed from the count without an end. Its billing is not affected."""

    switch: str
    call_id: str
    customer_id: int
    setup_at: datetime | None
    reason: Literal["SNAPSHOT", "LEASE"]


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One leg's call detail record, valid and rated, as it is stored.

    - `revision`: 0, the number of a correction, or None for a correction with the next number.
    - `talk_us`: answer to end in microseconds.
    - `charge`: the customer's (None: unrated). `cost`: the carrier's (None: unknown).
    - `currency`: the customer's at the time of rating.
    - `received_call_id`: the call id that the switch sent, if staff accepted the record as another
      call with that id.
    - `rate_card_id`, `rate_revision`, `prefix`: identify the rate that charged the call.
    - `country`: of the destination (`domain.records.countries`); None if unknown.
    - `rates_version`: the version of the customer's rates that rated it; None if they did not, and
      in stored contents.
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
    received_call_id: str | None = None
    country: str | None = None


def end_event(
    record: Record, lease_seconds: int, event_number: EventNumber | None = None
) -> LiveEvent:
    """The live event of a record."""
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
        event_number=event_number,
        lease_seconds=lease_seconds,
        outcome=outcome,
    )
