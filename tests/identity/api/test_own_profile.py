"""People change their own profile."""

import json
from typing import Any

import pytest

from models import db
from tests.support.api.browsers import until_refused
from tests.support.api.callers import PASSWORD, Caller, Carrier, sign_in

VIEWER = """{ viewer { ... on Contact { name email department phone mobile emailVerifiedAt timeZone
  language timeZoneNow { offsetMinutes abbreviation } }
  ... on Staff { name email timeZone language timeZoneNow { offsetMinutes abbreviation } } } }"""


async def change(caller: Caller, mutation: str, **input: Any) -> dict[str, Any]:
    return await caller.do(mutation, "Profile", "viewer { __typename }", **input)


async def test_a_contact_changes_the_fields_it_sets_and_keeps_the_rest(carrier: Carrier) -> None:
    contact = await carrier.contact(await carrier.customer())
    await change(contact, "updateProfile", department="Voice", mobile="+441632960001")
    await change(contact, "updateProfile", name="Another name", department=None)
    viewer = (await contact.ask(VIEWER))["viewer"]
    assert (viewer["name"], viewer["department"], viewer["mobile"]) == (
        "Another name",
        None,
        "+441632960001",
    )


async def test_a_new_email_needs_the_password_and_becomes_the_login(
    carrier: Carrier,
) -> None:
    contact = await carrier.contact(await carrier.customer())
    before = (await contact.ask(VIEWER))["viewer"]["email"]
    email = f"{carrier.unique('new')}@acme.example"
    for password in (None, "not the password"):
        answer = await change(contact, "updateProfile", email=email, currentPassword=password)
        assert (answer["code"], answer["field"]) == ("WRONG_PASSWORD", "currentPassword")
    await change(contact, "updateProfile", email=email, currentPassword=PASSWORD)
    assert (await contact.ask(VIEWER))["viewer"]["email"] == email
    assert await (await sign_in(carrier.url, email)).ask("{ viewer { __typename } }")
    old_login = await Caller(carrier.url).do(
        "login", "Session", "token", email=before, password=PASSWORD
    )
    assert old_login["code"] == "WRONG_CREDENTIALS"


async def test_changing_the_email_does_not_help_to_guess_the_password(
    carrier: Carrier,
) -> None:
    contact = await carrier.contact(await carrier.customer())
    email = f"{carrier.unique('new')}@acme.example"
    guesses = [
        (await change(contact, "updateProfile", email=email, currentPassword=f"wrong {n}"))["code"]
        for n in range(11)
    ]
    assert guesses == ["WRONG_PASSWORD"] * 10 + ["TOO_MANY_TRIES"]


async def _told(old: str) -> dict[str, Any]:
    """The message that waits for an address of before."""
    async with db.connection() as conn:
        row = await conn.fetchrow("SELECT kind, detail FROM messages WHERE recipient = $1", old)
    return {"kind": row["kind"]} | json.loads(row["detail"])


async def test_changing_ones_email_notifies_the_old_address_and_ends_other_sessions(
    carrier: Carrier,
) -> None:
    contact = await carrier.contact(await carrier.customer())
    old = (await contact.ask(VIEWER))["viewer"]["email"]
    new = f"{carrier.unique('new')}@acme.example"
    elsewhere = await sign_in(carrier.url, old)
    await change(contact, "updateProfile", email=new, currentPassword=PASSWORD)
    assert await _told(old) == {"kind": "EMAIL_CHANGED", "email": new}
    await until_refused(elsewhere)
    assert await contact.ask(VIEWER)


async def test_an_email_change_by_staff_notifies_the_old_address_and_ends_all_sessions(
    carrier: Carrier,
) -> None:
    contact = await carrier.contact(await carrier.customer())
    old = (await contact.ask(VIEWER))["viewer"]["email"]
    new = f"{carrier.unique('new')}@acme.example"
    id = (await contact.ask("{ viewer { ... on Node { id } } }"))["viewer"]["id"]
    support = await carrier.staff("SUPPORT")
    await support.do("updateContact", "Contact", "id", contactId=id, email=new)
    assert await _told(old) == {"kind": "EMAIL_CHANGED", "email": new}
    await until_refused(contact)


