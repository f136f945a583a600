"""What is said to people: in which language, with values as the language writes them."""

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import texts
from domain.refusals import Refusal
from domain.texts import Text, counted

AT = datetime(2026, 3, 1, 23, 5, 59, tzinfo=UTC)
UNRATED = (
    "{count:,} call matches no rate; it cannot be invoiced before it is rated or waived.",
    "{count:,} calls match no rate; they cannot be invoiced before they are rated or waived.",
)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "on 2026-03-01 at 2026-03-01 23:05 UTC: 1,234.5 for 1,000,000"),
        ("de", "on 01.03.2026 at 01.03.2026 23:05 UTC: 1.234,5 for 1.000.000"),
        ("es", "on 1 mar 2026 at 1 mar 2026 23:05 UTC: 1.234,5 for 1.000.000"),
    ],
)
def test_dates_and_numbers_are_written_as_the_language_does(language: str, said: str) -> None:
    values = {
        "day": date(2026, 3, 1),
        "at": AT,
        "sum": Decimal("1234.50"),
        "calls": 1_000_000,
    }
    template = "on {day} at {at}: {sum} for {calls:,}"
    assert texts.say(language, template, values).replace("\xa0", " ") == said


def test_no_digit_of_a_sum_is_lost_however_long_it_is() -> None:
    sum = Decimal("123456789012345678901234567890.123456789012")
    assert texts.number("de", sum) == "123.456.789.012.345.678.901.234.567.890,123456789012"
    assert texts.number("en", sum) == f"{sum:,}"


def test_an_instant_is_in_the_readers_zone_and_says_so_except_where_utc_is_billed() -> None:
    text = Text("{at} {at:utc}", {"at": AT})
    assert text.said("de", "Asia/Kolkata") == "02.03.2026 04:35 GMT+05:30 01.03.2026 23:05 UTC"
    assert text.said("en") == "2026-03-01 23:05 UTC 2026-03-01 23:05 UTC"


def test_numbers_that_are_no_counts_are_left_as_they_are() -> None:
    values = {"id": 12345, "flag": True, "missing": None}
    assert texts.say("de", "{id} {flag} {missing}", values) == "12345 True None"


def test_a_text_within_a_text_is_said_in_the_same_language() -> None:
    text = Text("{what}: {list}", {"what": Text("Customer"), "list": ["INV-1", Text("a draft")]})
    assert text.said("de") == "Kunde: INV-1, einem Entwurf"
    assert text.said("es") == "Cliente: INV-1, un borrador"
    assert str(text) == "Customer: INV-1, a draft"


def test_what_a_caller_sent_is_never_taken_for_a_template() -> None:
    refusal = Refusal("X", 'The document has no operation "{name}".', name="{0.__class__} {x}")
    assert str(refusal) == 'The document has no operation "{0.__class__} {x}".'
    assert "„{0.__class__} {x}“" in refusal.said("de")


@pytest.mark.parametrize(
    ("language", "one", "two"),
    [
        ("en", "1 call matches no rate", "1,001 calls match no rate"),
        ("de", "Für 1 Anruf gibt es", "Für 1.001 Anrufe gibt es"),
        ("es", "1 llamada no corresponde", "1.001 llamadas no corresponden"),
    ],
)
def test_one_is_told_from_many(language: str, one: str, two: str) -> None:
    assert counted(*UNRATED, 1).said(language).startswith(one)
    assert counted(*UNRATED, 1001).said(language).startswith(two)


def test_a_language_there_is_not_is_english() -> None:
    assert texts.say("fr", "a draft") == "a draft"
    assert texts.say("de-AT", "a draft") == texts.say("DE", "a draft") == "einem Entwurf"


def test_languages_name_themselves() -> None:
    assert [texts.own_name(one) for one in texts.LANGUAGES] == ["English", "Deutsch", "Español"]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("de-CH, en;q=0.9", "de"),
        ("fr, de;q=0.5, es;q=0.7", "es"),
        ("en;q=0.2,ES-mx;q=0.3", "es"),
        ("en;q=0, de;q=0.001", "de"),
        ("de;q=0", "en"),
        ("es, de", "es"),
        ("*, de;q=0.9", "en"),
        ("fr, *;q=0.5, de;q=0.6", "de"),
        ("de ; q=0.9 , es ; q = 1", "es"),
        ("de;q=2, es;q=nan, en;q=-1", "en"),
        ("de;level=1", "en"),
        ("pt-BR, zh", "en"),
    ],
)
def test_who_is_not_signed_in_is_told_in_what_it_accepts_most(
    header: str | None, language: str
) -> None:
    assert texts.accepted(header) == language


@given(st.text())
def test_any_header_accepts_some_language(header: str) -> None:
    assert texts.accepted(header) in texts.LANGUAGES


@given(st.permutations(["en", "de", "es"]), st.permutations([1000, 999, 1]))
def test_the_highest_quality_wins_wherever_it_stands(
    languages: list[str], qualities: list[int]
) -> None:
    wanted = Counter(dict(zip(languages, qualities, strict=True)))
    header = ", ".join(f"{one};q={quality / 1000}" for one, quality in wanted.items())
    assert texts.accepted(header) == wanted.most_common(1)[0][0]
