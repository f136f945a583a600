"""What a call costs its customer: increments, connect fee, longest prefix, one rounding.

Source of the rules: docs/rules.md, "Rating and money".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import msgspec

from domain import money

PREFIX_DIGITS = 20
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
class Card:
    """Rates by prefix; `places` and `rounding` are those of a call's charge."""

    id: int
    currency: str
    rounding: money.Rounding
    places: int
    rates: Mapping[str, Rate]
    lengths: tuple[int, ...] = field(init=False)  # of its prefixes, longest first

    def __post_init__(self) -> None:
        lengths = sorted({len(prefix) for prefix in self.rates}, reverse=True)
        object.__setattr__(self, "lengths", tuple(lengths))

    @classmethod
    def of(
        cls, id: int, currency: str, rounding: money.Rounding, places: int, rates: Iterable[Rate]
    ) -> "Card":
        return cls(id, currency, rounding, places, {rate.prefix: rate for rate in rates})

    def match(self, number: str) -> Rate | None:
        """The rate of the longest prefix of an E.164 number, with or without its plus sign."""
        digits = number.removeprefix("+")
        for length in self.lengths:
            rate = self.rates.get(digits[:length])
            if rate is not None:
                return rate
        return None


class Rated(msgspec.Struct, frozen=True, gc=False):
    """A leg's charge. `charge` None: the call is unrated, or its leg is not charged at all.

    `prefix` is the one that matched; '' where an unanswered call matched none and so costs 0.
    """

    by: Literal["SWITCH", "CARD"] | None
    billed_seconds: int
    charge: Decimal | None
    prefix: str | None = None
    rate_card_id: int | None = None


NOT_CHARGED = Rated(None, 0, None)


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


def by_card(talk_us: int, destination: str, card: Card | None) -> Rated:
    """Rated by a card; unrated where someone talked and no prefix matches."""
    rate = None if card is None else card.match(destination)
    if rate is None or card is None:
        # Nobody has to be asked for the price of a call that nobody answered.
        return NOT_CHARGED if talk_us else Rated("CARD", 0, Decimal(0), "")
    if talk_us == 0:
        return Rated("CARD", 0, Decimal(0), rate.prefix, card.id)
    billed = billed_seconds(talk_us, rate)
    amount = charge(billed, rate, card.places, card.rounding)
    return Rated("CARD", billed, amount, rate.prefix, card.id)
