"""What may be changed of accounts, customers, carriers and people, and how each has to look."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from babel import Locale

from domain import callers, people, refusals

MAX_SEARCH = 100  # characters
_LINE = re.compile("[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
_NOTES = re.compile("[^\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]{1,4000}")
_WEBSITE = re.compile(r"https?://[!-~]{1,250}")
_NO_COUNTRIES = {"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"}  # CLDR names them too
_COUNTRIES = frozenset(
    code for code in map(str, Locale("en").territories) if re.fullmatch("[A-Z]{2}", code)
).difference(_NO_COUNTRIES)


@dataclass(frozen=True, slots=True)
class Field:
    """How a value has to look; `clearable`: null takes it away."""

    check: Callable[[Any, str], Any]
    clearable: bool = False


Fields = Mapping[str, Field]


def checked(fields: Fields, given: Mapping[str, object]) -> dict[str, Any]:
    """What is given, each value as it is stored; INVALID with its field in camel case."""
    return {name: _checked(fields[name], name, value) for name, value in given.items()}


def _checked(field: Field, name: str, value: object) -> object:
    shown = camel(name)
    if value is not None:
        return field.check(value, shown)
    if not field.clearable:
        raise _invalid("This cannot be empty: give a value, or leave it out to keep it.", shown)
    return None


def camel(name: str) -> str:
    """`legal_name` as the API has it: `legalName`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def search(text: str | None) -> str | None:
    """What a list is searched for; None: for nothing in particular. INVALID if it is too long."""
    if text is None or not text.strip():
        return None
    if len(text) > MAX_SEARCH or "\x00" in text or not _encodes(text):
        raise _invalid("Search for at most {most} characters.", "search", most=MAX_SEARCH)
    return text


def _encodes(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _invalid(template: str, field: str, **values: object) -> refusals.Refusal:
    return refusals.Refusal("INVALID", template, field, **values)


def _line(value: str, field: str) -> str:
    text = value.strip()
    if not _LINE.fullmatch(text):
        raise _invalid("Give 1 to 200 characters, without control characters.", field)
    return text


def _notes(value: str, field: str) -> str:
    text = value.strip().replace("\r\n", "\n")
    if not _NOTES.fullmatch(text):
        raise _invalid("Give 1 to 4000 characters; of control characters line feeds alone.", field)
    return text


def _country(value: str, field: str) -> str:
    if value not in _COUNTRIES:
        raise _invalid("Give an ISO 3166-1 code of two capitals, such as DE.", field)
    return value


def _website(value: str, field: str) -> str:
    if not _WEBSITE.fullmatch(value):
        raise _invalid("Give an address such as https://acme.example.", field)
    return value


def _payment_days(value: int, field: str) -> int:
    if not 0 <= value <= 365:
        raise _invalid("Give 0 to 365 days.", field)
    return value


def _as_is(value: object, _: str) -> object:
    return value


_NAME = Field(people.name)
_LANGUAGE = Field(people.language)
_ZONE = Field(people.time_zone)
_EMAIL = Field(people.email)
_PHONE = Field(people.mobile, clearable=True)
_TEXT = Field(_line, clearable=True)

CUSTOMER: Fields = {
    "name": _NAME,
    "reference": Field(people.reference),
    "currency": Field(people.currency),
    "status": Field(_as_is),
    "channel_limit": Field(people.channel_limit, clearable=True),
    "debit_limit": Field(people.debit_limit),
    "tax_percent": Field(people.percent),
    "legal_name": _TEXT,
    "street": _TEXT,
    "postal_code": _TEXT,
    "city": _TEXT,
    "country": Field(_country, clearable=True),
    "tax_number": _TEXT,
    "billing_email": Field(people.email, clearable=True),
    "phone": _PHONE,
    "website": Field(_website, clearable=True),
    "language": _LANGUAGE,
    "payment_days": Field(_payment_days),
}
CARRIER: Fields = {
    "name": _NAME,
    "reference": Field(people.reference),
    "sip_uri": Field(people.sip_uri, clearable=True),
}
ACCOUNT: Fields = {
    "name": _NAME,
    "hide_carriers": Field(_as_is),
    "invoice_grouping": Field(_as_is),
    "language": _LANGUAGE,
}
# What a contact may change of itself; staff also write the notes.
CONTACT: Fields = {
    "name": _NAME,
    "email": _EMAIL,
    "mobile": _PHONE,
    "department": _TEXT,
    "phone": _PHONE,
    "language": _LANGUAGE,
    "time_zone": _ZONE,
}
CONTACT_BY_STAFF: Fields = {**CONTACT, "notes": Field(_notes, clearable=True)}
STAFF: Fields = {
    "name": _NAME,
    "email": _EMAIL,
    "mobile": _PHONE,
    "language": _LANGUAGE,
    "time_zone": _ZONE,
}
STAFF_BY_OWNER: Fields = {**STAFF, "role": Field(_as_is)}
OWN: Mapping[callers.Kind, Fields] = {callers.Kind.CONTACT: CONTACT, callers.Kind.STAFF: STAFF}
