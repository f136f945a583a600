"""User-facing texts: their language and the format of their values."""

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.messaging import texts
from domain.messaging.texts import Text, pluralize
from domain.refusals import Refusal

AT = datetime(2026, 3, 1, 23, 5, 59, tzinfo=UTC)
UNRATED = (
    "{count:,} call matches no rate; it cannot be invoiced before it is rated or waived.",
    "{count:,} calls match no rate; they cannot be invoiced before they are rated or waived.",
)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "on 2026-03-01 at 2026-03-01 23:05 UTC: 1,234.5 for 1,000,000"),
        ("de", "on 01.03.2026 at 01.03.2026 23:05 UTC: 1.234,5 for 1.000.000"),
        ("es", "on 1 mar 2026 at 1 mar 2026 23:05 UTC: 1.234,5 for 1.000.000"),
    ],
)
def test_dates_and_numbers_are_formatted_for_the_language(language: str, text: str) -> None:
    values = {
        "day": date(2026, 3, 1),
        "at": AT,
        "sum": Decimal("1234.50"),
        "calls": 1_000_000,
    }
    template = "on {day} at {at}: {sum} for {calls:,}"
    assert texts.translate(language, template, values).replace("\xa0", " ") == text


def test_a_sum_of_any_length_keeps_all_its_digits() -> None:
    sum = Decimal("123456789012345678901234567890.123456789012")
    assert texts.format_number("de", sum) == "123.456.789.012.345.678.901.234.567.890,123456789012"
    assert texts.format_number("en", sum) == f"{sum:,}"


def test_an_instant_is_shown_in_the_zone_of_the_reader_except_where_utc_is_billed() -> None:
    text = Text("{at} {at:utc}", {"at": AT})
    assert text.translate("de", "Asia/Kolkata") == "02.03.2026 04:35 GMT+05:30 01.03.2026 23:05 UTC"
    assert text.translate("en") == "2026-03-01 23:05 UTC 2026-03-01 23:05 UTC"


def test_numbers_that_are_not_counts_are_not_formatted() -> None:
    values = {"id": 12345, "flag": True, "missing": None}
    assert texts.translate("de", "{id} {flag} {missing}", values) == "12345 True None"


def test_a_nested_text_is_translated_into_the_same_language() -> None:
    text = Text("{what}: {list}", {"what": Text("Customer"), "list": ["INV-1", Text("a draft")]})
    assert text.translate("de") == "Kunde: INV-1, einem Entwurf"
    assert text.translate("es") == "Cliente: INV-1, un borrador"
    assert str(text) == "Customer: INV-1, a draft"


def test_input_of_a_caller_is_never_used_as_a_template() -> None:
    refusal = Refusal("X", 'The document has no operation "{name}".', name="{0.__class__} {x}")
    assert str(refusal) == 'The document has no operation "{0.__class__} {x}".'
    assert "„{0.__class__} {x}“" in refusal.translate("de")


@pytest.mark.parametrize(
    ("language", "singular", "plural"),
    [
        ("en", "1 call matches no rate", "1,001 calls match no rate"),
        ("de", "Für 1 Anruf gibt es", "Für 1.001 Anrufe gibt es"),
        ("es", "1 llamada no corresponde", "1.001 llamadas no corresponden"),
    ],
)
def test_singular_and_plural_differ(language: str, singular: str, plural: str) -> None:
    assert pluralize(*UNRATED, 1).translate(language).startswith(singular)
    assert pluralize(*UNRATED, 1001).translate(language).startswith(plural)


def test_an_unsupported_language_falls_back_to_english() -> None:
    assert texts.translate("fr", "a draft") == "a draft"
    assert (
        texts.translate("de-AT", "a draft") == texts.translate("DE", "a draft") == "einem Entwurf"
    )


def test_languages_have_names_in_their_own_language() -> None:
    assert [texts.native_name(language) for language in texts.LANGUAGES] == [
        "English",
        "Deutsch",
        "Español",
    ]


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
def test_an_unauthenticated_caller_is_answered_in_the_language_it_prefers(
    header: str | None, language: str
) -> None:
    assert texts.preferred_language(header) == language


@given(st.text())
def test_any_accept_language_header_selects_a_supported_language(header: str) -> None:
    assert texts.preferred_language(header) in texts.LANGUAGES


@given(st.permutations(["en", "de", "es"]), st.permutations([1000, 999, 1]))
def test_the_highest_quality_wins_in_any_order(languages: list[str], qualities: list[int]) -> None:
    quality_of = Counter(dict(zip(languages, qualities, strict=True)))
    header = ", ".join(f"{language};q={quality / 1000}" for language, quality in quality_of.items())
    assert texts.preferred_language(header) == quality_of.most_common(1)[0][0]
