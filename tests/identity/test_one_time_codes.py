"""RFC 6238, and the stored form of secrets."""

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identity import sealed_secrets, second_factor

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890", appendix B
KEY = "a key for tests alone, long enough to sign with"
INSTANTS = st.integers(1_600_000_000, 2_800_000_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
    ],
)
def test_the_codes_match_the_standard(seconds: int, code: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert second_factor.matching_step(RFC_SECRET, code, now) == seconds // 30
    assert second_factor.matching_step(RFC_SECRET, f"{code[:3]} {code[3:]}", now) == seconds // 30


@given(INSTANTS, st.integers(-4, 4))
def test_a_code_is_valid_one_step_before_and_after_its_own(now: datetime, steps: int) -> None:
    totp = pyotp.TOTP(RFC_SECRET)
    code = totp.at(now + timedelta(seconds=30 * steps))
    near = {totp.at(now + timedelta(seconds=30 * other)) for other in (-1, 0, 1)}
    assert (second_factor.matching_step(RFC_SECRET, code, now) is not None) == (code in near)
    assert code in near or abs(steps) > 1


@pytest.mark.parametrize("odd", ["", "12345", "1234567", "abcdef", "１２３４５６", "\ud800"])
def test_an_invalid_code_is_refused(odd: str) -> None:
    assert second_factor.matching_step(RFC_SECRET, odd, datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_recovery_codes_differ_and_are_recognized_in_any_notation() -> None:
    codes = second_factor.new_recovery_codes()
    assert len({second_factor.recovery_digest(code) for code in codes}) == 10
    typed = codes[0].replace("-", " ").upper()
    assert second_factor.recovery_digest(typed) == second_factor.recovery_digest(codes[0])


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=50))
def test_only_its_owner_can_decrypt_a_sealed_secret(text: str) -> None:
    sealed = sealed_secrets.seal(KEY, "totp:1:2", text)
    assert sealed_secrets.unseal(KEY, "totp:1:2", sealed) == text
    assert sealed_secrets.unseal(KEY, "totp:1:3", sealed) is None
    assert sealed_secrets.unseal(KEY + "x", "totp:1:2", sealed) is None


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_tampered_secret_cannot_be_decrypted(place: int, by: int) -> None:
    sealed = bytearray(sealed_secrets.seal(KEY, "totp:1:2", RFC_SECRET))
    sealed[place % len(sealed)] ^= by
    assert sealed_secrets.unseal(KEY, "totp:1:2", bytes(sealed)) in (
        None,
        RFC_SECRET,
    )  # base64 has spare bits
