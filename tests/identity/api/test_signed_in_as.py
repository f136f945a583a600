"""Staff signed in as a contact."""

from datetime import datetime, timedelta

import pytest

from models import db
from runtime import clock
from tests.support.api.browsers import (
    SESSIONS,
    VIEWER,
    new_contact,
    session_id,
    sessions_of,
    signed_in_as,
    until_refused,
)
from tests.support.api.callers import Caller, Carrier
from tests.support.api.sockets import closed, signed_in


async def test_staff_are_signed_in_as_a_contact_for_an_hour(carrier: Carrier) -> None:
    _, contact, _ = await new_contact(carrier)
    session = await carrier.owner.do("signInAs", "Session", "expiresAt endsAt", contactId=contact)
    assert session["expiresAt"] == session["endsAt"]
    time_left = datetime.fromisoformat(session["endsAt"]) - clock.now()
    assert timedelta(minutes=59) < time_left < timedelta(hours=1)


async def test_staff_signed_in_as_a_contact_see_its_data_and_it_sees_their_session(
    carrier: Carrier,
) -> None:
    person, contact, _ = await new_contact(carrier)
    acting = await signed_in_as(await carrier.staff("SUPPORT"), contact)
    viewer = "{ viewer { ... on Contact { id } } }"
    assert await acting.ask(viewer) == await person.ask(viewer) == {"viewer": {"id": contact}}
    assert [session["startedBy"] for session in await sessions_of(person)] == ["A person", None]


async def test_the_audit_log_names_the_staff_member_who_acted_as_the_contact(
    carrier: Carrier,
) -> None:
    _, contact, _ = await new_contact(carrier)
    staff = await carrier.staff("SUPPORT")
    acting = await signed_in_as(staff, contact)
    await acting.ask("mutation { logout { __typename } }")
    async with db.connection() as conn:
        staff_id = await conn.fetchval(
            "SELECT s.id FROM staff s JOIN sessions n ON n.login_id = s.login_id WHERE n.id = $1",
            session_id(staff),
        )
        rows = await conn.fetch(
            "SELECT actor, action, staff_id, host(address) AS address FROM audit_log"
            " WHERE account_id = $1 AND subject = $2 ORDER BY id",
            carrier.account_id,
            f"session:{session_id(acting)}",
        )
    assert [(row["action"], row["staff_id"]) for row in rows] == [
        ("session.begin", staff_id),
        ("session.end", staff_id),
    ]
    assert all(row["actor"].startswith("contact:") for row in rows)
    assert rows[1]["address"] == acting.address


async def test_staff_signed_in_as_a_contact_cannot_change_how_it_signs_in(
    carrier: Carrier,
) -> None:
    person, contact, _ = await new_contact(carrier)
    acting = await signed_in_as(carrier.owner, contact)
    password = {"current": "x" * 10, "new": "y" * 10}
    for mutation, type, input in [
        ("changePassword", "PasswordChanged", password),
        ("enableTwoFactor", "TwoFactorSetup", {"password": "x"}),
        ("confirmTwoFactor", "RecoveryCodes", {"code": "1"}),
        ("disableTwoFactor", "TwoFactorDisabled", {"password": "x"}),
        ("regenerateRecoveryCodes", "RecoveryCodes", {"password": "x"}),
        ("setAllowedNetworks", "Contact", {"contactId": contact, "networks": []}),
        ("endSession", "LoggedOut", {"id": (await sessions_of(person))[0]["id"]}),
        ("signInAs", "Session", {"contactId": contact}),
    ]:
        answer = await acting.do(mutation, type, "__typename", **input)
        assert answer.get("code") == "FORBIDDEN", mutation
    assert await acting.code(SESSIONS) == "FORBIDDEN"
    assert await person.ask(VIEWER)


@pytest.mark.parametrize(
    ("who", "code"), [("FINANCE", "FORBIDDEN"), ("contact", "FORBIDDEN"), ("other", "NOT_FOUND")]
)
async def test_only_permitted_callers_sign_in_as_a_contact(
    carrier: Carrier, other: Carrier, who: str, code: str
) -> None:
    person, contact, _ = await new_contact(carrier)
    caller: Caller = person if who == "contact" else other.owner
    if who == "FINANCE":
        caller = await carrier.staff(who)
    answer = await caller.do("signInAs", "Session", "token", contactId=contact)
    assert answer["code"] == code


async def test_staff_who_log_out_everywhere_also_end_their_sessions_as_contacts(
    carrier: Carrier,
) -> None:
    _, contact, _ = await new_contact(carrier)
    staff = await carrier.staff("SUPPORT")
    acting = await signed_in_as(staff, contact)
    await staff.ask("mutation { logoutEverywhere { __typename } }")
    await until_refused(acting)


async def test_a_contact_ends_the_session_of_staff_who_act_as_it(carrier: Carrier) -> None:
    person, contact, _ = await new_contact(carrier)
    acting = await signed_in_as(carrier.owner, contact)
    theirs = next(session for session in await sessions_of(person) if session["startedBy"])
    await person.do("endSession", "LoggedOut", "at", id=theirs["id"])
    await until_refused(acting)


async def test_staff_who_lose_the_permission_can_no_longer_act_as_a_contact(
    carrier: Carrier,
) -> None:
    _, contact, _ = await new_contact(carrier)
    staff = await carrier.staff("SUPPORT")
    acting = await signed_in_as(staff, contact)
    assert await acting.ask(VIEWER)
    me = (await staff.ask("{ viewer { ... on Staff { id } } }"))["viewer"]["id"]
    async with signed_in(carrier.url, acting.token) as socket:
        await carrier.owner.do("updateStaff", "Staff", "id", staffId=me, role="FINANCE")
        assert await closed(socket) == 4403
    await until_refused(acting)


async def test_staff_signed_in_as_a_contact_are_limited_to_their_own_role(
    carrier: Carrier,
) -> None:
    customer = await carrier.customer()
    _, contact, _ = await new_contact(carrier, customer)
    nothing = {"customerId": customer, "rowIds": [], "idempotencyKey": "x"}
    for role, code in [("SUPPORT", "FORBIDDEN"), ("OWNER", "NOTHING_TO_INVOICE")]:
        acting = await signed_in_as(await carrier.staff(role), contact)
        answer = await acting.do("generateInvoice", "Invoice", "id", **nothing)
        assert answer["code"] == code


async def test_staff_signed_in_as_a_contact_cannot_verify_its_addresses(carrier: Carrier) -> None:
    _, contact, _ = await new_contact(carrier)
    acting = await signed_in_as(carrier.owner, contact)
    for mutation in ("requestEmailVerification", "requestMobileVerification"):
        answer = await acting.ask(f"mutation {{ {mutation} {{ ... on Refusal {{ code }} }} }}")
        assert answer == {mutation: {"code": "FORBIDDEN"}}
