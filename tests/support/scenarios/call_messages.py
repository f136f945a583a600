"""Messages that switches post, and their plain rows. Imports nothing of Callboard.

They are posted in phases, one after the other; the order within a phase does not matter, and
several clients share it:

BULK    first contents, numbered corrections (in any order) and repeated messages
SECOND  unmarked second ends (held, never counted), corrections "whichever comes next", repeats
        and other calls under ids that were used before (held, then accepted as another call)
LATE    after the invoices: new calls and corrections of hours that are already billed
FRESH   calls about the instant at which prices changed after the first invoices
FROZEN  after records were removed (made by `archived`)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

BULK, SECOND, LATE, FRESH, FROZEN = range(5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Message:
    """`revision` None: a correction after any other revision. `held`: the record never counts.
    `reuses`: of another call than the earlier one with its id."""

    phase: int
    revision: int | None
    held: bool
    event: dict[str, Any]
    reuses: bool = False


def instant(value: object) -> datetime:
    """A time of a message, as an instant."""
    if isinstance(value, int):
        return _EPOCH + value * timedelta(microseconds=1)
    return datetime.fromisoformat(str(value)).astimezone(UTC)


def microseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def rows(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """A dictionary of each, instants in microseconds."""
    return [_row(message) for message in messages]


def _call_id(message: Message) -> str:
    """Of the call itself."""
    call_id: str = message.event["call_id"]
    setup = instant(message.event["setup_at"])
    return f"{call_id}~{setup:%Y%m%dT%H%M%S%f}Z" if message.reuses else call_id


def _row(message: Message) -> dict[str, Any]:
    event = message.event

    def us(name: str) -> int | None:
        return microseconds(instant(event[name])) if name in event else None

    return {
        "phase": message.phase,
        "revision": message.revision,
        "held": message.held,
        **{name: event[name] for name in ("switch", "leg", "customer", "final")},
        "call_id": _call_id(message),
        "destination": event["destination"].lstrip("+"),
        "carrier": event.get("carrier"),
        "setup_us": us("setup_at"),
        "offered_us": us("offered_at"),
        "ringing_us": us("ringing_at"),
        "answer_us": us("answer_at"),
        "end_us": us("end_at"),
        "sip_code": event["sip_code"],
        "dtmf": event.get("dtmf_digits", 0),
        "charge": event.get("charge"),
        "billed": event.get("billed_seconds"),
        "cost": event.get("cost"),
    }
