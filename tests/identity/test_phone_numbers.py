"""One grammar and one canonical form of a person's phone number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import refusals
from domain.identity import personal_data

SAME = [
    "+441632960000",
    "+44 1632 960000",
    "+44 (1632) 960-000",
    "+44.1632.960000",
    "\u202a+44 1632 960000\u202c",
    "\u200e+44\u00a01632\u2009960000",
    "＋４４\u3000１６３２\u3000９６００００",
    "+44\u20111632\u2013960000",
    "\ufeff+441632960000\u200b",
    " +44/1632/960000\n",
]
REFUSED = [
    ("00441632960000", "+ instead of 00"),
    ("00 44 1632 960000", "+ instead of 00"),
    ("01632 960000", "Start with +"),
    ("441632960000", "Start with +"),
    ("", "Start with +"),
    ("+", "only the digits"),
    ("+44 1632 960000 ext. 5", "only the digits"),
    ("+44 1632 9600AB", "only the digits"),
    ("++441632960000", "only the digits"),
    ("+44 1632 960000;ext=5", "only the digits"),
    ("+44163296000\u0660\u0660", "only the digits"),
    ("+1555010", "too long or too short"),
    ("+4416329600000000", "too long or too short"),
    ("+999123456789", "country code"),
    ("+44\x001632960000", "only the digits"),
    ("+44\ud8001632960000", "only the digits"),
]


@pytest.mark.parametrize("entered", SAME)
def test_a_number_has_one_canonical_form(entered: str) -> None:
    assert personal_data.validate_mobile(entered) == "+441632960000"


@pytest.mark.parametrize(("entered", "reason"), REFUSED)
def test_a_number_is_refused_with_its_specific_reason(entered: str, reason: str) -> None:
    with pytest.raises(refusals.Refusal) as error:
        personal_data.validate_mobile(entered, "phone")
    assert (error.value.code, error.value.field) == ("INVALID", "phone")
    assert reason in error.value.message


@given(st.text(alphabet=st.characters(codec=None), max_size=25))
def test_any_text_is_refused_or_has_a_canonical_form(text: str) -> None:
    for entered in (text, "+44" + text):
        number = _canonical(entered)
        if number is not None:
            assert personal_data.validate_mobile(number) == number
            assert number[1:].isascii()
            assert number[1:].isdigit()


def _canonical(entered: str) -> str | None:
    try:
        return personal_data.validate_mobile(entered)
    except refusals.Refusal:
        return None
