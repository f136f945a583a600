"""From what a switch said to what is stored and counted, or the Refusal that names the fault.

Source of the rules: docs/rules.md, "Time", "Records", "Attempts and legs", "Rating and money".
"""

import ipaddress
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from zoneinfo import ZoneInfo

import msgspec

from domain import calls, events, instants, money, rating, references, refusals


def numbered(said: events.Said) -> calls.Numbered | None:
    if said.boot is None or said.seq is None:
        return None
    return calls.Numbered(said.boot, said.seq)


_TYPES = {
    events.Start: calls.EventType.START,
    events.Ringing: calls.EventType.RINGING,
    events.Answer: calls.EventType.ANSWER,
}


def live_event(said: events.Progress, known: references.Known) -> calls.LiveEvent:
    """Of a start, ringing or answer. Raises Refusal."""
    switch = known.switches[said.switch]
    at = instants.parse(said.at, switch.zone, "at")
    known.timely(at, "at")
    setup_at = (
        None if said.setup_at is None else instants.parse(said.setup_at, switch.zone, "setup_at")
    )
    if setup_at is not None:
        known.timely(setup_at, "setup_at")
    elif isinstance(said, events.Start):
        setup_at = at
    return calls.LiveEvent(
        type=_TYPES[type(said)],
        switch=said.switch,
        call_id=said.call_id,
        leg=said.leg,
        customer_id=known.customer(said.customer).id,
        carrier_id=known.carrier(said.carrier),
        at=at,
        setup_at=setup_at,
        final=True,
        numbered=numbered(said),
        lease_seconds=switch.lease_seconds,
    )


def ended(said: events.End, record: calls.Record, known: references.Known) -> calls.LiveEvent:
    """What the live picture needs of an end that has passed its checks."""
    return calls.end_of(record, known.switches[said.switch].lease_seconds, numbered(said))


def beat(said: events.Beat, known: references.Known) -> calls.Beat:
    """Raises Refusal."""
    switch = known.switches[said.switch]
    at = instants.parse(said.at, switch.zone, "at")
    known.timely(at, "at")
    return calls.Beat(said.switch, said.active, at, numbered(said), switch.lease_seconds)


def listed(
    said: events.Listed, at: datetime, zone: ZoneInfo | None, known: references.Known
) -> calls.SnapshotCall:
    """A snapshot's call; its setup is the snapshot's instant where it names none."""
    setup_at = at if said.setup_at is None else instants.parse(said.setup_at, zone, "setup_at")
    if setup_at > known.latest:
        known.timely(setup_at, "setup_at")
    customer = known.customer(said.customer)
    carrier = known.carrier(said.carrier)
    return calls.SnapshotCall(said.call_id, said.leg, customer.id, carrier, setup_at)


def record(said: events.End, known: references.Known) -> calls.Record:
    """The record of a leg, checked and rated. Raises Refusal."""
    customer = known.customer(said.customer)
    carrier_id = known.carrier(said.carrier)
    times = _times(said, known)
    said = _with_checked_money(said, customer)
    rated = _rated(said, customer.id, times, known)
    return calls.Record(
        switch=said.switch,
        call_id=said.call_id,
        leg=said.leg,
        revision=revision(said.correction),
        digest=digest(said, times),
        customer_id=customer.id,
        carrier_id=carrier_id,
        final=said.final,
        source=said.source,
        destination=said.destination,
        source_ip=_address(said.source_ip) if said.source_ip else None,
        direction=said.direction,
        setup_at=times.setup,
        offered_at=times.offered,
        ringing_at=times.ringing,
        answer_at=times.answer,
        end_at=times.end,
        talk_us=times.talk_us,
        sip_code=said.sip_code,
        sip_reason=said.sip_reason,
        q850_cause=said.q850_cause,
        released_by=said.released_by,
        dtmf_digits=said.dtmf_digits,
        rated_by=rated.by,
        prefix=rated.prefix,
        rate_card_id=rated.rate_card_id,
        billed_seconds=rated.billed_seconds,
        charge=rated.charge,
        cost=said.cost,
        currency=customer.currency,
        rate_revision=rated.rate_revision,
        rate_per_minute=rated.rate_per_minute,
        rates_version=_rates_version(said, customer.id, known),
    )


