"""What a call costs its customer: increments, connect fee, longest prefix, one rounding.

Source of the rules: docs/rules.md, "Rating and money".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, Protocol

import msgspec

from domain import money

PREFIX_DIGITS = 20
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)  # from when the first rates of a card are in force
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of numbers that begin with `prefix` (digits only; '' is every number).

    `per_minute` and `connect_fee` in the card's currency, `minimum` and `increment` in seconds
    (30/6 is minimum 30, increment 6).
    """

    prefix: str
    per_minute: Decimal
    connect_fee: Decimal = Decimal(0)
    minimum: int = 1
    increment: int = 1
    round_up_seconds: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """The rate of the longest prefix of a number, and the revision of its card that set it."""

    prefix: str
    rate: Rate
    revision: int


class Rates(Protocol):
    """The rates of a card with all their revisions."""

    def match(self, digits: str, at: datetime) -> Match | None:
        """The longest prefix of `digits` that has a rate in force at the instant."""
        ...


@dataclass(frozen=True, slots=True)
class Revised:
    """A rate from `effective_from` on; None: from then on the prefix has none."""

    effective_from: datetime
    revision: int
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class ListedRates:
    """Rates by prefix, those of a prefix in the order of (effective_from, revision)."""

    rows: Mapping[str, Sequence[Revised]]
    lengths: tuple[int, ...] = field(init=False)  # of its prefixes, longest first

    def __post_init__(self) -> None:
        lengths = sorted({len(prefix) for prefix in self.rows}, reverse=True)
        object.__setattr__(self, "lengths", tuple(lengths))

    def match(self, digits: str, at: datetime) -> Match | None:
        for length in self.lengths:
            for row in reversed(self.rows.get(digits[:length], ())):
                if row.effective_from <= at:
                    if row.rate is not None:
                        return Match(digits[:length], row.rate, row.revision)
                    break
        return None


@dataclass(frozen=True, slots=True)
class Card:
    """Rates by prefix; `places` and `rounding` are those of a call's charge."""

    id: int
    currency: str
    rounding: money.Rounding
    places: int
    rates: Rates

    def match(self, number: str, at: datetime) -> Match | None:
        """The rate of an E.164 number, with or without its plus sign, at an instant."""
        return self.rates.match(number.removeprefix("+"), at)


class Rated(msgspec.Struct, frozen=True, gc=False):
    """A leg's charge. `charge` None: the call is unrated, or its leg is not charged at all.

    `prefix` is the one that matched; '' where an unanswered call matched none and so costs 0. The
    card, the revision of it that set the rate, and the prefix identify the rate; `rate_per_minute`
    is its price of a minute.
    """

    by: Literal["SWITCH", "CARD", "WAIVED"] | None
    billed_seconds: int
    charge: Decimal | None
    prefix: str | None = None
    rate_card_id: int | None = None
    rate_revision: int | None = None
    rate_per_minute: Decimal | None = None


NOT_CHARGED = Rated(None, 0, None)
WAIVED = Rated("WAIVED", 0, Decimal(0))


def whole_seconds(talk_us: int) -> int:
    """Talk time in microseconds, rounded up to whole seconds."""
    return -(-talk_us // _SECOND_US)


def billed_seconds(talk_us: int, rate: Rate) -> int:
    """Seconds to pay for: the minimum, then whole increments; 0 where nobody talked."""
    if talk_us == 0:
        return 0
    if rate.round_up_seconds:
        talk_us = whole_seconds(talk_us) * _SECOND_US
    beyond = talk_us - rate.minimum * _SECOND_US
    if beyond <= 0:
        return rate.minimum
    return rate.minimum + -(-beyond // (rate.increment * _SECOND_US)) * rate.increment


def charge(billed: int, rate: Rate, places: int, rounding: money.Rounding) -> Decimal:
    """Connect fee + rate per minute x billed seconds / 60, rounded once."""
    sixtyfold = money.add(
        (money.multiply(rate.connect_fee, 60), money.multiply(rate.per_minute, billed))
    )
    return money.rounded(money.divide(sixtyfold, 60), places, rounding)


def by_switch(talk_us: int, amount: Decimal, billed: int | None) -> Rated:
    """A call that its switch has rated keeps that charge."""
    return Rated("SWITCH", whole_seconds(talk_us) if billed is None else billed, amount)


def by_card(talk_us: int, destination: str, setup_at: datetime, card: Card | None) -> Rated:
    """Rated by a card; unrated if the call was answered and no prefix matches."""
    match = None if card is None else card.match(destination, setup_at)
    if match is None or card is None:
        # An unanswered call costs nothing, whatever its rate would be.
        return NOT_CHARGED if talk_us else Rated("CARD", 0, Decimal(0), "")
    billed, amount = billed_and_charge(talk_us, match.rate, card.places, card.rounding)
    rate = (match.prefix, card.id, match.revision, match.rate.per_minute)
    return Rated("CARD", billed, amount, *rate)


def billed_and_charge(
    talk_us: int, rate: Rate, places: int, rounding: money.Rounding
) -> tuple[int, Decimal]:
    """Seconds to pay for, and what they cost; also reproduces what a stored rate has charged."""
    if talk_us == 0:
        return 0, Decimal(0)
    billed = billed_seconds(talk_us, rate)
    return billed, charge(billed, rate, places, rounding)
