"""The E.164 number of a destination, in any of the formats that switches send.

A destination is rated by the digits of this number. A destination without one is not rated, because
a shorter prefix could match by accident.
"""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

from domain import refusals

MAX_DIGITS = 32  # above E.164's 15, because calls with additional digits are also set up
_PLAIN = re.compile(r"\+?([1-9][0-9]{0,31})", re.ASCII)
_SEPARATORS = re.compile(r"[\s().\-/‐-―−]")  # RFC 3966 §3, and common others
_URI = re.compile(r"(sips?|tel):(.*)", re.IGNORECASE | re.DOTALL)
_ANGLES = re.compile(r"[^<]*<([^<>]*)>\s*(?:;[^<>]*)?", re.DOTALL)
# Parameters of a header or a URI. Their names begin with a letter, unlike digits to dial later.
_PARAMETERS = re.compile(r"(?:\s*(?:[a-z][^;]*)?;)*\s*(?:[a-z][^;]*)?", re.IGNORECASE)
_CONTEXT = re.compile(r"(?:.*;)?phone-context=([^;]*)", re.IGNORECASE | re.DOTALL)
_TRUNK_PREFIX = re.compile(r"\(\s*0\s*\)")  # +44 (0) 1632: ambiguous
_FRACTION = re.compile(
    r"[0-9]*\.[0-9]*", re.ASCII
)  # here the dot is a decimal point, not a separator
_IP_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", re.ASCII)
_COUNTRY_CODE = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)
_PREFIX = re.compile(r"[0-9]{0,6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Numbering:
    """How a switch writes numbers without a plus sign.

    `country_code` None: all numbers are international, and text that begins with 0 is not a number.
    Otherwise, a number that begins with `national_prefix` is a number of that country; "" matches
    every number without `international_prefix`.
    """

    country_code: str | None = None
    national_prefix: str = "0"
    international_prefix: str = "00"


INTERNATIONAL = Numbering()


def digits(destination: str, numbering: Numbering = INTERNATIONAL) -> str | None:
    """Returns the E.164 number without its plus sign; None if the destination is not a number."""
    if numbering.country_code is None or destination.startswith("+"):
        plain = _PLAIN.fullmatch(destination)
        if plain is not None and len(destination) <= MAX_DIGITS:
            return plain[1]
    subscriber = _subscriber(_normalize(destination)).strip()
    if any(form.fullmatch(subscriber) for form in (_FRACTION, _IP_ADDRESS)):
        return None
    if _TRUNK_PREFIX.search(subscriber):
        return None
    return _international(_SEPARATORS.sub("", subscriber), numbering)


def is_same(first: str, second: str) -> bool:
    """Whether two destinations are the same text or the same number."""
    return first == second or (digits(first) is not None and digits(first) == digits(second))


def validate(numbering: Numbering) -> Numbering:
    """Returns the numbering. Refuses BAD_NUMBERING with the field."""
    code = numbering.country_code
    prefixes = (numbering.national_prefix, numbering.international_prefix)
    if code is not None and not _COUNTRY_CODE.fullmatch(code):
        raise _invalid("Set a country code of 1 to 3 digits, such as 44, or null.", "countryCode")
    if not all(_PREFIX.fullmatch(prefix) for prefix in prefixes):
        raise _invalid("A prefix has up to 6 digits, such as 0 or 00.", "nationalPrefix")
    if not numbering.international_prefix:
        raise _invalid("Set the international prefix, such as 00.", "internationalPrefix")
    return numbering


def _international(number: str, numbering: Numbering) -> str | None:
    if number.startswith("+"):
        return _plain(number)
    if number.startswith(numbering.international_prefix):
        return _plain(number[len(numbering.international_prefix) :])
    if numbering.country_code is not None and number.startswith(numbering.national_prefix):
        national = _plain(number[len(numbering.national_prefix) :])
        return None if national is None else _plain(numbering.country_code + national)
    return _plain(number)


def _plain(number: str) -> str | None:
    plain = _PLAIN.fullmatch(number)
    return None if plain is None else plain[1]


def _normalize(destination: str) -> str:
    """Removes format characters and replaces wide and narrow forms by plain ones.

    Other compatibility forms stay: 44² is not 442.
    """
    if destination.isascii():
        return destination
    return "".join(map(_plain_width, destination))


def _plain_width(character: str) -> str:
    if unicodedata.category(character) == "Cf":
        return ""
    is_width = unicodedata.decomposition(character).startswith(("<wide>", "<narrow>"))
    return unicodedata.normalize("NFKC", character) if is_width else character


def _subscriber(text: str) -> str:
    """The number of a SIP or tel URI (RFC 3261 §19.1, RFC 3966 §3), or of a bare user part."""
    if "<" in text:
        angles = _ANGLES.fullmatch(text)
        text = text if angles is None else angles[1]
    uri = _URI.fullmatch(text.strip())
    scheme, rest = ("", text) if uri is None else (uri[1].lower(), uri[2])
    user, _, parameters = rest.partition("@")[0].partition(";")
    if not _PARAMETERS.fullmatch(parameters):
        return ""
    if scheme == "tel":
        return _global_number(user.strip(), parameters)
    if "@" in rest:
        return unquote(user.partition(":")[0])
    return "" if scheme else user  # a SIP URI without a user names a host


def _global_number(user: str, parameters: str) -> str:
    """The number of a tel URI; "" if its context is not the beginning of a number."""
    context = _CONTEXT.match(parameters)
    if context is None or user.startswith("+"):
        return user
    prefix = _SEPARATORS.sub("", context[1])
    is_prefix = prefix.startswith("+") and not user.startswith("0")
    return prefix + user if is_prefix else ""


def _invalid(template: str, field: str) -> refusals.Refusal:
    return refusals.Refusal("BAD_NUMBERING", template, field)