async def test_ones_own_email_again_is_no_change_and_that_of_another_login_is_refused(
    carrier: Carrier,
) -> None:
    contact = await carrier.contact(await carrier.customer())
    own = (await contact.ask(VIEWER))["viewer"]["email"]
    assert (await change(contact, "updateProfile", email=own))["__typename"] == "Profile"
    answer = await change(
        contact, "updateProfile", email=carrier.email, currentPassword=PASSWORD, name="X"
    )
    assert (answer["code"], answer["field"]) == ("EMAIL_TAKEN", "email")
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
async def test_any_iana_zone_can_be_set_and_returns_its_current_time(
    carrier: Carrier, zone: str, offsets: set[int], abbreviations: set[str]
) -> None:
    for who in (carrier.owner, await carrier.contact(await carrier.customer())):
        await change(who, "setTimeZone", timeZone=zone)
        viewer = (await who.ask(VIEWER))["viewer"]
        assert viewer["timeZone"] == zone
        assert viewer["timeZoneNow"]["offsetMinutes"] in offsets
        assert viewer["timeZoneNow"]["abbreviation"] in abbreviations


@pytest.mark.parametrize(
    ("zone", "canonical_zone"),
    [
        ("europe/london", "Europe/London"),
        ("AMERICA/ST_JOHNS", "America/St_Johns"),
        ("utc", "UTC"),
        ("US/Eastern", "US/Eastern"),
        ("asia/calcutta", "Asia/Calcutta"),
    ],
)
async def test_a_zone_is_stored_in_the_spelling_of_the_tz_database_and_links_stay_links(
    carrier: Carrier, zone: str, canonical_zone: str
) -> None:
    await change(carrier.owner, "setTimeZone", timeZone=zone)
    viewer = (await carrier.owner.ask(VIEWER))["viewer"]
    assert viewer["timeZone"] == canonical_zone
    switch = await carrier.owner.do(
        "configureSwitch", "Switch", "timeZone", reference="edge-1", timeZone=zone
    )
    assert switch == {"__typename": "Switch", "timeZone": canonical_zone}


async def test_graphs_are_shown_in_the_zone_that_staff_have_set(carrier: Carrier) -> None:
    query = """query Q($id: ID!) { customer(id: $id) { stats(from: "2026-11-22T00:00:00Z",
      to: "2026-11-23T00:00:00Z", interval: DAY) { timeZone } } }"""
    staff, customer = await carrier.staff("FINANCE"), await carrier.customer()
    await change(staff, "setTimeZone", timeZone="Asia/Kathmandu")
    answer = await staff.ask(query, id=customer)
    assert answer["customer"]["stats"]["timeZone"] == "Asia/Kathmandu"


async def test_a_language_can_be_set_and_an_unsupported_one_is_refused(carrier: Carrier) -> None:
    await change(carrier.owner, "setLanguage", language="de")
    assert (await carrier.owner.ask(VIEWER))["viewer"]["language"] == "de"
    for mutation, field, value in [
        ("setLanguage", "language", "German"),
        ("setTimeZone", "timeZone", "Mars/Olympus"),
        ("updateProfile", "name", None),
        ("updateProfile", "department", "staff have none"),
    ]:
        answer = await change(carrier.owner, mutation, **{field: value})
        assert (answer["code"], answer["field"]) == ("INVALID", field)


async def test_a_program_has_no_profile(carrier: Carrier) -> None:
    answer = await change(await carrier.key("LIVE_READ"), "updateProfile", name="A program")
    assert (answer["__typename"], answer["code"]) == ("NotPermitted", "FORBIDDEN")
