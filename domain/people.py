"""What names, references, addresses and the like have to look like."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from zoneinfo import available_timezones

import phonenumbers

from domain import refusals, texts

MIN_PASSWORD = 10  # characters
_MAX_PASSWORD = 1024  # bytes of UTF-8
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_EMAIL = re.compile(
    r"[^\s@\x00-\x1f\x7f\ud800-\udfff<>,;]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,187}[A-Za-z0-9])"
)
# What people write between the digits; phonenumbers would also take letters and extensions.
_MOBILE = re.compile(r"\+[0-9][0-9 ()./-]{5,30}", re.ASCII)
_SIP_URI = re.compile(r"sips?:[!-~]{1,250}")
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # surrogates: JSON can smuggle them in


def _invalid(template: str, field: str, **values: object) -> refusals.Refusal:
    return refusals.Refusal("INVALID", template, field, **values)


def name(value: str, field: str = "name") -> str:
    """Stripped, 1 to 200 characters, none of them a control character."""
    text = value.strip()
    if not 1 <= len(text) <= 200 or _CONTROL.search(text):
        raise _invalid("Give 1 to 200 characters, without control characters.", field)
    return text


def _shaped(pattern: re.Pattern[str], template: str) -> Callable[[str, str], str]:
    def check(value: str, field: str) -> str:
        if not pattern.fullmatch(value):
            raise _invalid(template, field)
        return value

    return check


_reference = _shaped(
    _REFERENCE, "Give 1 to 64 letters, digits or ._@+-, the first a letter or a digit."
)
_currency = _shaped(_CURRENCY, "Give an ISO 4217 code of three capitals, such as EUR.")
_sip_uri = _shaped(_SIP_URI, "Give a SIP URI, such as sip:carrier-a.example:5060.")


def reference(value: str, field: str = "reference") -> str:
    return _reference(value, field)


def currency(value: str, field: str = "currency") -> str:
    return _currency(value, field)


def mobile(value: str, field: str = "mobile") -> str:
    """As E.164, of a length that its country has.

    Not only of ranges that are assigned: some are too new for the tables, some set aside for
    examples; and whether it is somebody's, a code proves.
    """
    text = value.strip()
    try:
        number = phonenumbers.parse(text if _MOBILE.fullmatch(text) else "")
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise _invalid("Give a phone number with its country code, such as +441632960000.", field)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def language(value: str, field: str = "language") -> str:
    """One of `texts.LANGUAGES`."""
    if value not in texts.LANGUAGES:
        raise _invalid("Give one of {languages}.", field, languages=texts.LANGUAGES)
    return value


def sip_uri(value: str, field: str = "sipUri") -> str:
    return _sip_uri(value, field)


def email(value: str, field: str = "email") -> str:
    """In lower case, as it is stored and looked up."""
    text = value.strip().lower()
    if len(text) > 254 or not _EMAIL.fullmatch(text):
        raise _invalid("Give an e-mail address, such as ops@acme.example.", field)
    return text


def password(value: str, field: str = "password", *, email: str | None = None) -> str:
    """Long enough, not too long, and not the e-mail address."""
    size = len(value.encode("utf-8", "surrogatepass"))
    if len(value) < MIN_PASSWORD or size > _MAX_PASSWORD:
        raise refusals.Refusal(
            "INVALID",
            "Give at least {least} characters, and at most {most} bytes of UTF-8.",
            field,
            least=MIN_PASSWORD,
            most=_MAX_PASSWORD,
        )
    if email is not None and value.strip().lower() == email:
        raise _invalid("Give a password other than the e-mail address.", field)
    return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def time_zone(value: str, field: str = "timeZone") -> str:
    if value not in _zones():
        raise _invalid("Give an IANA time zone, such as Europe/Berlin.", field)
    return value


def channel_limit(value: int | None, field: str = "channelLimit") -> int | None:
    if value is not None and value < 0:
        raise _invalid("Give 0 or more channels, or null for no limit.", field)
    return value


def debit_limit(value: Decimal, field: str = "debitLimit") -> Decimal:
    if value < 0:
        raise _invalid("Give 0 (prepaid) or more.", field)
    return value


def percent(value: Decimal, field: str = "taxPercent") -> Decimal:
    if not 0 <= value <= 100:
        raise _invalid("Give 0 to 100 percent.", field)
    return value
