"""What people change of themselves."""

import asyncio
from typing import Any

import pytest
from callers import PASSWORD, Caller, Carrier, sign_in

VIEWER = """{ viewer { ... on Contact { name email department phone mobile emailVerifiedAt timeZone
  language timeZoneNow { offsetMinutes abbreviation } }
  ... on Staff { name email timeZone language timeZoneNow { offsetMinutes abbreviation } } } }"""


async def change(caller: Caller, mutation: str, **input: Any) -> dict[str, Any]:
    return await caller.do(mutation, "Profile", "viewer { __typename }", **input)


async def test_a_contact_changes_what_it_gives_and_keeps_the_rest(carrier: Carrier) -> None:
    contact = await carrier.contact(await carrier.customer())
    await change(contact, "updateProfile", department="Voice", mobile="+441632960001")
    await change(contact, "updateProfile", name="Another name", department=None)
    found = (await contact.ask(VIEWER))["viewer"]
    assert (found["name"], found["department"], found["mobile"]) == (
        "Another name",
        None,
        "+441632960001",
    )


async def test_another_email_needs_the_password_and_is_the_login_from_then_on(
    carrier: Carrier,
) -> None:
    contact = await carrier.contact(await carrier.customer())
    before = (await contact.ask(VIEWER))["viewer"]["email"]
    email = f"{carrier.unique('new')}@acme.example"
    for password in (None, "not the password"):
        refused = await change(contact, "updateProfile", email=email, currentPassword=password)
        assert (refused["code"], refused["field"]) == ("WRONG_CREDENTIALS", "currentPassword")
    await change(contact, "updateProfile", email=email, currentPassword=PASSWORD)
    assert (await contact.ask(VIEWER))["viewer"]["email"] == email
    assert await (await sign_in(carrier.url, email)).ask("{ viewer { __typename } }")
    gone = await Caller(carrier.url).do(
        "login", "Session", "token", email=before, password=PASSWORD
    )
    assert gone["code"] == "WRONG_CREDENTIALS"


async def test_ones_own_email_again_is_no_change_and_somebody_elses_is_refused(
    carrier: Carrier,
) -> None:
    contact = await carrier.contact(await carrier.customer())
    own = (await contact.ask(VIEWER))["viewer"]["email"]
    assert (await change(contact, "updateProfile", email=own))["__typename"] == "Profile"
    taken = await change(
        contact, "updateProfile", email=carrier.email, currentPassword=PASSWORD, name="X"
    )
    assert (taken["code"], taken["field"]) == ("EMAIL_TAKEN", "email")
    assert (await contact.ask(VIEWER))["viewer"]["name"] == "A person"


@pytest.mark.parametrize(
    ("zone", "offsets", "abbreviations"),
    [
        ("Asia/Kathmandu", {345}, {"+0545"}),
        ("Australia/Lord_Howe", {630, 660}, {"+1030", "+11"}),
        ("America/St_Johns", {-210, -150}, {"NST", "NDT"}),
        ("UTC", {0}, {"UTC"}),
    ],
)
async def test_any_iana_zone_is_set_and_says_what_its_clocks_show(
    carrier: Carrier, zone: str, offsets: set[int], abbreviations: set[str]
) -> None:
    for who in (carrier.owner, await carrier.contact(await carrier.customer())):
        await change(who, "setTimeZone", timeZone=zone)
        found = (await who.ask(VIEWER))["viewer"]
        assert found["timeZone"] == zone
        assert found["timeZoneNow"]["offsetMinutes"] in offsets
        assert found["timeZoneNow"]["abbreviation"] in abbreviations


async def test_graphs_are_shown_in_the_zone_that_staff_have_set(carrier: Carrier) -> None:
    query = """query Q($id: ID!) { customer(id: $id) { stats(from: "2026-11-22T00:00:00Z",
      to: "2026-11-23T00:00:00Z", interval: DAY) { timeZone } } }"""
    staff, customer = await carrier.staff("FINANCE"), await carrier.customer()
    await change(staff, "setTimeZone", timeZone="Asia/Kathmandu")
    async with asyncio.timeout(2):  # what was believed of it is so for 0.4 s
        while True:
            shown = await staff.ask(query, id=customer)
            if shown["customer"]["stats"]["timeZone"] == "Asia/Kathmandu":
                return
            await asyncio.sleep(0.05)


async def test_a_language_is_set_and_what_is_none_is_refused(carrier: Carrier) -> None:
    await change(carrier.owner, "setLanguage", language="de")
    assert (await carrier.owner.ask(VIEWER))["viewer"]["language"] == "de"
    for mutation, field, value in [
        ("setLanguage", "language", "German"),
        ("setTimeZone", "timeZone", "Mars/Olympus"),
        ("updateProfile", "name", None),
        ("updateProfile", "department", "staff have none"),
    ]:
        refused = await change(carrier.owner, mutation, **{field: value})
        assert (refused["code"], refused["field"]) == ("INVALID", field)


async def test_a_program_has_no_profile(carrier: Carrier) -> None:
    refused = await change(await carrier.key("LIVE_READ"), "updateProfile", name="A program")
    assert (refused["__typename"], refused["code"]) == ("NotPermitted", "FORBIDDEN")
