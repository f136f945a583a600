"""Which calls of a list a caller selects."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from domain import epoch, refusals

MAX_PREFIX_DIGITS = 20
SIP_CODES = range(100, 700)
_DIGITS = re.compile(rf"\+?([0-9]{{1,{MAX_PREFIX_DIGITS}}})", re.ASCII)
_LATEST = datetime(3000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Filter:
    """None matches everything, an empty collection nothing.

    - `start` (inclusive) and `end` (exclusive): of the setup.
    - `source`, `destination`: the first digits, without a plus sign.
    - `carrier_ids`: of the carrier of the leg.
    - `unrated`: whether an answered call has no charge because no rate matches.
    - `call_id`: as stored, or as the switch sent it.
    """

    start: datetime | None = None
    end: datetime | None = None
    answered: bool | None = None
    source: str | None = None
    destination: str | None = None
    carrier_ids: Collection[int] | None = None
    sip_codes: Collection[int] | None = None
    released_by: str | None = None
    unrated: bool | None = None
    call_id: str | None = None

    def __post_init__(self) -> None:
        """Refuses BAD_RANGE if no setup can match, and INVALID for a number that is no SIP code."""
        if not epoch.EPOCH <= (self.start or epoch.EPOCH) < (self.end or _LATEST) <= _LATEST:
            raise refusals.Refusal(
                "BAD_RANGE", "`from` must be before `to`, both from 1970 to 2999.", "from"
            )
        if any(code not in SIP_CODES for code in self.sip_codes or ()):
            raise refusals.Refusal("INVALID", "A SIP code is a number from 100 to 699.", "sipCodes")

    @property
    def matches_nothing(self) -> bool:
        selections = (self.carrier_ids, self.sip_codes)
        return any(items is not None and not items for items in selections)


def digits(prefix: str | None, field: str) -> str | None:
    """The first digits of a number, with or without its plus sign. Refuses BAD_PREFIX."""
    if prefix is None:
        return None
    match = _DIGITS.fullmatch(prefix)
    if match is None:
        raise refusals.Refusal(
            "BAD_PREFIX", "A prefix is up to 20 digits, without a plus sign.", field
        )
    return match[1]
