"""The fields of accounts, customers, carriers and people that can change, and their checks."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from babel import Locale

from domain import refusals
from domain.identity import callers, personal_data

MAX_SEARCH_CHARACTERS = 100  # characters
_LINE = re.compile("[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
_NOTES = re.compile("[^\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]{1,4000}")
_WEBSITE = re.compile(r"https?://[!-~]{1,250}")
_NO_COUNTRIES = {"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"}  # CLDR names them too
_COUNTRIES = frozenset(
    code for code in map(str, Locale("en").territories) if re.fullmatch("[A-Z]{2}", code)
).difference(_NO_COUNTRIES)


@dataclass(frozen=True, slots=True)
class Field:
    """The check of a value. If `clearable`, null removes it."""

    check: Callable[[Any, str], Any]
    clearable: bool = False


Fields = Mapping[str, Field]


def validate(fields: Fields, values: Mapping[str, object]) -> dict[str, Any]:
    """The values in their stored form. Refuses INVALID with the field in camel case."""
    return {name: _validate_field(fields[name], name, value) for name, value in values.items()}


def _validate_field(field: Field, name: str, value: object) -> object:
    display_name = to_camel_case(name)
    if value is not None:
        return field.check(value, display_name)
    if not field.clearable:
        raise _invalid(
            "This field cannot be null. Set a value, or omit the field to keep it.", display_name
        )
    return None


def to_camel_case(name: str) -> str:
    """`legal_name` as the API has it: `legalName`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def validate_search(text: str | None) -> str | None:
    """The search text of a list; None if it is blank. Refuses INVALID if it is too long."""
    if text is None or not text.strip():
        return None
    if len(text) > MAX_SEARCH_CHARACTERS or "\x00" in text or not _is_encodable(text):
        raise _invalid(
            "Search for at most {most} characters.", "search", most=MAX_SEARCH_CHARACTERS
        )
    return text


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _invalid(template: str, field: str, **values: object) -> refusals.Refusal:
    return refusals.Refusal("INVALID", template, field, **values)


def _validate_line(value: str, field: str) -> str:
    text = value.strip()
    if not _LINE.fullmatch(text):
        raise _invalid("Set 1 to 200 characters, without control characters.", field)
    return text


def _validate_notes(value: str, field: str) -> str:
    text = value.strip().replace("\r\n", "\n")
    if not _NOTES.fullmatch(text):
        raise _invalid(
            "Set 1 to 4000 characters, without control characters except line feeds.", field
        )
    return text


def _validate_country(value: str, field: str) -> str:
    if value not in _COUNTRIES:
        raise _invalid("Set an ISO 3166-1 code of two capital letters, such as DE.", field)
    return value


def _validate_website(value: str, field: str) -> str:
    if not _WEBSITE.fullmatch(value):
        raise _invalid("Set a URL such as https://acme.example.", field)
    return value


def _validate_payment_days(value: int, field: str) -> int:
    if not 0 <= value <= 365:
        raise _invalid("Set 0 to 365 days.", field)
    return value


def _accept(value: object, _: str) -> object:
    return value


_NAME = Field(personal_data.validate_name)
_LANGUAGE = Field(personal_data.validate_language)
_ZONE = Field(personal_data.validate_time_zone)
_EMAIL = Field(personal_data.validate_email)
_PHONE = Field(personal_data.validate_mobile, clearable=True)
_TEXT = Field(_validate_line, clearable=True)

CUSTOMER: Fields = {
    "name": _NAME,
    "reference": Field(personal_data.validate_reference),
    "currency": Field(personal_data.validate_currency),
    "status": Field(_accept),
    "channel_limit": Field(personal_data.validate_channel_limit, clearable=True),
    "debit_limit": Field(personal_data.validate_debit_limit),
    "tax_percent": Field(personal_data.validate_percent),
    "legal_name": _TEXT,
    "street": _TEXT,
    "postal_code": _TEXT,
    "city": _TEXT,
    "country": Field(_validate_country, clearable=True),
    "tax_number": _TEXT,
    "billing_email": Field(personal_data.validate_email, clearable=True),
    "phone": _PHONE,
    "website": Field(_validate_website, clearable=True),
    "language": _LANGUAGE,
    "payment_days": Field(_validate_payment_days),
}
CARRIER: Fields = {
    "name": _NAME,
    "reference": Field(personal_data.validate_reference),
    "sip_uri": Field(personal_data.validate_sip_uri, clearable=True),
}
ACCOUNT: Fields = {
    "name": _NAME,
    "hide_carriers": Field(_accept),
    "invoice_grouping": Field(_accept),
    "language": _LANGUAGE,
}
# The fields that a contact may change; staff also write the notes.
CONTACT: Fields = {
    "name": _NAME,
    "email": _EMAIL,
    "mobile": _PHONE,
    "department": _TEXT,
    "phone": _PHONE,
    "language": _LANGUAGE,
    "time_zone": _ZONE,
}
CONTACT_BY_STAFF: Fields = {**CONTACT, "notes": Field(_validate_notes, clearable=True)}
STAFF: Fields = {
    "name": _NAME,
    "email": _EMAIL,
    "mobile": _PHONE,
    "language": _LANGUAGE,
    "time_zone": _ZONE,
}
STAFF_BY_OWNER: Fields = {**STAFF, "role": Field(_accept)}
OWN_PROFILE: Mapping[callers.Kind, Fields] = {
    callers.Kind.CONTACT: CONTACT,
    callers.Kind.STAFF: STAFF,
}
