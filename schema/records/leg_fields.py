"""Fields of a call record that all callers who see the record may see."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry

from domain.records import calls
from schema.engine import base, permissions
from schema.records.rated_by import RatedBy


@permissions.open_type
@strawberry.type
class LegFields:
    account_id: strawberry.Private[int]
    record: strawberry.Private[calls.Record]
    switch: str = strawberry.field(description="The switch that reported it.")
    call_id: str = strawberry.field(
        description=(
            "The switch's call id; a new id if staff accepted the record as another call with"
            " the same call id."
        )
    )
    received_call_id: str | None = strawberry.field(
        description="The switch's call id, if it differs from `callId`; otherwise null."
    )
    leg: int = strawberry.field(description="Number of the offer to a carrier, from 0.")
    revision: base.Long = strawberry.field(
        description="0, or the number of the correction. The highest one counts."
    )
    final: bool = strawberry.field(description="Whether it is the last leg of the attempt.")
    source: str = strawberry.field(description="Calling number.")
    destination: str = strawberry.field(description="Called number.")
    setup_at: datetime = strawberry.field(description="When the attempt was set up.")
    answer_at: datetime | None = strawberry.field(
        description="When it was answered. Null if it was not."
    )
    end_at: datetime = strawberry.field(description="When it ended.")
    talk_time: Decimal = strawberry.field(description="Answer to end, in seconds, exact.")
    sip_code: int | None = strawberry.field(
        description="Final SIP code. Null if none was reported."
    )
    released_by: str | None = strawberry.field(
        description="Party that hung up. Null if it was not reported."
    )
    billed_seconds: base.Long = strawberry.field(description="Billed seconds.")
    rated_by: RatedBy | None = strawberry.field(
        description="Origin of the charge. Null if the call has no rate, or the leg no charge."
    )


def values(account_id: int, record: calls.Record) -> dict[str, Any]:
    """The values of `LegFields`."""
    return {
        "account_id": account_id,
        "record": record,
        "switch": record.switch,
        "call_id": record.call_id,
        "received_call_id": record.received_call_id,
        "leg": record.leg,
        "revision": base.Long(record.revision or 0),
        "final": record.final,
        "source": record.source,
        "destination": record.destination,
        "setup_at": record.setup_at,
        "answer_at": record.answer_at,
        "end_at": record.end_at,
        "talk_time": Decimal(record.talk_us) / 1_000_000,
        "sip_code": record.sip_code,
        "released_by": record.released_by,
        "billed_seconds": base.Long(record.billed_seconds),
        "rated_by": None if record.rated_by is None else RatedBy(record.rated_by),
    }
