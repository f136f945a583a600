"""The review of records that do not count: states, decisions and outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from domain import refusals
from domain.records import calls

MAX_RECORDS = 500  # per request
QUARANTINE_BYTES = 500_000_000  # per account; further refused records are only counted
# How long an undecided item stays in quarantine after it no longer keeps the records of its day.
RETENTION_AFTER_REVIEW = timedelta(days=30)


class State(StrEnum):
    """The state of a record in quarantine. An OPEN record requires a decision."""

    OPEN = "OPEN"
    REPLAYED = "REPLAYED"
    DISCARDED = "DISCARDED"


class HeldState(StrEnum):
    """The state of a content that was held for review. A HELD content requires a decision."""

    HELD = "HELD"
    ACCEPTED = "ACCEPTED"
    ANOTHER_CALL = "ANOTHER_CALL"
    DISCARDED = "DISCARDED"


class HeldDecision(StrEnum):
    """How a held content is accepted."""

    NEXT_REVISION = "NEXT_REVISION"
    ANOTHER_CALL = "ANOTHER_CALL"


STATE_OF_DECISION = {
    HeldDecision.NEXT_REVISION: HeldState.ACCEPTED,
    HeldDecision.ANOTHER_CALL: HeldState.ANOTHER_CALL,
}


class Outcome(StrEnum):
    """The outcome of a replay. The values up to HELD are those of `verdicts.Verdict`."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    CORRECTED = "CORRECTED"
    STALE = "STALE"
    HELD = "HELD"
    REFUSED = "REFUSED"  # it stays in quarantine
    NOT_OPEN = "NOT_OPEN"  # it had been replayed or discarded


@dataclass(frozen=True, slots=True)
class ValidRecord:
    """A record that can be stored, and its live event."""

    record: calls.Record
    live_event: calls.LiveEvent


def require_ids(ids: Sequence[object]) -> None:
    """Refuses INVALID unless there are 1 to `MAX_RECORDS` ids."""
    if not 1 <= len(ids) <= MAX_RECORDS:
        raise refusals.Refusal("INVALID", "Set 1 to {most} ids.", "ids", most=MAX_RECORDS)


def require_single_id(ids: Sequence[object]) -> None:
    """Refuses INVALID unless there is exactly one id, because a correction is of one record."""
    if len(ids) != 1:
        raise refusals.Refusal(
            "INVALID", "A correction applies to one record. Set only its id.", "corrected"
        )
