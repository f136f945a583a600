"""A correction that changes nothing that rating depends on keeps the charge.

Source of the rules: docs/rules.md, "Rating and money".
"""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from domain import calls


class _Rating(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Of a stored content: what its charge depends on, then the charge and where it comes from."""

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


_decode = msgspec.json.Decoder(_Rating).decode
_DEPENDS_ON = ("customer_id", "destination", "setup_at", "talk_us", "final")
_KEPT = (
    *("rated_by", "prefix", "rate_card_id", "rate_revision", "rate_per_minute"),
    *("billed_seconds", "charge"),
)


def kept(before: str, record: calls.Record) -> calls.Record:
    """The record with the charge of the content (JSON) that it corrects, if that still holds.

    A charge of the switch is part of the record: it holds if the record says it. A call that had no
    rate is rated anew.
    """
    if record.rated_by == "SWITCH" or not record.final:
        return record
    earlier = _decode(before)
    if earlier.rated_by in (None, "SWITCH"):
        return record
    if any(getattr(earlier, name) != getattr(record, name) for name in _DEPENDS_ON):
        return record
    kept = {name: getattr(earlier, name) for name in _KEPT}
    return msgspec.structs.replace(record, **kept, rates_version=None)
