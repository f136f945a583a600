"""The second factor: an authenticator app, or a recovery code."""

import asyncio
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pyotp
import pytest
from redis.asyncio import Redis

from models import db
from resolvers.identity import try_limits
from runtime import clock
from tests.support.api.browsers import At, enter, new_contact, patient
from tests.support.api.callers import PASSWORD, Caller, Carrier

STATE = "{ twoFactor { enabledAt recoveryCodesLeft } }"


def _code(secret: str, steps: int = 0) -> str:
    """The current code of the app, or the code `steps` steps of 30 seconds later."""
    return pyotp.TOTP(secret).at(clock.now() + timedelta(seconds=30 * steps))


async def _offer(caller: Caller) -> dict[str, Any]:
    return await caller.do("enableTwoFactor", "TwoFactorSetup", "secret uri qr", password=PASSWORD)


async def _enable(caller: Caller) -> tuple[str, list[str]]:
    """The secret in force and its recovery codes. The code of the step before now is used up."""
    secret = (await _offer(caller))["secret"]
    recovery_codes = await caller.do(
        "confirmTwoFactor", "RecoveryCodes", "codes", code=_code(secret, -1)
    )
    return secret, recovery_codes["codes"]


async def _login(carrier: Carrier, email: str, **more: Any) -> str:
    """A session's token, or the refusal's code."""
    result = await At(carrier.url).login(email, **more)
    return str(result.get("token") or result["code"])


@pytest.mark.parametrize("who", ["contact", "staff"])
async def test_a_second_factor_is_requested_after_the_right_password(
    carrier: Carrier, who: str
) -> None:
    caller, email = carrier.owner, carrier.email
    if who == "contact":
        caller, _, email = await new_contact(carrier)
    secret, _ = await _enable(caller)
    assert await _login(carrier, email, password="not the password") == "WRONG_CREDENTIALS"
    assert await _login(carrier, email, password="not it", otp=_code(secret)) == "WRONG_CREDENTIALS"
    assert await _login(carrier, email) == "OTP_REQUIRED"
    assert await _login(carrier, email, otp="000000") == "WRONG_OTP"
    assert (await _login(carrier, email, otp=_code(secret))).startswith("cb_")


async def test_a_secret_is_active_once_it_is_confirmed(carrier: Carrier) -> None:
    person, _, email = await new_contact(carrier)
    first, second = await _offer(person), await _offer(person)
    assert (await person.ask(STATE))["twoFactor"] == {"enabledAt": None, "recoveryCodesLeft": 0}
    assert (await _login(carrier, email)).startswith("cb_")
    for code in ("000000", "x", _code(first["secret"])):
        recovery_codes = await person.do("confirmTwoFactor", "RecoveryCodes", "codes", code=code)
        assert (recovery_codes["code"], recovery_codes["field"]) == ("WRONG_OTP", "code")
    code = _code(second["secret"])
    answer = await person.do("confirmTwoFactor", "RecoveryCodes", "codes", code=code)
    assert len(set(answer["codes"])) == 10
    state = (await person.ask(STATE))["twoFactor"]
    assert state["enabledAt"]
    assert state["recoveryCodesLeft"] == 10
    assert (await _offer(person))["code"] == "TWO_FACTOR_ON"
    again = await person.do("confirmTwoFactor", "RecoveryCodes", "codes", code=code)
    assert again["code"] == "NO_TWO_FACTOR"


async def test_the_qr_code_contains_the_uri(carrier: Carrier) -> None:
    person, _, email = await new_contact(carrier)
    offered = await _offer(person)
    uri = pyotp.parse_uri(offered["uri"])
    assert isinstance(uri, pyotp.TOTP)
    assert (uri.secret, uri.name, uri.issuer) == (offered["secret"], email, "Example Voice")
    assert uri.now() == pyotp.TOTP(offered["secret"]).now()
    state = ElementTree.fromstring(offered["qr"])
    assert state.tag.endswith("svg")
    assert state.get("width")


async def test_a_code_is_valid_once_even_for_concurrent_sign_ins(carrier: Carrier) -> None:
    person, _, email = await new_contact(carrier)
    secret, _ = await _enable(person)
    code = _code(secret)
    result = await asyncio.gather(*(_login(carrier, email, otp=code) for _ in range(4)))
    assert sorted(answer[:9] for answer in result)[:3] == ["WRONG_OTP"] * 3
    assert sum(answer.startswith("cb_") for answer in result) == 1
    assert await _login(carrier, email, otp=code) == "WRONG_OTP"


async def test_a_code_older_than_the_last_accepted_one_is_refused(carrier: Carrier) -> None:
    person, _, email = await new_contact(carrier)
    secret, _ = await _enable(person)
    ahead, before = _code(secret, 1), _code(secret)
    assert (await _login(carrier, email, otp=ahead)).startswith("cb_")
    assert await _login(carrier, email, otp=before) == "WRONG_OTP"


async def test_a_recovery_code_is_valid_once(carrier: Carrier) -> None:
    person, _, email = await new_contact(carrier)
    _, codes = await _enable(person)
    typed = codes[0].replace("-", " ").upper()
    assert (await _login(carrier, email, otp=typed)).startswith("cb_")
    assert await _login(carrier, email, otp=codes[0]) == "WRONG_OTP"
    assert (await person.ask(STATE))["twoFactor"]["recoveryCodesLeft"] == 9
    result = await asyncio.gather(*(_login(carrier, email, otp=codes[1]) for _ in range(3)))
    assert sum(answer.startswith("cb_") for answer in result) == 1


