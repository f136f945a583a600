"""Exact amounts: Decimal in and out, never a float, rounded only where a rule says so."""

from collections.abc import Iterable
from decimal import (
    ROUND_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from enum import StrEnum

from domain import refusals

# What an amount on the wire may have; sums may have more.
WHOLE_DIGITS = 18
FRACTION_DIGITS = 12

_ZERO = Decimal(0)
_TRAPS = [InvalidOperation, DivisionByZero, Overflow, Clamped]
_LOSSLESS = Context(prec=120, traps=[*_TRAPS, Inexact])
# Wide enough that sums and products of such amounts are exact.
_EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN, traps=_TRAPS)


class Rounding(StrEnum):
    """How a number between two representable ones is settled; UP and DOWN as seen from zero."""

    HALF_UP = "HALF_UP"
    HALF_EVEN = "HALF_EVEN"
    UP = "UP"
    DOWN = "DOWN"


_CONTEXTS = {
    Rounding.HALF_UP: Context(prec=120, rounding=ROUND_HALF_UP, traps=_TRAPS),
    Rounding.HALF_EVEN: Context(prec=120, rounding=ROUND_HALF_EVEN, traps=_TRAPS),
    Rounding.UP: Context(prec=120, rounding=ROUND_UP, traps=_TRAPS),
    Rounding.DOWN: Context(prec=120, rounding=ROUND_DOWN, traps=_TRAPS),
}
_STEPS = [Decimal(1).scaleb(-places) for places in range(FRACTION_DIGITS + 1)]

# ISO 4217: minor units of the currencies that do not have two.
_MINOR_UNITS = {
    **dict.fromkeys(
        (
            *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX"),
            *("UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


def checked(amount: Decimal, field: str) -> Decimal:
    """The amount, if it is finite, not negative and no longer than the wire allows.

    Raises Refusal BAD_AMOUNT.
    """
    if not amount.is_finite():
        raise refusals.Refusal("BAD_AMOUNT", "{name} has to be a finite number.", field, name=field)
    if amount < 0:
        raise refusals.Refusal("BAD_AMOUNT", "{name} may not be negative.", field, name=field)
    try:
        if amount.adjusted() >= WHOLE_DIGITS:  # the power of ten of its first digit
            raise Inexact
        exponent = amount.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -FRACTION_DIGITS:
            return amount.quantize(_STEPS[FRACTION_DIGITS], context=_LOSSLESS)
    except (Inexact, InvalidOperation):
        raise refusals.Refusal(
            "BAD_AMOUNT",
            "{name} may have {whole} digits before the point and {fraction} after.",
            field,
            name=field,
            whole=WHOLE_DIGITS,
            fraction=FRACTION_DIGITS,
        ) from None
    return amount


def parse(text: str, field: str) -> Decimal:
    """An amount written as a decimal number. Raises Refusal BAD_AMOUNT."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise refusals.Refusal(
            "BAD_AMOUNT", "{name} has to be a decimal number.", field, name=field
        ) from None
    return checked(amount, field)


def rounded(amount: Decimal, places: int, rounding: Rounding) -> Decimal:
    """To `places` (0 to 12) digits after the point."""
    return amount.quantize(_STEPS[places], context=_CONTEXTS[rounding])


def add(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum; 0 of none."""
    total = _ZERO
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total


def subtract(amount: Decimal, less: Decimal) -> Decimal:
    return _EXACT.subtract(amount, less)


def multiply(amount: Decimal, by: Decimal | int) -> Decimal:
    return _EXACT.multiply(amount, by)


def divide(amount: Decimal, by: Decimal | int) -> Decimal:
    """To 120 digits: round what comes out."""
    return _EXACT.divide(amount, by)


def percent(amount: Decimal, rate: Decimal) -> Decimal:
    """`rate` percent of an amount, exact."""
    return _EXACT.multiply(amount, rate).scaleb(-2, context=_EXACT)


def minor_digits(currency: str) -> int:
    """Digits after the point of the currency's smallest unit (ISO 4217)."""
    return _MINOR_UNITS.get(currency, 2)


def to_minor_unit(amount: Decimal, currency: str) -> Decimal:
    """Rounded half up to the currency's smallest unit."""
    return rounded(amount, minor_digits(currency), Rounding.HALF_UP)


def plain(amount: Decimal) -> str:
    """Without exponent and without trailing zeros, so that equal amounts are equal texts."""
    text = f"{amount:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
