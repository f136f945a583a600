"""Validation of names, references, addresses, passwords and limits."""

import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

from domain import refusals, time_zones
from domain.identity import email_addresses, phone_numbers
from domain.messaging import texts

MIN_PASSWORD_CHARACTERS = 10  # characters
_MAX_PASSWORD_BYTES = 1024  # bytes of UTF-8
MAX_ENTERED_CHARACTERS = 1_600  # characters; an accepted password has fewer, decomposed too
_MAX_STORED_EMAIL = 254  # characters
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_SIP_URI = re.compile(r"sips?:[!-~]{1,250}")
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # JSON may contain surrogates


def _invalid(template: str, field: str, **values: object) -> refusals.Refusal:
    return refusals.Refusal("INVALID", template, field, **values)


def validate_name(value: str, field: str = "name") -> str:
    """Stripped, 1 to 200 characters, none of them a control character."""
    text = value.strip()
    if not 1 <= len(text) <= 200 or _CONTROL.search(text):
        raise _invalid("Set 1 to 200 characters, without control characters.", field)
    return text


def _pattern_check(pattern: re.Pattern[str], template: str) -> Callable[[str, str], str]:
    def check(value: str, field: str) -> str:
        if not pattern.fullmatch(value):
            raise _invalid(template, field)
        return value

    return check


_check_reference = _pattern_check(
    _REFERENCE, "Set 1 to 64 letters, digits or ._@+-, starting with a letter or a digit."
)
_check_currency = _pattern_check(
    _CURRENCY, "Set an ISO 4217 code of three capital letters, such as EUR."
)
_check_sip_uri = _pattern_check(_SIP_URI, "Set a SIP URI, such as sip:carrier-a.example:5060.")


def validate_reference(value: str, field: str = "reference") -> str:
    return _check_reference(value, field)


def validate_currency(value: str, field: str = "currency") -> str:
    return _check_currency(value, field)


def validate_mobile(value: str, field: str = "mobile") -> str:
    """The number in E.164 form; see `phone_numbers`."""
    return phone_numbers.canonical(value, field)


def validate_language(value: str, field: str = "language") -> str:
    """One of `texts.LANGUAGES`."""
    if value not in texts.LANGUAGES:
        raise _invalid("Set one of {languages}.", field, languages=texts.LANGUAGES)
    return value


def validate_sip_uri(value: str, field: str = "sipUri") -> str:
    return _check_sip_uri(value, field)


def validate_email(value: str, field: str = "email") -> str:
    """The address in its stored form; see `email_addresses`."""
    return email_addresses.canonical(value, field)


def stored_emails(entered: str) -> list[str]:
    """What a login may be stored under, what was entered first; nothing if no login can be.

    Logins created before the grammar became strict keep their e-mail address, and two of them may
    have the same one in two forms.
    """
    text = entered.strip().lower()
    if _CONTROL.search(text) or len(text) > _MAX_STORED_EMAIL:
        return []
    forms = [text, unicodedata.normalize("NFC", text)]
    with suppress(refusals.Refusal):
        forms.append(validate_email(entered))
    return list(dict.fromkeys(forms))


def validate_password(value: str, field: str = "password", *, email: str | None = None) -> str:
    """Its canonical form: long enough, not too long, and not the e-mail address."""
    canonical = canonical_password(value[: MAX_ENTERED_CHARACTERS + 1])
    size = len(canonical.encode("utf-8", "surrogatepass"))
    is_long = len(value) > MAX_ENTERED_CHARACTERS or size > _MAX_PASSWORD_BYTES
    if len(canonical) < MIN_PASSWORD_CHARACTERS or is_long:
        raise refusals.Refusal(
            "INVALID",
            "Set at least {least} characters and at most {most} bytes of UTF-8.",
            field,
            least=MIN_PASSWORD_CHARACTERS,
            most=_MAX_PASSWORD_BYTES,
        )
    if email is not None and canonical.strip().lower() == email:
        raise _invalid(
            "The password must differ from the e-mail address. Set another password.", field
        )
    return canonical


def canonical_password(text: str) -> str:
    """Spaces other than U+0020 become U+0020, then NFC: OpaqueString (RFC 8265, 4.2.2).

    The time grows with the square of the length: pass at most `MAX_ENTERED_CHARACTERS` characters.
    """
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)
    return unicodedata.normalize("NFC", spaced)


def validate_time_zone(value: str, field: str = "timeZone") -> str:
    """As the tz database spells it; case is ignored. A link (US/Eastern) is kept as a link."""
    name = time_zones.find(value)
    if name is None:
        raise _invalid("Set an IANA time zone, such as Europe/Berlin.", field)
    return name


def validate_channel_limit(value: int | None, field: str = "channelLimit") -> int | None:
    if value is not None and value < 0:
        raise _invalid("Set 0 or more channels, or null for no limit.", field)
    return value


def validate_debit_limit(value: Decimal, field: str = "debitLimit") -> Decimal:
    if value < 0:
        raise _invalid("Set 0 (prepaid) or more.", field)
    return value


def validate_percent(value: Decimal, field: str = "taxPercent") -> Decimal:
    if not 0 <= value <= 100:
        raise _invalid("Set 0 to 100 percent.", field)
    return value
