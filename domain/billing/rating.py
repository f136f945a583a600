"""The charge of a call: increments, connect fee, longest prefix, one rounding.

Source of the rules: docs/rules.md, "Rating and money".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, Protocol

import msgspec

from domain import money

MAX_PREFIX_DIGITS = 20
FIRST_EFFECTIVE_FROM = datetime(1970, 1, 1, tzinfo=UTC)  # of the first rates of a card
_SECOND_US = 1_000_000


class Rate(msgspec.Struct, frozen=True, gc=False):
    """The price of numbers that begin with `prefix` (digits only; '' matches every number).

    `per_minute` and `connect_fee` are in the card's currency, `minimum` and `increment` in seconds
    (30/6 is minimum 30, increment 6).
    """

    prefix: str
    per_minute: Decimal
    connect_fee: Decimal = Decimal(0)
    minimum: int = 1
    increment: int = 1
    round_up_seconds: bool = True
    description: str = ""


class Match(msgspec.Struct, frozen=True, gc=False):
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
class RateRevision:
    """A rate, in force from `effective_from`. `rate` None: from then on the prefix has no rate."""

    effective_from: datetime
    revision: int
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class ListedRates:
    """Rates by prefix, those of a prefix in the order of (effective_from, revision)."""

    rows: Mapping[str, Sequence[RateRevision]]
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
    """Rates by prefix. A call's charge is rounded to `places` decimal places by `rounding`."""

    id: int
    currency: str
    rounding: money.Rounding
    places: int
    rates: Rates

    def match(self, number: str, at: datetime) -> Match | None:
        """The rate in force at an instant for an E.164 number, with or without its plus sign."""
        return self.rates.match(number.removeprefix("+"), at)


class LegCharge(msgspec.Struct, frozen=True, gc=False):
    """A leg's charge. `charge` None: the call is unrated, or the leg is not final.

    `prefix` is the matched prefix; '' for an unanswered call without a match, which costs 0.
    (`rate_card_id`, `rate_revision`, `prefix`) identify the rate; `rate_per_minute` is its price.
    """

    rated_by: Literal["SWITCH", "CARD", "WAIVED"] | None
    billed_seconds: int
    charge: Decimal | None
    prefix: str | None = None
    rate_card_id: int | None = None
    rate_revision: int | None = None
    rate_per_minute: Decimal | None = None


NOT_CHARGED = LegCharge(None, 0, None)
WAIVED = LegCharge("WAIVED", 0, Decimal(0))


def whole_seconds(talk_us: int) -> int:
    """Talk time in microseconds, rounded up to whole seconds."""
    return -(-talk_us // _SECOND_US)


def billed_seconds(talk_us: int, rate: Rate) -> int:
    """The billed seconds: the minimum, then whole increments; 0 without talk time."""
    if talk_us == 0:
        return 0
    if rate.round_up_seconds:
        talk_us = whole_seconds(talk_us) * _SECOND_US
    beyond = talk_us - rate.minimum * _SECOND_US
    if beyond <= 0:
        return rate.minimum
    return rate.minimum + -(-beyond // (rate.increment * _SECOND_US)) * rate.increment


def charge(billed: int, rate: Rate, places: int, rounding: money.Rounding) -> Decimal:
    """The charge: connect fee + rate per minute x billed seconds / 60, rounded once."""
    sixtyfold = money.multiply_add(rate.per_minute, billed, money.multiply(rate.connect_fee, 60))
    return money.round_to(money.divide(sixtyfold, 60), places, rounding)


def charge_by_switch(talk_us: int, amount: Decimal, billed: int | None) -> LegCharge:
    """The charge set by the switch. `billed` None: the talk time in whole seconds."""
    return LegCharge("SWITCH", whole_seconds(talk_us) if billed is None else billed, amount)


def charge_by_card(
    talk_us: int, digits: str | None, setup_at: datetime, card: Card | None
) -> LegCharge:
    """The charge by a card; unrated if the call was answered and no prefix matches.

    `digits` is the result of `destinations.digits`.
    """
    match = None if card is None or digits is None else card.match(digits, setup_at)
    if match is None or card is None:
        # An unanswered call costs nothing at any rate.
        return NOT_CHARGED if talk_us else LegCharge("CARD", 0, Decimal(0), "")
    billed, amount = billed_seconds_and_charge(talk_us, match.rate, card.places, card.rounding)
    rate = (match.prefix, card.id, match.revision, match.rate.per_minute)
    return LegCharge("CARD", billed, amount, *rate)


def billed_seconds_and_charge(
    talk_us: int, rate: Rate, places: int, rounding: money.Rounding
) -> tuple[int, Decimal]:
    """The billed seconds and the charge of a call at a rate."""
    if talk_us == 0:
        return 0, Decimal(0)
    billed = billed_seconds(talk_us, rate)
    return billed, charge(billed, rate, places, rounding)
