"""Passwords: changed, reset, and set by invitation."""

import asyncio
import json
import unicodedata
from datetime import datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from redis.asyncio import Redis

from domain.identity import address_proofs
from models import db
from models.identity import logins, proofs
from resolvers.identity import try_limits
from runtime import clock
from tests.support.api.browsers import VIEWER, At, enter, new_contact, until_refused
from tests.support.api.callers import PASSWORD, Caller, Carrier
from tests.support.api.sockets import closed, signed_in

SECRET_KEY = "a key for tests alone, long enough to sign with"  # the web process's
NEW = "another horse battery"
RESET = address_proofs.Purpose.RESET_PASSWORD
INVITATION = address_proofs.Purpose.INVITATION


async def _fetch(sql: str, *arguments: Any) -> Any:
    async with db.connection() as conn:
        return await conn.fetchrow(sql, *arguments)


async def _login_row(email: str) -> Any:
    return await _fetch("SELECT * FROM logins WHERE email = $1", email)


async def _link(email: str, purpose: address_proofs.Purpose, now: datetime | None = None) -> str:
    """The token of a link as the worker creates it for the mail."""
    login, now = await _login_row(email), now or clock.now()
    id = await proofs.insert(login["account_id"], login["id"], purpose, email, now)
    link = address_proofs.Link(login["account_id"], id)
    return address_proofs.sign(SECRET_KEY, purpose, link, now + address_proofs.LIFETIME[purpose])


async def _reset(carrier: Carrier, token: str, password: str = NEW) -> dict[str, Any]:
    return await At(carrier.url).do(
        "resetPassword", "PasswordChanged", "at", token=token, password=password
    )


async def _ask(caller: Caller, email: str) -> dict[str, Any]:
    return await caller.do("requestPasswordReset", "ResetRequested", "at", email=email)


async def _change(caller: Caller, current: str, new: str) -> dict[str, Any]:
    return await caller.do("changePassword", "PasswordChanged", "at", current=current, new=new)


# Changed -----------------------------------------------------------------------------------------


async def test_a_changed_password_ends_the_other_sessions(carrier: Carrier) -> None:
    person, _, email = await new_contact(carrier)
    other = At(carrier.url)
    await other.login(email)
    async with signed_in(carrier.url, other.token) as socket:
        assert (await _change(person, PASSWORD, NEW))["at"]
        assert await closed(socket) == 4403
    await until_refused(other)
    assert await person.ask(VIEWER)
    assert (await At(carrier.url).login(email))["code"] == "WRONG_CREDENTIALS"
    assert "token" in await At(carrier.url).login(email, NEW)


@pytest.mark.parametrize(
    ("current", "new", "code", "field"),
    [
        ("not the password", NEW, "WRONG_PASSWORD", "current"),
        (PASSWORD, "too short", "INVALID", "new"),
        (PASSWORD, "é" * 513, "INVALID", "new"),
        (PASSWORD, "EMAIL", "INVALID", "new"),
    ],
)
async def test_an_invalid_password_is_refused(
    carrier: Carrier, current: str, new: str, code: str, field: str
) -> None:
    person, _, email = await new_contact(carrier)
    answer = await _change(person, current, email.upper() if new == "EMAIL" else new)
    assert (answer["code"], answer["field"]) == (code, field)
    assert "token" in await At(carrier.url).login(email)


async def test_the_longest_password_can_sign_in(carrier: Carrier) -> None:
    person, _, email = await new_contact(carrier)
    longest = "é" * 512
    assert "at" in await _change(person, PASSWORD, longest)
    assert "token" in await At(carrier.url).login(email, longest)
    assert (await At(carrier.url).login(email, longest[:-1]))["code"] == "WRONG_CREDENTIALS"


async def test_a_stolen_session_cannot_guess_the_password(
    carrier: Carrier, api_redis: Redis
) -> None:
    person, _, email = await new_contact(carrier)
    await enter(api_redis, try_limits.own_password(email, f"{person.address}/32"), 9)
    assert (await _change(person, "not the password", NEW))["code"] == "WRONG_PASSWORD"
    assert (await _change(person, PASSWORD, NEW))["code"] == "TOO_MANY_TRIES"


COMPOSED, DECOMPOSED = "Zo\u00eb B\u00f6rner 1987", "Zoe\u0308 Bo\u0308rner\u00a01987"


async def test_a_password_is_the_same_in_every_form_that_keyboards_send(carrier: Carrier) -> None:
    person, _, email = await new_contact(carrier)
    assert "at" in await _change(person, PASSWORD, DECOMPOSED)
    for entered in (COMPOSED, DECOMPOSED, COMPOSED.replace(" ", "\u2003")):
        assert "token" in await At(carrier.url).login(email, entered)
    assert "at" in await _change(person, COMPOSED, NEW)
    wrong = await At(carrier.url).login(email, DECOMPOSED)
    assert wrong["code"] == "WRONG_CREDENTIALS"


