"""Resetting a second factor if the authenticator app and the recovery codes are lost."""

import os
import subprocess
import sys
from typing import Any

import pyotp
import pytest

from models import db
from runtime import clock
from runtime.settings import ROOT
from tests.support.api.browsers import At, new_contact, until_refused
from tests.support.api.callers import PASSWORD, Caller, Carrier, sign_in
from tests.support.programs import Program


async def _locked_out(caller: Caller) -> None:
    """Has a second factor whose secret is lost."""
    setup = await caller.do("enableTwoFactor", "TwoFactorSetup", "secret", password=PASSWORD)
    code = pyotp.TOTP(setup["secret"]).at(clock.now())
    assert "codes" in await caller.do("confirmTwoFactor", "RecoveryCodes", "codes", code=code)


async def _staff(carrier: Carrier, role: str) -> tuple[Caller, str, str]:
    """Somebody signed in, its id and e-mail."""
    caller = await carrier.staff(role)
    viewer = (await caller.ask("{ viewer { ... on Staff { id email } } }"))["viewer"]
    return caller, viewer["id"], viewer["email"]


async def _remove(caller: Caller, person: str) -> dict[str, Any]:
    return await caller.do("removeTwoFactor", "TwoFactorDisabled", "at", personId=person)


async def _written(carrier: Carrier, action: str = "second_factor.remove") -> list[Any]:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT actor, subject, customer_id, address FROM audit_log"
            " WHERE account_id = $1 AND action = $2 ORDER BY id",
            carrier.account_id,
            action,
        )
    return [tuple(row) for row in rows]


async def _mails(email: str) -> list[str]:
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT kind FROM messages WHERE recipient = $1", email)
    return [row["kind"] for row in rows]


@pytest.mark.parametrize("who", ["owner", "support"])
async def test_after_a_reset_a_contact_signs_in_with_only_the_password(
    carrier: Carrier, who: str
) -> None:
    manager = carrier.owner if who == "owner" else await carrier.staff("SUPPORT")
    person, id, email = await new_contact(carrier)
    await _locked_out(person)
    assert (await At(carrier.url).login(email))["code"] == "OTP_REQUIRED"
    assert (await _remove(manager, id))["at"]
    await until_refused(person)
    again = At(carrier.url)
    assert "token" in await again.login(email)
    state = await again.ask("{ twoFactor { enabledAt recoveryCodesLeft } }")
    assert state["twoFactor"] == {"enabledAt": None, "recoveryCodesLeft": 0}
    assert await _mails(email) == ["SECOND_FACTOR_REMOVED"]
    [(actor, subject, customer, _)] = await _written(carrier)
    assert (actor[:6], subject[:8], customer is not None) == ("staff:", "contact:", True)
    assert (await _remove(manager, id))["code"] == "NO_TWO_FACTOR"
    assert len(await _mails(email)) == len(await _written(carrier)) == 1


async def test_only_an_owner_can_reset_the_second_factor_of_staff(carrier: Carrier) -> None:
    person, id, email = await _staff(carrier, "FINANCE")
    await _locked_out(person)
    support = await carrier.staff("SUPPORT")
    assert (await _remove(support, id))["code"] == "FORBIDDEN"
    assert (await At(carrier.url).login(email))["code"] == "OTP_REQUIRED"
    assert (await _remove(carrier.owner, id))["at"]
    await until_refused(person)
    assert "token" in await At(carrier.url).login(email)


async def test_removing_ones_own_second_factor_requires_the_password(carrier: Carrier) -> None:
    await _locked_out(carrier.owner)
    viewer = (await carrier.owner.ask("{ viewer { ... on Staff { id } } }"))["viewer"]
    answer = await _remove(carrier.owner, viewer["id"])
    assert (answer["code"], answer["__typename"]) == ("OWN_TWO_FACTOR", "Conflict")
    assert (await At(carrier.url).login(carrier.email))["code"] == "OTP_REQUIRED"


def _command(api: Program, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server.cli", "account", "reset-two-factor", *arguments],
        env=os.environ | api.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


async def test_a_command_resets_the_second_factor_of_the_only_owner(
    api: Program, carrier: Carrier
) -> None:
    owner = carrier.owner
    await _locked_out(owner)
    process = _command(api, "--email", carrier.email.upper())
    assert (process.returncode, process.stderr) == (0, "")
    await until_refused(owner)
    again = await sign_in(carrier.url, carrier.email)
    assert await _mails(carrier.email) == ["SECOND_FACTOR_REMOVED"]
    log = "{ auditLog(first: 5) { edges { node { action actorKind actorName subjectKind } } } }"
    entries = [edge["node"] for edge in (await again.ask(log))["auditLog"]["edges"]]
    assert {
        "action": "second_factor.remove",
        "actorKind": "COMMAND",
        "actorName": None,
        "subjectKind": "staff",
    } in entries


async def test_a_command_for_a_login_without_a_second_factor_fails_with_one_line(
    api: Program, carrier: Carrier
) -> None:
    for email, code in [(carrier.email, "NO_TWO_FACTOR"), ("nobody@voice.example", "NOT_FOUND")]:
        process = _command(api, "--email", email)
        assert process.returncode == 1
        assert process.stderr.startswith(f"{code}: ")
        assert process.stderr.count("\n") == 1
