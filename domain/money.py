"""Exact amounts: Decimal, never float, rounded only by a named rule."""

import re
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

# Limits of an amount in a request or event; sums may have more digits.
WHOLE_DIGITS = 18
FRACTION_DIGITS = 12
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_MAX_LENGTH = 1_000  # characters, including insignificant zeros

_ZERO = Decimal(0)
_TRAPS = [InvalidOperation, DivisionByZero, Overflow, Clamped]
_LOSSLESS = Context(prec=120, traps=[*_TRAPS, Inexact])
# Wide enough that sums and products of such amounts are exact.
_EXACT = Context(prec=120, rounding=ROUND_HALF_EVEN, traps=_TRAPS)


class Rounding(StrEnum):
    """The rounding rule. UP is away from zero, DOWN towards zero."""

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


def validate(amount: Decimal, field: str, *, is_signed: bool = False) -> Decimal:
    """The amount. Refuses BAD_AMOUNT if it is not finite, too long, or negative without
    `is_signed`."""
    if not amount.is_finite():
        raise refusals.Refusal("BAD_AMOUNT", "{name} has to be a finite number.", field, name=field)
    if amount < 0 and not is_signed:
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


def parse(text: str, field: str, *, is_signed: bool = False) -> Decimal:
    """The only parser of amounts, in plain digits. Refuses BAD_AMOUNT."""
    if len(text) > _MAX_LENGTH or not _PLAIN.fullmatch(text):
        raise refusals.Refusal(
            "BAD_AMOUNT",
            "{name} has to be a decimal number such as {example}, without an exponent.",
            field,
            name=field,
            example="12.50",
        )
    return validate(Decimal(text), field, is_signed=is_signed)


def round_to(amount: Decimal, places: int, rounding: Rounding) -> Decimal:
    """To `places` (0 to 12) digits after the point."""
    return amount.quantize(_STEPS[places], context=_CONTEXTS[rounding])


def add(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum; 0 if there are no amounts."""
    total = _ZERO
    for amount in amounts:
        total = _EXACT.add(total, amount)
    return total


def subtract(amount: Decimal, less: Decimal) -> Decimal:
    return _EXACT.subtract(amount, less)


def multiply(amount: Decimal, by: Decimal | int) -> Decimal:
    return _EXACT.multiply(amount, by)


def multiply_add(amount: Decimal, by: Decimal | int, more: Decimal) -> Decimal:
    """amount x by + more, exact."""
    return _EXACT.fma(amount, by, more)


def divide(amount: Decimal, by: Decimal | int) -> Decimal:
    """The quotient to 120 digits. Round the result."""
    return _EXACT.divide(amount, by)


def percent(amount: Decimal, rate: Decimal) -> Decimal:
    """`rate` percent of an amount, exact."""
    return _EXACT.multiply(amount, rate).scaleb(-2, context=_EXACT)


def minor_digits(currency: str) -> int:
    """Digits after the point of the currency's smallest unit (ISO 4217)."""
    return _MINOR_UNITS.get(currency, 2)


def to_minor_unit(amount: Decimal, currency: str) -> Decimal:
    """Rounded half up to the currency's smallest unit."""
    return round_to(amount, minor_digits(currency), Rounding.HALF_UP)


def plain(amount: Decimal) -> str:
    """Without exponent and without trailing zeros, so that equal amounts are equal texts."""
    text = f"{amount:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
