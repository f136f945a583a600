import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.records import countries
from tests.support.records import country_prefixes

_TYPES = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
# Guadeloupe, Saint Martin and Saint Barthélemy use the same numbers.
_SHARED = {"BL", "GP", "MF"}


def test_the_table_is_that_of_the_installed_metadata() -> None:
    assert country_prefixes.compute() == countries.PREFIXES


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS - _SHARED))
def test_example_numbers_of_a_region_belong_to_it(region: str) -> None:
    for kind in _TYPES:
        number = phonenumbers.example_number_for_type(region, kind)
        if number is not None:
            digits = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
            assert countries.country_of(digits) == phonenumbers.region_code_for_number(number)


@pytest.mark.parametrize(
    ("digits", "country"),
    [
        ("441632960000", "GB"),
        ("441481960000", "GG"),
        ("15551234567", "US"),
        ("14165550100", "CA"),
        ("18005550100", "US"),
        ("77172270000", "KZ"),
        ("79161234567", "RU"),
        ("3906698", "VA"),
        ("390669", "IT"),
        ("870773000000", None),
        ("999", None),
        ("1", "US"),
        ("", None),
    ],
)
def test_the_longest_prefix_decides(digits: str, country: str | None) -> None:
    assert countries.country_of(digits) == country


@given(st.text("0123456789", max_size=32), st.text("0123456789", max_size=8))
def test_digits_after_the_longest_prefix_change_nothing(digits: str, more: str) -> None:
    longest = max(map(len, countries.PREFIXES))
    start = digits[:longest].ljust(longest, "0")
    assert countries.country_of(start) == countries.country_of(start + more)
