"""Rows of the summary, split by carrier, by country or by matched prefix."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from domain.summaries import cells


class Dimension(StrEnum):
    CARRIER = "CARRIER"
    COUNTRY = "COUNTRY"
    PREFIX = "PREFIX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(cells.Sums):
    """The calls of a row with the same `key`: a carrier's number, a country (empty: unknown) or a
    destination (`prefix:44`, `switch`, `waived`, `unrated`). Empty for several parts together.

    `has_details`: False if DTMF, PDD and SIP codes of these calls are not known.
    """

    key: str = ""
    has_details: bool = True


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The parts of a row, most attempts first. `rest`: the `remaining` other ones together, None if
    there are none. All add up to the row."""

    parts: Sequence[Part] = ()
    rest: Part | None = None
    remaining: int = 0


@dataclass(frozen=True, slots=True)
class Destination:
    """The origin of a charge (`SWITCH`, `CARD`, `WAIVED`; None: unrated) and, of a card, the
    prefix."""

    rated_by: str | None
    prefix: str | None = None

    @classmethod
    def of(cls, key: str) -> Self:
        """From a stored destination."""
        kind, _, prefix = key.partition(":")
        if kind == "prefix":
            return cls("CARD", prefix or None)  # empty: unanswered and without a match
        return cls(None if kind == "unrated" else kind.upper())
