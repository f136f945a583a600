"""Calls whose call id the switch had already used, and which staff accepted as other calls.

Such a call gets its own call id: the received id and the setup of the attempt, which is the same
for all of its legs. Source of the rules: docs/rules.md, "Records".
"""

from datetime import datetime
from typing import TypeAlias

import msgspec

from domain.records import calls

Reuse: TypeAlias = tuple[str, str, datetime]  # switch, received call id, setup of the other call


class _StoredCallId(msgspec.Struct, frozen=True, gc=False):
    received_call_id: str | None = None


_decode = msgspec.json.Decoder(_StoredCallId).decode


def reuse_of(record: calls.Record) -> Reuse:
    return record.switch, record.received_call_id or record.call_id, record.setup_at


def separate(record: calls.Record) -> calls.Record:
    """Returns the record with its own call id."""
    _, received_id, setup_at = reuse_of(record)
    call_id = own_call_id(received_id, setup_at)
    return msgspec.structs.replace(record, call_id=call_id, received_call_id=received_id)


def own_call_id(received_id: str, setup_at: datetime) -> str:
    return f"{received_id}~{setup_at:%Y%m%dT%H%M%S%f}Z"


def with_received_id(former_content: str, record: calls.Record) -> calls.Record:
    """Adds the received call id of the content (JSON) that the record corrects.

    A correction may refer to the call by its own id.
    """
    if record.received_call_id is not None:
        return record
    received_id = _decode(former_content).received_call_id
    return msgspec.structs.replace(record, received_call_id=received_id) if received_id else record
