"""The verdicts about records, and their refusals."""

from enum import StrEnum

import msgspec

from domain import refusals
from domain.messaging.texts import mark_text
from domain.records import calls


class Verdict(StrEnum):
    """The result of storing a record. The last five are refusals."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    CORRECTED = "CORRECTED"
    STALE = "STALE"  # an older revision than the current one: stored, not counted
    HELD = "HELD"  # other content of a known revision: stored for review, not counted
    SECOND_FINAL_LEG = "SECOND_FINAL_LEG"
    RECORD_ARCHIVED = "RECORD_ARCHIVED"
    OTHER_CURRENCY = "OTHER_CURRENCY"  # than the customer's current one
    HOUR_FROZEN = "HOUR_FROZEN"  # it would enter or leave an hour that can no longer change
    SAME_CALL = "SAME_CALL"  # it cannot be another call than that of the current record


_REFUSAL_TEXTS = {
    Verdict.SECOND_FINAL_LEG: mark_text(
        "Another leg of this call is final. Correct that leg first."
    ),
    Verdict.RECORD_ARCHIVED: mark_text(
        "The record this would correct has been archived with its hour."
    ),
    Verdict.OTHER_CURRENCY: mark_text(
        "The customer's currency has changed since this record was rated. Discard it, and let"
        " its switch send a correction."
    ),
    Verdict.HOUR_FROZEN: mark_text(
        "The records of this hour are no longer kept, so the hour can no longer change. Agree on a"
        " credit or a payment with the customer, then discard this record."
    ),
    Verdict.SAME_CALL: mark_text(
        "This record has the setup time of the record that counts, so both are of the same call."
        " Accept it as the next revision, or discard it."
    ),
}


def refusal_of(verdict: Verdict) -> refusals.Refusal | None:
    """The refusal of a verdict; None if the record was stored."""
    template = _REFUSAL_TEXTS.get(verdict)
    return None if template is None else refusals.Refusal(verdict.value, template)


def hour_frozen_refusal() -> refusals.Refusal:
    return refusals.Refusal(Verdict.HOUR_FROZEN.value, _REFUSAL_TEXTS[Verdict.HOUR_FROZEN])


def apply_verdict(event: calls.LiveEvent, verdict: Verdict) -> calls.LiveEvent:
    """Removes the outcome of a record that does not count, and marks that of a correction."""
    if event.outcome is None or verdict in (Verdict.ACCEPTED, Verdict.DUPLICATE):
        return event
    corrects = verdict is Verdict.CORRECTED
    outcome = msgspec.structs.replace(event.outcome, corrects=True) if corrects else None
    return msgspec.structs.replace(event, outcome=outcome)