async def test_a_password_hashed_as_entered_still_signs_in(carrier: Carrier) -> None:
    """And is hashed in its canonical form from then on."""
    _, _, email = await new_contact(carrier)
    stored_hash = PasswordHasher().hash(DECOMPOSED)  # as releases without normalization did
    await _fetch("UPDATE logins SET password_hash = $2 WHERE email = $1", email, stored_hash)
    assert (await At(carrier.url).login(email, COMPOSED))["code"] == "WRONG_CREDENTIALS"
    assert (await At(carrier.url).login(email, DECOMPOSED + "!"))["code"] == "WRONG_CREDENTIALS"
    assert "token" in await At(carrier.url).login(email, DECOMPOSED)
    renewed = (await _login_row(email))["password_hash"]
    assert PasswordHasher().verify(renewed, COMPOSED)
    for entered in (COMPOSED, DECOMPOSED):
        assert "token" in await At(carrier.url).login(email, entered)
    assert (await _login_row(email))["password_hash"] == renewed


async def test_the_length_of_a_password_is_that_of_its_canonical_form(carrier: Carrier) -> None:
    person, _, email = await new_contact(carrier)
    for password in ("e\u0308" * 9, "e\u0308" * 513, "e" + "\u0308\u0323" * 30_000):
        assert (await _change(person, PASSWORD, password))["code"] == "INVALID"
    longest = "\u0390" * 512  # decomposed: three times as many characters
    assert "at" in await _change(person, PASSWORD, unicodedata.normalize("NFD", longest))
    assert "token" in await At(carrier.url).login(email, longest)
    assert "token" in await At(carrier.url).login(email, unicodedata.normalize("NFD", longest))


async def test_a_hash_with_other_parameters_is_renewed_at_the_next_sign_in(
    carrier: Carrier,
) -> None:
    _, _, email = await new_contact(carrier)
    weak = PasswordHasher(time_cost=1, memory_cost=8_192).hash(PASSWORD)
    await _fetch("UPDATE logins SET password_hash = $2 WHERE email = $1", email, weak)
    assert "token" in await At(carrier.url).login(email)
    renewed = (await _login_row(email))["password_hash"]
    assert not PasswordHasher().check_needs_rehash(renewed)
    assert "token" in await At(carrier.url).login(email)
    assert (await _login_row(email))["password_hash"] == renewed


async def test_a_sign_in_overtaken_by_a_password_change_starts_no_session(
    carrier: Carrier,
) -> None:
    """Between the comparison of the old password and the session lies the change."""
    person, _, email = await new_contact(carrier)
    as_compared = await logins.person_of_email(email, None)
    assert as_compared is not None
    assert await logins.lock_unchanged(as_compared)
    await _change(person, PASSWORD, NEW)
    assert not await logins.lock_unchanged(as_compared)


# Forgotten ---------------------------------------------------------------------------------------


async def test_a_link_is_sent_to_a_known_address_and_the_response_is_always_the_same(
    carrier: Carrier,
) -> None:
    _, _, email = await new_contact(carrier)
    for address in (email, "nobody@acme.example"):
        assert (await _ask(At(carrier.url), address))["__typename"] == "ResetRequested"
    async with db.connection() as conn:
        messages = await conn.fetch("SELECT * FROM messages WHERE kind = 'RESET_PASSWORD'")
        count = await conn.fetchval("SELECT count(*) FROM proofs WHERE account_id = 0")
    [mine] = [row for row in messages if row["recipient"] == email]
    assert mine["proof_id"]
    assert json.loads(mine["detail"]) == {}
    assert all(row["recipient"] != "nobody@acme.example" for row in messages)
    assert count == 0


async def test_a_link_sets_a_password_once_and_ends_all_sessions(carrier: Carrier) -> None:
    person, _, email = await new_contact(carrier)
    token = await _link(email, RESET)
    answers = await asyncio.gather(*(_reset(carrier, token) for _ in range(3)))
    assert sorted(answer.get("code", "") for answer in answers) == [
        "",
        "LINK_NOT_GOOD",
        "LINK_NOT_GOOD",
    ]
    await until_refused(person)
    assert "token" in await At(carrier.url).login(email, NEW)
    contact = await _fetch("SELECT email_verified_at FROM contacts WHERE email = $1", email)
    assert contact["email_verified_at"]


async def test_a_refused_password_leaves_the_link_valid(carrier: Carrier) -> None:
    _, _, email = await new_contact(carrier)
    token = await _link(email, RESET)
    for bad in ("short", email):
        assert (await _reset(carrier, token, bad))["code"] == "INVALID"
    assert "at" in await _reset(carrier, token)


