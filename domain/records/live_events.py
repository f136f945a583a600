"""Builds live events, beats and the calls of snapshots from the events of switches.

Source of the rules: docs/rules.md, "Time", "Live figures".
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from domain import instants, refusals
from domain.records import calls, events, references


def event_number(event: events.SwitchEvent) -> calls.EventNumber | None:
    """The switch's number of an event; None if it sent none."""
    if event.boot is None or event.seq is None:
        return None
    return calls.EventNumber(event.boot, event.seq)


_TYPES = {
    events.Start: calls.EventType.START,
    events.Ringing: calls.EventType.RINGING,
    events.Answer: calls.EventType.ANSWER,
}


def build_progress(event: events.Progress, lookup: references.Lookup) -> calls.LiveEvent:
    """Builds the live event of a start, ringing or answer. Raises Refusal."""
    switch = lookup.switches[event.switch]
    at = instants.parse(event.at, switch.zone, "at", lookup.now)
    lookup.require_timely(at, "at")
    setup_at = (
        None
        if event.setup_at is None
        else instants.parse(event.setup_at, switch.zone, "setup_at", at)
    )
    if setup_at is not None:
        lookup.require_timely(setup_at, "setup_at")
    elif isinstance(event, events.Start):
        setup_at = at
    return calls.LiveEvent(
        type=_TYPES[type(event)],
        switch=event.switch,
        call_id=event.call_id,
        leg=event.leg,
        customer_id=lookup.customer(event.customer).id,
        carrier_id=lookup.carrier_id(event.carrier),
        at=at,
        setup_at=setup_at,
        final=True,
        event_number=event_number(event),
        lease_seconds=switch.lease_seconds,
    )


def build_end(
    event: events.End, record: calls.Record, lookup: references.Lookup
) -> calls.LiveEvent:
    """Builds the live event of an end whose record is valid."""
    return calls.end_event(record, lookup.switches[event.switch].lease_seconds, event_number(event))


def build_closing(
    event: events.End | events.RefusedEnd, lookup: references.Lookup
) -> calls.LiveEvent:
    """Builds the live event that closes the entry of a refused end. It counts no attempt.

    Its time is now if the end's time is invalid or in the future.
    """
    switch = lookup.switches[event.switch]
    try:
        at = lookup.now if event.end_at is None else _earliest(event.end_at, switch.zone)
    except refusals.Refusal:
        at = lookup.now
    return calls.LiveEvent(
        type=calls.EventType.END,
        switch=event.switch,
        call_id=event.call_id,
        leg=event.leg,
        customer_id=calls.NO_CUSTOMER,
        carrier_id=calls.NO_CARRIER,
        at=min(at, lookup.now),
        setup_at=None,
        final=event.final,
        event_number=event_number(event),
        lease_seconds=switch.lease_seconds,
    )


def _earliest(instant: events.Instant, zone: ZoneInfo | None) -> datetime:
    return instants.parse_candidates(instant, zone, "end_at")[0]


def build_beat(event: events.Beat, lookup: references.Lookup) -> calls.Beat:
    """Builds a beat. Raises Refusal."""
    switch = lookup.switches[event.switch]
    at = instants.parse(event.at, switch.zone, "at", lookup.now)
    lookup.require_timely(at, "at")
    return calls.Beat(event.switch, event.active, at, event_number(event), switch.lease_seconds)


def build_snapshot_call(
    call: events.ListedCall, at: datetime, zone: ZoneInfo | None, lookup: references.Lookup
) -> calls.SnapshotCall:
    """Builds a call of a snapshot. Without `setup_at`, its setup is the time of the snapshot.

    Raises Refusal.
    """
    setup_at = at if call.setup_at is None else instants.parse(call.setup_at, zone, "setup_at", at)
    if setup_at > lookup.latest:
        lookup.require_timely(setup_at, "setup_at")
    customer = lookup.customer(call.customer)
    carrier = lookup.carrier_id(call.carrier)
    return calls.SnapshotCall(call.call_id, call.leg, customer.id, carrier, setup_at)
