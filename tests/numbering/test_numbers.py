import hashlib
import string
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.numbering import number_ranges
from domain.numbering.number_ranges import Span
from domain.refusals import Refusal


@given(st.integers(0, 9999).map(str), st.integers(0, 10**5))
def test_numbers_match_a_prefix_exactly_if_their_first_digits_do(prefix: str, number: int) -> None:
    spans = number_ranges.spans_with_prefix(prefix)
    assert any(Span(number, number) in span for span in spans) == str(number).startswith(prefix)


def test_spans_of_a_prefix_ascend_and_end_with_the_largest_number() -> None:
    for prefix in ("1", "9", "90071992547409", "9007199254740991"):
        spans = number_ranges.spans_with_prefix(prefix)
        assert all(span.last < next.first for span, next in pairwise(spans))
        assert spans[-1].last <= number_ranges.MAX_NUMBER
    assert number_ranges.spans_with_prefix("9")[-1] == Span(9 * 10**15, number_ranges.MAX_NUMBER)
    assert (
        number_ranges.spans_with_prefix("")
        == number_ranges.spans_with_prefix(None)
        == [number_ranges.ALL_NUMBERS]
    )


@pytest.mark.parametrize("prefix", ["01", "a", "+1", " 1", "١", "1" * 17])
def test_a_prefix_that_no_username_has_is_refused(prefix: str) -> None:
    with pytest.raises(Refusal) as error:
        number_ranges.spans_with_prefix(prefix)
    assert (error.value.code, error.value.field) == ("INVALID", "startingWith")


@pytest.mark.parametrize(
    "username", ["", "01", "-1", "1.0", "alice", "1 ", "1\n", "١", str(2**53), "9" * 400]
)
def test_a_username_is_a_number_in_plain_digits(username: str) -> None:
    with pytest.raises(Refusal) as error:
        number_ranges.parse_username(username)
    assert (error.value.code, error.value.field) == ("INVALID", "username")
    assert number_ranges.parse_username(str(number_ranges.MAX_NUMBER)) == number_ranges.MAX_NUMBER
    assert number_ranges.parse_username("0") == 0


@pytest.mark.parametrize(
    ("given_range", "field"),
    [
        ((-1, 9, 1), "start"),
        ((2**53, 2**53, 1), "start"),
        ((10, 9, 1), "end"),
        ((1, 2**53, 1), "end"),
        ((1, 9, 0), "blockSize"),
        ((1, 9, 10), "blockSize"),
    ],
)
def test_an_invalid_range_is_refused_with_its_field(given_range: Any, field: str) -> None:
    with pytest.raises(Refusal) as error:
        number_ranges.validate_range(*given_range)
    assert (error.value.code, error.value.field) == ("INVALID", field)


def test_the_first_numbers_of_spans_are_taken_without_iterating_over_the_spans() -> None:
    assert number_ranges.first_numbers([Span(3, 3), Span(7, number_ranges.MAX_NUMBER)], 3) == [
        3,
        7,
        8,
    ]


def test_digests_follow_the_standards() -> None:
    """RFC 2617 3.5 gives these; the others are their definition written out."""
    digests = number_ranges.digests("Mufasa", "testrealm@host.com", "Circle Of Life")
    assert digests.ha1 == "939e7578ed9e3c518a452acee763bce9"
    whole = b"Mufasa@testrealm@host.com:testrealm@host.com:Circle Of Life"
    assert digests.ha1b == hashlib.md5(whole).hexdigest()
    rfc7616 = number_ranges.digests("Mufasa", "http-auth@example.org", "Circle of Life")
    assert rfc7616.ha1_sha256 == (
        "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"
    )


def test_a_generated_secret_is_long_and_safe_in_a_configuration_file() -> None:
    secrets = {number_ranges.new_secret() for _ in range(200)}
    assert len(secrets) == 200
    assert set("".join(secrets)) < set(string.ascii_letters + string.digits) - set("lIO01")
    assert {len(secret) for secret in secrets} == {24}
    assert [number_ranges.validate_secret(secret) for secret in secrets] == list(secrets)


@pytest.mark.parametrize(
    "secret",
    [
        "short",
        "x" * 65,
        "with a space 123",
        'quote"quote"q',
        "back\\slash\\xx",
        "a:b:c:d:e:f:g",
        "ümlautümlaut",
    ],
)
def test_a_password_that_phones_cannot_handle_is_refused(secret: str) -> None:
    with pytest.raises(Refusal) as error:
        number_ranges.validate_secret(secret)
    assert (error.value.code, error.value.field) == ("INVALID", "password")