async def test_an_invalid_link_sets_nothing(carrier: Carrier) -> None:
    _, _, email = await new_contact(carrier)
    other = (await new_contact(carrier))[2]
    withdrawn = await _link(email, RESET)
    good = await _link(email, RESET)
    old = await _link(other, RESET, clock.now() - timedelta(minutes=61))
    for token in (withdrawn, old, good[:-2], "x" * 2_000, "", await _link(other, INVITATION)):
        assert (await _reset(carrier, token))["code"] == "LINK_NOT_GOOD"
    assert "token" in await At(carrier.url).login(email)


async def test_a_link_sent_to_a_previous_address_is_no_longer_valid(carrier: Carrier) -> None:
    _, _, email = await new_contact(carrier)
    token = await _link(email, RESET)
    await _fetch("UPDATE logins SET email = $2 WHERE email = $1", email, f"new-{email}")
    assert (await _reset(carrier, token))["code"] == "LINK_NOT_GOOD"


async def test_a_changed_password_withdraws_the_links_that_were_sent(carrier: Carrier) -> None:
    person, _, email = await new_contact(carrier)
    token = await _link(email, RESET)
    await _change(person, PASSWORD, NEW)
    assert (await _reset(carrier, token, PASSWORD))["code"] == "LINK_NOT_GOOD"


async def test_a_reset_leaves_the_second_factor_active(carrier: Carrier) -> None:
    _, _, email = await new_contact(carrier)
    await _fetch("UPDATE logins SET totp_secret = 'x', totp_confirmed_at = now()"
                 " WHERE email = $1", email)  # fmt: skip
    await _reset(carrier, await _link(email, RESET))
    assert (await At(carrier.url).login(email, NEW))["code"] == "OTP_REQUIRED"


async def test_a_login_is_sent_at_most_three_mails_in_a_row(carrier: Carrier) -> None:
    _, _, email = await new_contact(carrier)
    answers = await asyncio.gather(*(_ask(At(carrier.url), email) for _ in range(8)))
    assert {answer["__typename"] for answer in answers} == {"ResetRequested"}
    rows = await _fetch("SELECT count(*) AS sent FROM messages WHERE recipient = $1", email)
    assert rows["sent"] == 3


async def test_one_address_can_request_only_a_limited_number_of_links(carrier: Carrier) -> None:
    asking = At(carrier.url)
    answers = await asyncio.gather(*(_ask(asking, f"n{n}@acme.example") for n in range(23)))
    refusals = [answer for answer in answers if answer["__typename"] != "ResetRequested"]
    assert [answer["code"] for answer in refusals] == ["TOO_MANY_TRIES"] * 3


# By invitation -----------------------------------------------------------------------------------


async def _accept(carrier: Carrier, token: str, password: str = NEW) -> dict[str, Any]:
    return await At(carrier.url).do(
        "acceptInvitation", "PasswordChanged", "at", token=token, password=password
    )


async def _invite(carrier: Carrier) -> str:
    """The e-mail of a contact without a password."""
    _, _, email = await new_contact(carrier)
    await _fetch("UPDATE logins SET password_hash = NULL WHERE email = $1", email)
    return email


async def test_an_invitation_sets_the_first_password_and_verifies_the_address(
    carrier: Carrier,
) -> None:
    email = await _invite(carrier)
    assert (await At(carrier.url).login(email))["code"] == "WRONG_CREDENTIALS"
    token = await _link(email, INVITATION)
    assert "at" in await _accept(carrier, token)
    assert "token" in await At(carrier.url).login(email, NEW)
    contact = await _fetch("SELECT email_verified_at FROM contacts WHERE email = $1", email)
    assert contact["email_verified_at"]
    assert (await _accept(carrier, token))["code"] == "LINK_NOT_GOOD"


async def test_an_invitation_cannot_set_a_second_password(carrier: Carrier) -> None:
    email = await _invite(carrier)
    invitation, reset = await _link(email, INVITATION), await _link(email, RESET)
    assert "at" in await _reset(carrier, reset)
    assert (await _accept(carrier, invitation, PASSWORD))["code"] == "LINK_NOT_GOOD"
    fresh = await _link(email, INVITATION)
    assert (await _accept(carrier, fresh, PASSWORD))["code"] == "LINK_NOT_GOOD"


async def test_the_audit_log_records_actions_by_link(carrier: Carrier) -> None:
    email = await _invite(carrier)
    await _accept(carrier, await _link(email, INVITATION))
    await _reset(carrier, await _link(email, RESET))
    login = await _login_row(email)
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT action, actor FROM audit_log WHERE account_id = $1 AND subject = $2"
            " ORDER BY id",
            carrier.account_id,
            f"login:{login['id']}",
        )
    assert [row["action"] for row in rows] == ["invitation.accept", "password.reset"]
    assert all(row["actor"].startswith("contact:") for row in rows)
