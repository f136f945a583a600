"""Keeps the charge of a record if a correction changes no field that the charge depends on.

Source of the rules: docs/rules.md, "Rating and money".
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from domain.records import calls, destinations


class _StoredRating(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The fields of a stored content that its charge depends on, then those of the charge."""

    customer_id: int
    destination: str
    setup_at: datetime
    talk_us: int
    final: bool
    rated_by: Literal["SWITCH", "CARD", "WAIVED"] | None
    prefix: str | None
    rate_card_id: int | None
    rate_revision: int | None = None
    rate_per_minute: Decimal | None = None
    billed_seconds: int
    charge: Decimal | None


_decode = msgspec.json.Decoder(_StoredRating).decode
_DEPENDS_ON = ("customer_id", "setup_at", "talk_us", "final")
_CHARGE_FIELDS = (
    *("rated_by", "prefix", "rate_card_id", "rate_revision", "rate_per_minute"),
    *("billed_seconds", "charge"),
)


def keep_charge(former_content: str, record: calls.Record) -> calls.Record:
    """Returns the record with the charge of the content (JSON) that it corrects.

    Returns the record unchanged if the new or the former charge is from the switch, if the call had
    no rate, or if the correction changes a field that the charge depends on.
    """
    if record.rated_by == "SWITCH" or not record.final:
        return record
    former = _decode(former_content)
    if former.rated_by in (None, "SWITCH"):
        return record
    if any(getattr(former, name) != getattr(record, name) for name in _DEPENDS_ON):
        return record
    if not destinations.is_same(former.destination, record.destination):
        return record
    charge_fields = {name: getattr(former, name) for name in _CHARGE_FIELDS}
    return msgspec.structs.replace(record, **charge_fields, rates_version=None)
