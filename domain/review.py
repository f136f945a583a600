"""What staff decide about records that do not count, and what becomes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from domain import calls, refusals

MOST = 500  # records decided on at a time
QUARANTINE_BYTES = 500_000_000  # of an account; what is refused beyond it is only counted
# How long an undecided item stays in quarantine after it no longer keeps the records of its day.
OPEN_AFTER_REVIEW = timedelta(days=30)


class State(StrEnum):
    """Of a record in quarantine; only an open one waits for somebody."""

    OPEN = "OPEN"
    REPLAYED = "REPLAYED"
    DISCARDED = "DISCARDED"


class HeldState(StrEnum):
    """Of a content that contradicts what counts; only a held one waits for somebody."""

    HELD = "HELD"
    ACCEPTED = "ACCEPTED"
    DISCARDED = "DISCARDED"


class Outcome(StrEnum):
    """What became of a record that was replayed; up to HELD as `revisions.Verdict` has them."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    CORRECTED = "CORRECTED"
    STALE = "STALE"
    HELD = "HELD"
    REFUSED = "REFUSED"  # it stays in quarantine
    NOT_OPEN = "NOT_OPEN"  # it was replayed or discarded before


@dataclass(frozen=True, slots=True)
class Checked:
    """A record that can be stored, and what the live picture needs of it."""

    record: calls.Record
    ended: calls.LiveEvent


def require_some(ids: Sequence[object]) -> None:
    """Refuses INVALID none and more than `MOST`."""
    if not 1 <= len(ids) <= MOST:
        raise refusals.Refusal("INVALID", "Give 1 to {most} ids at a time.", "ids", most=MOST)


def require_one(ids: Sequence[object]) -> None:
    """What corrects one record corrects no other. Refuses INVALID."""
    if len(ids) != 1:
        raise refusals.Refusal(
            "INVALID", "Correct one record at a time: give its id alone.", "corrected"
        )
