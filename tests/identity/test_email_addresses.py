"""One grammar and one canonical form of an e-mail address."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import refusals
from domain.identity import personal_data

CANONICAL = [
    ("ops@acme.example", "ops@acme.example"),
    ("  Ops@Acme.Example\n", "ops@acme.example"),
    ("\u00a0ops@acme.example\u3000", "ops@acme.example"),
    ("first.last+tag@mail.acme.example", "first.last+tag@mail.acme.example"),
    ("o'brien@acme.example", "o'brien@acme.example"),
    ("ops@münchen.example", "ops@xn--mnchen-3ya.example"),
    ("ops@MÜNCHEN.example", "ops@xn--mnchen-3ya.example"),
    ("ops@mu\u0308nchen.example", "ops@xn--mnchen-3ya.example"),
    ("ops@xn--mnchen-3ya.example", "ops@xn--mnchen-3ya.example"),
    ("ops@ａｃｍｅ．example", "ops@acme.example"),
    ("jose\u0301@acme.example", "josé@acme.example"),
    ("用户@acme.example", "用户@acme.example"),
    ("ż@acme.example", "ż@acme.example"),
    ("z\u0307@acme.example", "ż@acme.example"),
    ("ı@acme.example", "ı@acme.example"),
]
REFUSED = [
    ("", "exactly one @"),
    ("ops", "exactly one @"),
    ("ops@acme@example.org", "exactly one @"),
    ("@acme.example", "must not be empty"),
    (".ops@acme.example", "start or end with a dot"),
    ("ops.@acme.example", "start or end with a dot"),
    ("o..ps@acme.example", "two dots"),
    ("o ps@acme.example", "U+0020"),
    ("o\u200bps@acme.example", "U+200B"),
    ("o\u00adps@acme.example", "U+00AD"),
    ("o\u034fps@acme.example", "U+034F"),
    ("o\ufe0fps@acme.example", "U+FE0F"),
    ("o\u3164ps@acme.example", "U+3164"),
    ("o\x00ps@acme.example", "U+0000"),
    ("o\ud800ps@acme.example", "U+D800"),
    ("ｏps@acme.example", "U+FF4F"),
    ("İ@acme.example", "U+0130"),
    ("i\u0307@acme.example", "U+0307"),
    ("ops.I\u0307@acme.example", "U+0130"),
    ("j\u0307@acme.example", "U+0307"),
    ("\u0456\u0307@acme.example", "U+0307"),
    ("i\u0323\u0307@acme.example", "U+0307"),
    ("<ops>@acme.example", "must not contain <"),
    ('"o ps"@acme.example', 'must not contain "'),
    ("a" * 65 + "@acme.example", "64 bytes"),
    ("ä" * 33 + "@acme.example", "64 bytes"),
    ("ops@localhost", "localhost has only one"),
    ("ops@acme..example", "two dots"),
    ("ops@.acme.example", "start or end with a dot"),
    ("ops@acme.example.", "start or end with a dot"),
    ("ops@", "two dots"),
    ("ops@-acme.example", "not a domain name"),
    ("ops@acme-.example", "not a domain name"),
    ("ops@ac_me.example", "not a domain name"),
    ("ops@192.0.2.1", "not a domain name"),
    ("ops@[192.0.2.1]", "not a domain name"),
    ("ops@xn--a.example", "not a domain name"),
    ("ops@" + "a" * 64 + ".example", "not a domain name"),
    ("ops@" + "a." * 124 + "example", "not a domain name"),
    ("ops@acme .example", "not a domain name"),
]
INVISIBLE = "\u200b\u2060\ufeff\u00ad\u202e\x7f\t\n "


@pytest.mark.parametrize(("entered", "canonical"), CANONICAL)
def test_an_address_has_one_canonical_form(entered: str, canonical: str) -> None:
    assert personal_data.validate_email(entered) == canonical


@pytest.mark.parametrize(("entered", "reason"), REFUSED)
def test_an_address_is_refused_with_its_specific_reason(entered: str, reason: str) -> None:
    with pytest.raises(refusals.Refusal) as error:
        personal_data.validate_email(entered, "billingEmail")
    assert (error.value.code, error.value.field) == ("INVALID", "billingEmail")
    assert reason in error.value.message


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_refused_or_has_a_canonical_form(local: str, domain: str) -> None:
    canonical = _canonical(f"{local}@{domain}")
    if canonical is None:
        return
    assert personal_data.validate_email(canonical) == canonical
    assert canonical.rpartition("@")[2].isascii()
    assert unicodedata.normalize("NFC", canonical) == canonical
    assert len(canonical.encode()) <= 254


_LOCAL = st.from_regex(
    r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-z0-9]{1,20}){0,2}", fullmatch=True
)
_DOMAIN = st.from_regex(r"([a-z0-9]([a-z0-9]{0,8}[a-z0-9])?\.){1,3}[a-z]{2,8}", fullmatch=True)


@given(_LOCAL, _DOMAIN)
def test_every_plain_address_is_accepted(local: str, domain: str) -> None:
    assert personal_data.validate_email(f"{local}@{domain}") == f"{local.lower()}@{domain}"


@given(_LOCAL, _DOMAIN, st.integers(0, 40), st.sampled_from(INVISIBLE))
def test_an_invisible_character_does_not_create_a_different_address(
    local: str, domain: str, place: int, character: str
) -> None:
    address = f"{local}@{domain}"
    place = min(place, len(address))
    entered = address[:place] + character + address[place:]
    assert _canonical(entered) in (None, personal_data.validate_email(address))


def test_an_older_login_is_looked_up_by_its_stored_address() -> None:
    assert personal_data.stored_emails(" OPS@localhost ") == ["ops@localhost"]
    assert personal_data.stored_emails("o\x00ps@acme.example") == []
    assert "ops@xn--mnchen-3ya.example" in personal_data.stored_emails("ops@MÜNCHEN.example")
    both = ["jose\u0301@acme.example", "josé@acme.example"]
    assert personal_data.stored_emails("Jose\u0301@acme.example") == both
    assert personal_data.stored_emails("JOSÉ@acme.example") == both[1:]
    assert personal_data.stored_emails("İ@acme.example") == ["i\u0307@acme.example"]


def _canonical(entered: str) -> str | None:
    try:
        return personal_data.validate_email(entered)
    except refusals.Refusal:
        return None
