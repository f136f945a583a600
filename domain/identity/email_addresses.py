"""E-mail addresses of people, in the one form in which they are compared and stored.

The local part is a dot-atom (RFC 5322 §3.2.3), also of letters and digits outside ASCII (RFC
6531); quoted local parts and address literals are refused. The domain is a host name of at least
two labels (RFC 1123 §2.1); an internationalized domain becomes its ASCII form (IDNA 2008, UTS 46).
"""

import re
import string
import unicodedata

import idna

from domain import refusals

_MAX_LENGTH, _MAX_LOCAL, _MAX_DOMAIN = 254, 64, 253  # octets, RFC 5321 §4.5.3.1
_ATEXT = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~")
# Default_Ignorable_Code_Point of Unicode that are letters or marks: nothing shows them.
_IGNORABLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]")
# Soft_Dotted of Unicode, without what is refused anyway: i, j, and letters like them.
_DOTTED = frozenset("ij\u012f\u0249\u0268\u029d\u03f3\u0456\u0458\u1d96\u1e2d\u1ecb")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def canonical(value: str, field: str) -> str:
    """In lower case, normalized (NFC), the domain in ASCII. INVALID names what is wrong."""
    text = unicodedata.normalize("NFC", value.strip())
    local, at, domain = text.rpartition("@")
    if not at or "@" in local:
        raise _invalid("Set an e-mail address with exactly one @, such as ops@acme.example.", field)
    _require_local(local, field)
    address = f"{unicodedata.normalize('NFC', local.lower())}@{_ascii_domain(domain, field)}"
    if len(address.encode()) > _MAX_LENGTH:
        raise _invalid(
            "The e-mail address is too long: the limit is {limit} bytes.", field, limit=_MAX_LENGTH
        )
    return address


def _require_local(local: str, field: str) -> None:
    for before, character in zip(f" {local}", local, strict=False):
        if character != "." and not (_is_atom(character) and _is_seen(before, character)):
            raise _invalid(
                "The part before the @ must not contain {character}. Remove it.",
                field,
                character=_describe_character(character),
            )
    if not all(local.split(".")):
        raise _invalid(
            "The part before the @ must not be empty, start or end with a dot, or contain two dots"
            " in a row.",
            field,
        )
    if len(local.encode()) > _MAX_LOCAL:
        raise _invalid(
            "The part before the @ is too long: the limit is {limit} bytes.",
            field,
            limit=_MAX_LOCAL,
        )


def _is_atom(character: str) -> bool:
    """No invisible character and no look-alike form of another one (RFC 6532, RFC 8264 §8)."""
    if character in _ATEXT:
        return True
    if character.isascii() or character > "\uffff" or _IGNORABLE.match(character):
        return False
    is_plain = unicodedata.normalize("NFKC", character) == character
    return is_plain and unicodedata.category(character)[0] in "LMN"


def _is_seen(before: str, character: str) -> bool:
    """Not a dot above an i or j, which has one already: the address would look like another."""
    is_second_dot = character == "\u0307" and before.lower() in _DOTTED
    return len(character.lower()) == 1 and not is_second_dot


def _ascii_domain(domain: str, field: str) -> str:
    labels = _to_ascii(domain, field).split(".")
    if not all(labels):
        raise _invalid(
            "The domain must not start or end with a dot, or contain two dots in a row.", field
        )
    if len(labels) < 2:
        raise _invalid(
            "The domain needs at least two parts, such as acme.example; {domain} has only one.",
            field,
            domain=labels[0],
        )
    is_name = all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()
    if not is_name or len(".".join(labels)) > _MAX_DOMAIN:
        raise _invalid_domain(field)
    return ".".join(labels)


def _to_ascii(domain: str, field: str) -> str:
    """Labels in lower case; empty ones stay, for a reason of their own."""
    if domain.isascii():
        labels = domain.lower().split(".")
        if not any(label.startswith("xn--") for label in labels):
            return domain.lower()
    try:
        return idna.encode(domain, uts46=True, std3_rules=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        raise _invalid_domain(field) from None


def _invalid_domain(field: str) -> refusals.Refusal:
    return _invalid(
        "The part after the @ is not a domain name. Set a name such as acme.example.", field
    )


def _describe_character(character: str) -> str:
    """The character, or its number if it cannot be seen or looks like another one."""
    is_clear = character.isascii() and character.isprintable() and character != " "
    return character if is_clear else f"U+{ord(character):04X}"


def _invalid(template: str, field: str, **values: object) -> refusals.Refusal:
    return refusals.Refusal("INVALID", template, field, **values)