async def test_new_recovery_codes_replace_the_old_ones(carrier: Carrier) -> None:
    person, _, email = await new_contact(carrier)
    _, old = await _enable(person)
    recovery_codes = await person.do(
        "regenerateRecoveryCodes", "RecoveryCodes", "codes", password=PASSWORD
    )
    assert await _login(carrier, email, otp=old[0]) == "WRONG_OTP"
    assert (await _login(carrier, email, otp=recovery_codes["codes"][0])).startswith("cb_")


async def test_removing_the_second_factor_needs_the_password_and_removes_the_codes(
    carrier: Carrier,
) -> None:
    person, _, email = await new_contact(carrier)
    await _enable(person)
    off = ("disableTwoFactor", "TwoFactorDisabled", "at")
    answer = await person.do(*off, password="not the password")
    assert (answer["code"], answer["field"]) == ("WRONG_PASSWORD", "password")
    assert await _login(carrier, email) == "OTP_REQUIRED"
    assert (await person.do(*off, password=PASSWORD))["at"]
    assert (await _login(carrier, email)).startswith("cb_")
    assert (await person.do(*off, password=PASSWORD))["code"] == "NO_TWO_FACTOR"
    codes = await person.do("regenerateRecoveryCodes", "RecoveryCodes", "codes", password=PASSWORD)
    assert codes["code"] == "NO_TWO_FACTOR"
    await _enable(person)
    assert (await person.ask(STATE))["twoFactor"]["recoveryCodesLeft"] == 10


async def test_a_wrong_password_changes_nothing(carrier: Carrier) -> None:
    person, _, _ = await new_contact(carrier)
    for mutation, type in [
        ("enableTwoFactor", "TwoFactorSetup"),
        ("regenerateRecoveryCodes", "RecoveryCodes"),
    ]:
        answer = await person.do(mutation, type, "__typename", password="not the password")
        assert answer["code"] == "WRONG_PASSWORD"


async def test_neither_secret_nor_recovery_codes_are_stored_in_plain_text(carrier: Carrier) -> None:
    person, _, email = await new_contact(carrier)
    secret, codes = await _enable(person)
    async with db.connection() as conn:
        login = await conn.fetchrow("SELECT * FROM logins WHERE email = $1", email)
        rows = await conn.fetch("SELECT * FROM recovery_codes WHERE login_id = $1", login["id"])
        log = await conn.fetch("SELECT * FROM audit_log WHERE account_id = $1", carrier.account_id)
    assert len(rows) == 10
    text = f"{[dict(row) for row in (login, *rows, *log)]}"
    for secret_text in (secret, *codes, codes[0].replace("-", "")):
        assert secret_text not in text
    actions = [row["action"] for row in log]
    assert actions.count("second_factor.enable") == 1


async def test_ten_wrong_codes_block_their_sender_and_not_the_owner(
    carrier: Carrier, api_redis: Redis
) -> None:
    """An attacker with the password guesses codes from elsewhere; the owner signs in from a
    known network."""
    person, _, email = await new_contact(carrier)
    secret, _ = await _enable(person)
    await enter(api_redis, try_limits.otp(email, "198.51.0.1/32", at_home=False), 9)
    assert await _login(carrier, email, otp="000000") == "WRONG_OTP"
    assert await _login(carrier, email, otp="000000") == "TOO_MANY_TRIES"
    assert await _login(carrier, email, otp=_code(secret)) == "TOO_MANY_TRIES"
    assert "token" in await person.there().login(email, otp=_code(secret))


async def test_a_password_reset_by_link_does_not_allow_more_guesses_of_a_code(
    carrier: Carrier, api_redis: Redis
) -> None:
    """An attacker who reads the mail of a person can set its password, but has not its second
    factor."""
    person, _, email = await new_contact(carrier)
    await _enable(person)
    thief = At(carrier.url)
    site = try_limits.site_of(thief.address)
    await try_limits.trust(patient(api_redis), email, site)
    await enter(api_redis, try_limits.otp(email, site, at_home=False), 9)
    assert (await thief.login(email, otp="000000"))["code"] == "WRONG_OTP"
    assert (await thief.login(email, otp="000000"))["code"] == "TOO_MANY_TRIES"


async def test_a_secret_sealed_with_another_key_cannot_be_used(carrier: Carrier) -> None:
    """As after a change of CALLBOARD_SECRET_KEY: recovery codes remain valid."""
    person, _, email = await new_contact(carrier)
    secret, codes = await _enable(person)
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE logins SET totp_secret = overlay(totp_secret placing '\\x4141' from 80)"
            " WHERE email = $1",
            email,
        )
    assert await _login(carrier, email, otp=_code(secret)) == "WRONG_OTP"
    assert (await _login(carrier, email, otp=codes[0])).startswith("cb_")


async def test_an_api_key_has_no_second_factor(carrier: Carrier) -> None:
    key = await carrier.key("LIVE_READ")
    answer = await key.do("enableTwoFactor", "TwoFactorSetup", "uri", password=PASSWORD)
    assert answer["code"] == "NO_SESSION"
