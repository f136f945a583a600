"""Builds records from the events of switches: checks their fields and rates the calls.

Source of the rules: docs/rules.md, "Time", "Records", "Attempts and legs", "Rating and money".
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from operator import attrgetter

import msgspec

from domain import instants, money, refusals
from domain.billing import rating
from domain.identity import networks
from domain.records import calls, countries, destinations, events, references

_encode = msgspec.msgpack.Encoder().encode


def build_record(event: events.End, lookup: references.Lookup) -> calls.Record:
    """Builds the checked and rated record of a leg. Raises Refusal."""
    customer = lookup.customer(event.customer)
    carrier_id = lookup.carrier_id(event.carrier)
    times = _times(event, lookup)
    event = _validate_money(event, customer)
    digits = destinations.digits(event.destination, lookup.switches[event.switch].numbering)
    leg_charge = _rate(event, digits, customer.id, times, lookup)
    return calls.Record(
        switch=event.switch,
        call_id=event.call_id,
        leg=event.leg,
        revision=revision_number(event.correction),
        digest=digest(event, times),
        customer_id=customer.id,
        carrier_id=carrier_id,
        final=event.final,
        source=event.source,
        destination=event.destination,
        source_ip=networks.parse_source_address(event.source_ip) if event.source_ip else None,
        direction=event.direction,
        setup_at=times.setup,
        offered_at=times.offered,
        ringing_at=times.ringing,
        answer_at=times.answer,
        end_at=times.end,
        talk_us=times.talk_us,
        sip_code=event.sip_code,
        sip_reason=event.sip_reason,
        q850_cause=event.q850_cause,
        released_by=event.released_by,
        dtmf_digits=event.dtmf_digits,
        rated_by=leg_charge.rated_by,
        prefix=leg_charge.prefix,
        rate_card_id=leg_charge.rate_card_id,
        billed_seconds=leg_charge.billed_seconds,
        charge=leg_charge.charge,
        cost=event.cost,
        currency=customer.currency,
        rate_revision=leg_charge.rate_revision,
        rate_per_minute=leg_charge.rate_per_minute,
        rates_version=_rates_version(event, customer.id, lookup),
        country=None if digits is None else countries.country_of(digits),
    )


def revision_number(correction: bool | int | None) -> int | None:
    """0 for a first record, a correction's number, None for a correction with the next number."""
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


_TIME_FIELDS = ("setup_at", "offered_at", "ringing_at", "answer_at", "end_at")
_received_times = attrgetter(*_TIME_FIELDS)


def _times(event: events.End, lookup: references.Lookup) -> _Times:
    zone = lookup.switches[event.switch].zone
    times = instants.parse_in_order(_TIME_FIELDS, _received_times(event), zone)
    setup, offered, ringing, answer, end = times
    assert setup is not None
    assert end is not None
    lookup.require_timely(setup, "setup_at")
    if end > lookup.latest:
        lookup.require_timely(end, "end_at")
    _check_order(times)
    talk_us = 0 if answer is None else (end - answer) // calls.MICROSECOND
    return _Times(setup, offered or setup, ringing, answer, end, talk_us)


def _check_order(times: Sequence[datetime | None]) -> None:
    """Refuses TIMES_BACKWARDS. `times` are in the order of `_TIME_FIELDS`."""
    present = [at for at in times if at is not None]
    if present == sorted(present):
        return
    last, last_field = present[0], _TIME_FIELDS[0]
    for at, field in zip(times, _TIME_FIELDS, strict=True):
        if at is None:
            continue
        if at < last:
            raise refusals.Refusal(
                "TIMES_BACKWARDS",
                "{name} is before {last}. Send setup, offered, ringing, answer and end in order.",
                field,
                name=field,
                last=last_field,
            )
        last, last_field = at, field


def _validate_money(event: events.End, customer: references.Customer) -> events.End:
    if event.currency is not None and event.currency != customer.currency:
        raise refusals.Refusal(
            "OTHER_CURRENCY",
            "The customer's currency is {currency}, the record's {other!r}.",
            "currency",
            currency=customer.currency,
            other=event.currency,
        )
    if event.charge is None and event.cost is None:
        return event
    return msgspec.structs.replace(
        event,
        charge=None if event.charge is None else money.validate(event.charge, "charge"),
        cost=None if event.cost is None else money.validate(event.cost, "cost"),
    )


def _rate(
    event: events.End,
    digits: str | None,
    customer_id: int,
    times: _Times,
    lookup: references.Lookup,
) -> rating.LegCharge:
    if not event.final:
        return rating.NOT_CHARGED
    if event.charge is not None:
        return rating.charge_by_switch(times.talk_us, event.charge, event.billed_seconds)
    card = lookup.card_in_force(customer_id, times.setup)
    return rating.charge_by_card(times.talk_us, digits, times.setup, card)


def _rates_version(event: events.End, customer_id: int, lookup: references.Lookup) -> int | None:
    if not uses_customer_rates(event):
        return None
    return lookup.rates_versions.get(customer_id)


def uses_customer_rates(event: events.End) -> bool:
    """Whether the customer's rates charge the leg: a final one without a charge from the switch."""
    return event.final and event.charge is None


def digest(event: events.End, times: _Times) -> bytes:
    """16 bytes of BLAKE2b over the record's fields, in any format of times and amounts.

    Source and destination are hashed as received.
    """
    content = (
        event.switch,
        event.call_id,
        event.leg,
        event.correction or 0,
        event.customer,
        event.carrier or "",
        event.final,
        event.source,
        event.destination,
        networks.parse_source_address(event.source_ip) if event.source_ip else event.source_ip,
        event.direction,
        times.setup,
        times.offered,
        times.ringing,
        times.answer,
        times.end,
        event.sip_code,
        event.sip_reason,
        event.q850_cause,
        event.released_by,
        event.dtmf_digits,
        None if event.charge is None else money.plain(event.charge),
        None if event.cost is None else money.plain(event.cost),
        event.billed_seconds,
        event.currency,
    )
    return blake2b(_encode(content), digest_size=16).digest()
