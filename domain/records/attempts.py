"""Joins the channels of a call to the records of an attempt: one for each offer.

The record of an offer depends on its own channel and on the first leg, and on no other channel.
Without its channel it is revision 0 of the record, and with it revision 1. Therefore every order of
arrival, and every repetition, ends with the same content. Decision 0028 has the reasons.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from domain.records import events, hangup_causes
from domain.records.call_channels import Channel

_JOINED_REVISION = 1


def ends(
    switch: str, first: Channel, offers: Mapping[str, Channel], only: str | None = None
) -> list[events.End]:
    """The records of the attempt with the first leg `first`, in the order of its offers.

    `offers` are the channels received so far, by id. `only` is the id of the offer whose record is
    needed; None: all records. The last record is the switch's own if it answered the call itself
    or never offered it.
    """
    attempt = _Attempt.of(switch, first)
    legs = [
        attempt.end(leg, offers.get(offer.channel_id))
        for leg, offer in enumerate(first.offers)
        if only in (None, offer.channel_id)
    ]
    if only is None and attempt.final_leg == len(first.offers):
        legs.append(attempt.end(attempt.final_leg, None))
    return legs


def conflicting_ends(
    switch: str, first: Channel, stored: Channel, offers: Mapping[str, Channel]
) -> list[events.End]:
    """The records of an attempt whose id another attempt, `stored`, already has.

    They have the revisions of the stored records, so that they are held for review. (A caller can
    choose the id if the switch uses that of SIP.) `offers` are those of `stored`, by id.
    """
    revisions = [
        _JOINED_REVISION if offer.channel_id in offers else None for offer in stored.offers
    ]
    return [
        msgspec.structs.replace(end, correction=revisions[end.leg])
        if end.leg < len(revisions)
        else end
        for end in ends(switch, first, {})
    ]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """`setup_at` and `answer_at` are those since the last transfer if an offer was transferred."""

    switch: str
    first: Channel
    setup_at: int
    answer_at: int | None
    cause: str
    final_leg: int

    @classmethod
    def of(cls, switch: str, first: Channel) -> "_Attempt":
        setup_at, answer_at = first.start_at, first.answer_at
        if first.is_transferred_offer:
            setup_at = first.profile_at or setup_at
            bridged_at = first.bridge_at if first.bridge_id else None
            answer_at = None if answer_at is None or bridged_at is None else bridged_at
        cause = first.cause
        if answer_at is None and cause == hangup_causes.NORMAL_CLEARING:
            cause = first.failure or cause
        return cls(switch, first, setup_at, answer_at, cause, _final_leg(first, answer_at))

    def end(self, leg: int, offer: Channel | None) -> events.End:
        if leg != self.final_leg:
            return self._failed_offer(leg, offer)
        first = self.first
        limit = first.end_at if self.answer_at is None else self.answer_at
        offered_at = None if offer is None else self._within(offer.start_at, limit)
        ringing_at = (first if offer is None else offer).progress_at
        return self._end(
            leg,
            offer,
            offered_at=offered_at,
            ringing_at=_between(offered_at or self.setup_at, ringing_at, limit),
            answer_at=self.answer_at,
            end_at=first.end_at,
            final=True,
            sip_code=self._sip_code(),
            sip_reason=self.cause or None,
            q850_cause=self._q850_cause(),
            released_by=self._released_by(offer),
            dtmf_digits=first.digits,
        )

    def _failed_offer(self, leg: int, offer: Channel | None) -> events.End:
        """The record of an offer after which the call went on, even if it was answered first."""
        if offer is None:
            listed = self.first.offers[leg]
            failure = None if listed.cause in hangup_causes.NO_FAILURE else listed.cause
            return self._end(
                leg,
                offer,
                end_at=self.first.end_at if self.answer_at is None else self.answer_at,
                final=False,
                sip_code=None if failure is None else hangup_causes.sip_code(failure),
                sip_reason=failure,
                q850_cause=None if failure is None else hangup_causes.q850(failure),
            )
        offered_at = max(offer.start_at, self.setup_at)
        limit = offer.end_at if offer.answer_at is None else offer.answer_at
        code = offer.sip_code or hangup_causes.sip_code(offer.cause)
        return self._end(
            leg,
            offer,
            offered_at=offered_at,
            ringing_at=_between(offered_at, offer.progress_at, limit),
            answer_at=offer.answer_at,
            end_at=offer.end_at,
            final=False,
            sip_code=code if offer.answer_at is None else 200,
            sip_reason=offer.cause or None,
            q850_cause=offer.q850_cause,
            released_by="callee" if offer.is_ended_remotely else "switch",
        )

    def _end(self, leg: int, offer: Channel | None, **values: object) -> events.End:
        first = self.first
        return events.End(
            switch=self.switch,
            call_id=first.id,
            leg=leg,
            customer=first.customer or "",
            carrier=self._carrier(leg, offer),
            source=first.source,
            destination=first.destination,
            source_ip=first.source_ip,
            setup_at=self.setup_at,
            correction=None if offer is None else _JOINED_REVISION,
            **values,  # type: ignore[arg-type]
        )

    def _carrier(self, leg: int, offer: Channel | None) -> str | None:
        """The carrier of an offer: its own variable, that of the first leg, or its gateway.

        A transferred offer has the variable of the offers that it made.
        """
        first = self.first
        if not first.offers:
            return (first.carriers or (first.gateway,))[0] if first.is_outbound else None
        if leg == len(first.offers):
            return None
        if offer is not None and offer.carriers and not offer.is_transferred_offer:
            return offer.carriers[0]
        if len(first.carriers) > 1 and leg < len(first.carriers):
            return first.carriers[leg]
        if len(first.carriers) == 1 and leg == min(self.final_leg, len(first.offers) - 1):
            return first.carriers[0]
        return None if offer is None else offer.gateway

    def _sip_code(self) -> int:
        first = self.first
        if self.answer_at is not None:
            return 200
        return first.sip_code or first.offer_sip_code or hangup_causes.sip_code(first.cause)

    def _q850_cause(self) -> int | None:
        if self.cause != self.first.cause:
            return hangup_causes.q850(self.cause)
        return self.first.q850_cause

    def _released_by(self, offer: Channel | None) -> str | None:
        first = self.first
        if first.is_ended_remotely is None and offer is None:
            return None
        if first.is_ended_remotely:
            return "caller"
        if offer is not None:
            return "callee" if offer.is_ended_remotely else "switch"
        if self.final_leg == len(first.offers):
            return "switch"
        if self.answer_at is None:
            return "callee" if first.offer_sip_code else "switch"
        return "callee" if first.cause == hangup_causes.NORMAL_CLEARING else "switch"

    def _within(self, at: int, limit: int) -> int:
        return min(max(at, self.setup_at), limit)


def _final_leg(first: Channel, answer_at: int | None) -> int:
    """The leg that was answered, otherwise the last one; after the offers: the switch itself."""
    if answer_at is None:
        return max(len(first.offers) - 1, 0)
    for leg, offer in enumerate(first.offers):
        if offer.channel_id == first.bridge_id:
            return leg
    answered = [
        leg for leg, offer in enumerate(first.offers) if offer.cause in hangup_causes.NO_FAILURE
    ]
    return answered[-1] if answered else len(first.offers)


def _between(start: int, at: int | None, end: int) -> int | None:
    return at if at is not None and start <= at <= end else None
