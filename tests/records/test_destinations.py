"""A destination is rated by its number in any notation, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import refusals
from domain.records import destinations
from domain.records.destinations import Numbering

SAME = [
    "+441632960000",
    "441632960000",
    "00441632960000",
    "+44 1632 960000",
    " +44 1632 960000 ",
    "+44 (1632) 960-000",
    "0044 1632 960000",
    "+44.1632.960000",
    "+44.1632960000",
    "44.1632.960000",
    "44-1632.960000",
    "+44\u00a01632\u2011960000",
    "\u200e+44\u200b1632960000\ufeff",
    "＋４４１６３２９６００００",
    "sip:+441632960000@carrier-a.example",
    "SIPS:+441632960000@carrier-a.example:5061;transport=tls",
    "sip:+441632960000;npdi;rn=+15550100@carrier-a.example;user=phone",
    "sip:+441632960000:secret@carrier-a.example",
    "sip:%2B441632960000@carrier-a.example",
    "sip:00441632960000@carrier-a.example",
    "sip:+44-1632-960000@carrier-a.example",
    "<sip:+441632960000@carrier-a.example>;tag=1",
    '"Front desk" <sip:+441632960000@carrier-a.example>',
    "tel:+441632960000",
    "TEL:+44-1632-960000;ext=5",
    "tel:1632-960000;phone-context=+44",
    "tel:960000;ext=5;phone-context=+44-1632",
    "+441632960000; npdi;",
    "<+441632960000> ;tag=1",
    "+441632960000@carrier-a.example",
    "+441632960000;npdi",
]
NO_NUMBER = [
    "",
    " ",
    "+",
    "00",
    "front-desk",
    "sip:front-desk@carrier-a.example",
    "sip:carrier-a.example",
    "sip:192.0.2.1",
    "192.0.2.1",
    "sip:@carrier-a.example",
    "*21#",
    "1234#441632960000",
    "+44 1632 96000x",
    "+44 1632 960000 ext 5",
    "+44 (0) 1632 960000",
    "0044(0)1632960000",
    "44;1632960000",
    "<44>1632960000",
    "44 <44> 1632960000",
    "tel:960000;phone-context=carrier-a.example",
    "tel:01632960000;phone-context=+44",
    "++441632960000",
    "+0441632960000",
    "01632960000",
    "000441632960000",
    "+44163296\u0660\u0660\u0660\u0660",
    "anonymous",
    "44.5",
    "44.",
    ".44",
    "441632960000.0",
    "44\uff0e5",
    "44²",
    "⁴⁴1632960000",
    "44₁632960000",
    "④④1632960000",
    "44½",
    "\U0001d7d2\U0001d7d21632960000",
    "4.41633E+11",
    "1" * 33,
]


@pytest.mark.parametrize("text", SAME)
def test_a_number_is_recognized_in_any_notation(text: str) -> None:
    assert destinations.digits(text) == "441632960000"
    assert destinations.is_same(text, "+441632960000")


@pytest.mark.parametrize("text", NO_NUMBER)
def test_other_text_is_not_recognized_as_a_number(text: str) -> None:
    assert destinations.digits(text) is None


BRITISH = Numbering("44")
AMERICAN = Numbering("1", national_prefix="1", international_prefix="011")
UNPREFIXED = Numbering("44", national_prefix="", international_prefix="00")


@pytest.mark.parametrize(
    ("text", "numbering", "digits"),
    [
        ("01632 960000", BRITISH, "441632960000"),
        ("sip:01632960000@carrier-a.example", BRITISH, "441632960000"),
        ("0015550100", BRITISH, "15550100"),
        ("+15550100", BRITISH, "15550100"),
        ("15550100", BRITISH, "15550100"),
        ("0", BRITISH, None),
        ("000", BRITISH, None),
        ("15550100", AMERICAN, "15550100"),
        ("011441632960000", AMERICAN, "441632960000"),
        ("+441632960000", AMERICAN, "441632960000"),
        ("1632960000", UNPREFIXED, "441632960000"),
        ("0015550100", UNPREFIXED, "15550100"),
        ("+15550100", UNPREFIXED, "15550100"),
        ("01632960000", UNPREFIXED, None),
    ],
)
def test_a_switch_can_write_national_numbers(
    text: str, numbering: Numbering, digits: str | None
) -> None:
    assert destinations.digits(text, numbering) == digits


@pytest.mark.parametrize(
    "numbering",
    [
        Numbering("044"),
        Numbering("4444"),
        Numbering("+44"),
        Numbering("44", national_prefix="x"),
        Numbering("44", national_prefix="0" * 7),
        Numbering("44", international_prefix=""),
        Numbering("44", international_prefix="\u0660"),
    ],
)
def test_an_invalid_number_format_is_refused(numbering: Numbering) -> None:
    with pytest.raises(refusals.Refusal) as error:
        destinations.validate(numbering)
    assert error.value.code == "BAD_NUMBERING"


_NUMBERS = st.from_regex(r"[1-9][0-9]{3,14}", fullmatch=True)
_SEPARATOR = st.sampled_from(["", " ", "-", ".", "\u00a0", "\u2011", "\u200b", "("])


@given(_NUMBERS, st.lists(_SEPARATOR, min_size=15, max_size=15), st.sampled_from(["+", "00", ""]))
def test_separators_and_prefixes_do_not_change_a_number(
    number: str, separators: list[str], prefix: str
) -> None:
    text = prefix + "".join(
        digit + separator for digit, separator in zip(number, separators, strict=False)
    )
    plain_text = text.replace("\u200b", "").strip()
    if prefix != "+" and "." in plain_text and plain_text.replace(".", "").isdigit():
        return  # such as 1.2.3.4, which is an address, and 1.5, which is a fraction
    for form in (text, f"sip:{text}@carrier-a.example", f"tel:{text}"):
        assert destinations.digits(form) == number


@given(st.text(alphabet=st.characters(codec=None), max_size=40))
def test_any_text_is_a_complete_number_or_none(text: str) -> None:
    for numbering in (destinations.INTERNATIONAL, BRITISH, UNPREFIXED):
        digits = destinations.digits(text, numbering)
        assert digits is None or (digits.isascii() and digits.isdigit() and digits[0] != "0")


@given(_NUMBERS, st.sampled_from("*#abcXYZ?!\u0660"), st.integers(0, 15))
def test_a_number_is_never_truncated_at_a_character_that_is_not_a_digit(
    number: str, character: str, place: int
) -> None:
    text = number[:place] + character + number[place:]
    assert destinations.digits(text) is None
    assert destinations.digits(f"+{text}") is None