def revision(correction: bool | int | None) -> int | None:
    """0 for a first record, a correction's number, None for "a correction, whichever is next"."""
    if correction is True:
        return None
    return correction or 0


class _Times(msgspec.Struct, frozen=True, gc=False):
    setup: datetime
    offered: datetime
    ringing: datetime | None
    answer: datetime | None
    end: datetime
    talk_us: int


def _times(said: events.End, known: references.Known) -> _Times:
    zone = known.switches[said.switch].zone
    setup = instants.parse(said.setup_at, zone, "setup_at")
    known.timely(setup, "setup_at")
    offered = (
        setup if said.offered_at is None else instants.parse(said.offered_at, zone, "offered_at")
    )
    ringing = (
        None if said.ringing_at is None else instants.parse(said.ringing_at, zone, "ringing_at")
    )
    answer = None if said.answer_at is None else instants.parse(said.answer_at, zone, "answer_at")
    end = instants.parse(said.end_at, zone, "end_at")
    if end > known.latest:
        known.timely(end, "end_at")
    _check_order(setup, offered, ringing, answer, end)
    talk_us = 0 if answer is None else (end - answer) // calls.MICROSECOND
    return _Times(setup, offered, ringing, answer, end, talk_us)


def _check_order(
    setup: datetime,
    offered: datetime,
    ringing: datetime | None,
    answer: datetime | None,
    end: datetime,
) -> None:
    last, last_field = setup, "setup_at"
    for at, field in (
        (offered, "offered_at"),
        (ringing, "ringing_at"),
        (answer, "answer_at"),
        (end, "end_at"),
    ):
        if at is None:
            continue
        if at < last:
            raise refusals.Refusal(
                "TIMES_BACKWARDS",
                "{name} is before {last}; setup, offered, ringing, answer, end in order.",
                field,
                name=field,
                last=last_field,
            )
        last, last_field = at, field


def _with_checked_money(said: events.End, customer: references.Customer) -> events.End:
    if said.currency is not None and said.currency != customer.currency:
        raise refusals.Refusal(
            "OTHER_CURRENCY",
            "The customer's currency is {currency}, the record's {other!r}.",
            "currency",
            currency=customer.currency,
            other=said.currency,
        )
    if said.charge is None and said.cost is None:
        return said
    return msgspec.structs.replace(
        said,
        charge=None if said.charge is None else money.checked(said.charge, "charge"),
        cost=None if said.cost is None else money.checked(said.cost, "cost"),
    )


def _rated(
    said: events.End, customer_id: int, times: _Times, known: references.Known
) -> rating.Rated:
    if not said.final:
        return rating.NOT_CHARGED
    if said.charge is not None:
        return rating.by_switch(times.talk_us, said.charge, said.billed_seconds)
    card = known.card_in_force(customer_id, times.setup)
    return rating.by_card(times.talk_us, said.destination, times.setup, card)


def _rates_version(said: events.End, customer_id: int, known: references.Known) -> int | None:
    if not is_rated_here(said):
        return None
    return known.rates_versions.get(customer_id)


def is_rated_here(said: events.End) -> bool:
    """Whether the customer's rates charge it: a final leg without a charge of the switch."""
    return said.final and said.charge is None


def digest(said: events.End, times: _Times) -> bytes:
    """16 bytes of BLAKE2b over all that the record says, however it was written."""
    content = (
        *(said.switch, said.call_id, said.leg, said.correction or 0, said.customer),
        *(said.carrier or "", said.final, said.source, said.destination, said.source_ip),
        *(said.direction, times.setup, times.offered, times.ringing, times.answer, times.end),
        *(said.sip_code, said.sip_reason, said.q850_cause, said.released_by, said.dtmf_digits),
        *(_plain(said.charge), _plain(said.cost), said.billed_seconds, said.currency),
    )
    return blake2b(msgspec.msgpack.encode(content), digest_size=16).digest()


def _plain(amount: Decimal | None) -> str | None:
    return None if amount is None else money.plain(amount)


@lru_cache(maxsize=10_000)
def _address(text: str) -> str:
    try:
        if "%" not in text:
            return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    raise refusals.Refusal(
        "BAD_ADDRESS", "source_ip has to be an IPv4 or IPv6 address.", "source_ip"
    )
