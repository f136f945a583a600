"""Phone numbers of people, in the one form in which they are compared and stored."""

import re
import unicodedata

import phonenumbers

from domain import refusals

# What people write between the digits; phonenumbers would also take letters and extensions.
_SEPARATORS = re.compile(r"[ ()./‐-―−-]")
_DIGITS = re.compile(r"\+[0-9]{6,30}", re.ASCII)


def canonical(value: str, field: str) -> str:
    """As E.164, of a length that its country has. INVALID names what is wrong.

    Not only numbers of assigned ranges: some ranges are too new for the tables, some are reserved
    for examples. A code proves that the number is the person's.
    """
    text = _SEPARATORS.sub("", _visible_text(value))
    if text.startswith("00"):
        raise _invalid("Write + instead of 00, such as +441632960000.", field)
    if not text.startswith("+"):
        raise _invalid("Start with + and the country code, such as +441632960000.", field)
    if not _DIGITS.fullmatch(text):
        raise _invalid(
            "After the +, set only the digits of the number, 6 to 15 of them, such as"
            " +441632960000.",
            field,
        )
    return _format_e164(text, field)


def _format_e164(text: str, field: str) -> str:
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException as error:
        if error.error_type != phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
            raise _invalid_length(field) from None
        raise _invalid("No country has this country code: {number}.", field, number=text) from None
    if not phonenumbers.is_possible_number(number):
        raise _invalid_length(field)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _visible_text(value: str) -> str:
    """Without format characters, every width and every space in its plain form."""
    plain = unicodedata.normalize("NFKC", value)
    visible = (character for character in plain if unicodedata.category(character) != "Cf")
    return "".join(" " if character.isspace() else character for character in visible).strip()


def _invalid_length(field: str) -> refusals.Refusal:
    return _invalid("The number is too long or too short for its country. Check its digits.", field)


def _invalid(template: str, field: str, **values: object) -> refusals.Refusal:
    return refusals.Refusal("INVALID", template, field, **values)
