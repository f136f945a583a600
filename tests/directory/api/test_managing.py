"""Changes by staff to the account, its customers, carriers and people."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from models import db
from tests.support.api.callers import PASSWORD, Caller, Carrier, sign_in
from tests.support.api.past_calls import days_ago, ended, post
from tests.support.api.sockets import LIVE, closed, hear, say, signed_in, subscribe

COMPANY = {
    "legalName": "Acme Networks GmbH",
    "street": "Long Street 1",
    "postalCode": "10115",
    "city": "Berlin",
    "country": "DE",
    "taxNumber": "DE123456789",
    "billingEmail": "bills@acme.example",
    "phone": "+441632960000",
    "website": "https://acme.example",
    "language": "de",
    "paymentDays": 30,
}
VIEWER = "{ viewer { __typename } }"


@asynccontextmanager
async def lock_rows(account_id: int, *tables: str, waiting: int) -> AsyncIterator[None]:
    """Locks the account's rows until `waiting` statements wait; few statements of one person and
    account run concurrently."""
    async with db.transaction() as conn:
        for table in tables:
            await conn.execute(f"SELECT FROM {table} WHERE account_id = $1 FOR UPDATE", account_id)
        yield
        async with asyncio.timeout(60):
            while True:
                await conn.execute("SELECT pg_stat_clear_snapshot()")
                if await conn.fetchval(_WAITING) >= waiting:
                    return
                await asyncio.sleep(0.01)


_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def update(carrier: Carrier, customer: str, selection: str, **changes: Any) -> dict[str, Any]:
    return await carrier.owner.do(
        "updateCustomer", "Customer", selection, customerId=customer, **changes
    )


async def test_staff_edit_a_company_profile_and_the_customer_sees_it(
    carrier: Carrier,
) -> None:
    customer = await carrier.customer()
    await update(carrier, customer, "id", **COMPANY)
    contact = await carrier.contact(customer)
    query = f"query Q($id: ID!) {{ customer(id: $id) {{ {' '.join(COMPANY)} }} }}"
    assert (await contact.ask(query, id=customer))["customer"] == COMPANY
    answer = await contact.do("updateCustomer", "Customer", "id", customerId=customer, name="X")
    assert answer["code"] == "FORBIDDEN"


async def test_omitted_fields_stay_unchanged_and_null_clears_a_field(carrier: Carrier) -> None:
    customer = await carrier.customer()
    await update(carrier, customer, "id", **COMPANY)
    selection = "street city channelLimit debitLimit { amount } status version"
    assert await update(
        carrier, customer, selection, street=None, channelLimit=None, status="SUSPENDED"
    ) == {
        "__typename": "Customer",
        "street": None,
        "city": "Berlin",
        "channelLimit": None,
        "debitLimit": {"amount": "250.50"},
        "status": "SUSPENDED",
        "version": 3,
    }


async def test_the_same_input_again_is_no_change(carrier: Carrier) -> None:
    customer = await carrier.customer()
    first = await update(carrier, customer, "version", city="Berlin", debitLimit="250.5")
    again = await update(carrier, customer, "version", city="Berlin", debitLimit="250.50")
    assert (first["version"], again["version"]) == (2, 2)


async def test_of_two_editors_of_the_same_version_only_one_succeeds(carrier: Carrier) -> None:
    customer = await carrier.customer()
    async with lock_rows(carrier.account_id, "customers", waiting=2):
        tasks = [
            asyncio.create_task(
                update(carrier, customer, "version", expectedVersion=1, city=f"City {number}")
            )
            for number in range(8)
        ]
    results = await asyncio.gather(*tasks)
    assert sorted(result.get("code", "changed") for result in results) == [
        *["CHANGED_MEANWHILE"] * 7,
        "changed",
    ]


async def test_the_currency_is_fixed_with_the_first_record(carrier: Carrier) -> None:
    reference = carrier.unique("acme")
    customer = await carrier.customer(reference=reference)
    answer = await update(carrier, customer, "currency", currency="GBP")
    assert answer["currency"] == "GBP"
    setup = days_ago(2) + timedelta(hours=7)
    await post(await carrier.key("INGEST"), ended(reference, "call", setup, "0.10"))
    error = await update(carrier, customer, "currency", currency="EUR", name="Another")
    assert (error["__typename"], error["code"], error["field"]) == (
        "Conflict",
        "CURRENCY_FIXED",
        "currency",
    )
    assert (await update(carrier, customer, "name"))["name"] == "Acme"


async def test_a_reference_in_use_is_refused_for_customers_and_carriers(
    carrier: Carrier,
) -> None:
    used_reference = carrier.unique("taken")
    await carrier.customer(reference=used_reference)
    answer = await update(carrier, await carrier.customer(), "id", reference=used_reference)
    assert (answer["code"], answer["field"]) == ("REFERENCE_TAKEN", "reference")
    first, second = [
        await carrier.owner.do(
            "createCarrier", "Carrier", "id", name="A", reference=reference, currency="EUR"
        )
        for reference in ("carrier-a", "carrier-b")
    ]
    answer = await carrier.owner.do(
        "updateCarrier", "Carrier", "id", carrierId=second["id"], reference="carrier-a"
    )
    assert (answer["code"], answer["field"]) == ("REFERENCE_TAKEN", "reference")
    renamed = await carrier.owner.do(
        "updateCarrier",
        "Carrier",
        "name sipUri version",
        carrierId=first["id"],
        name="B",
        sipUri="sip:carrier-b.example",
    )
    assert renamed == {
        "__typename": "Carrier",
        "name": "B",
        "sipUri": "sip:carrier-b.example",
        "version": 2,
    }


async def test_an_account_can_hide_its_carriers_from_its_customers(carrier: Carrier) -> None:
    carrier_node = await carrier.owner.do(
        "createCarrier", "Carrier", "id", name="A", reference="carrier-a", currency="EUR"
    )
    contact = await carrier.contact(await carrier.customer())
    query = "query Q($id: ID!) { node(id: $id) { ... on Carrier { name } } }"
    assert (await contact.ask(query, id=carrier_node["id"]))["node"]["name"] == "A"
    account = await carrier.owner.do(
        "updateAccount",
        "Account",
        "name hideCarriers invoiceGrouping language",
        hideCarriers=True,
        invoiceGrouping="DESTINATION",
    )
    assert account == {
        "__typename": "Account",
        "name": "Example Voice",
        "hideCarriers": True,
        "invoiceGrouping": "DESTINATION",
        "language": "en",
    }
    async with asyncio.timeout(30):
        while True:
            if (await contact.ask(query, id=carrier_node["id"]))["node"]["name"] is None:
                break
            await asyncio.sleep(0.05)


# People ----------------------------------------------------------------------------------------


async def new_contact(carrier: Carrier, **more: Any) -> dict[str, Any]:
    return await carrier.owner.do(
        "createContact",
        "Contact",
        "id email loginStatus",
        customerId=more.pop("customer", None) or await carrier.customer(),
        name="A person",
        email=f"{carrier.unique('person')}@acme.example",
        **more,
    )


async def test_staff_write_notes_that_the_contact_sees(carrier: Carrier) -> None:
    contact = await new_contact(carrier, password=PASSWORD)
    await carrier.owner.do(
        "updateContact", "Contact", "id", contactId=contact["id"], notes="Call\nbefore noon."
    )
    person = await sign_in(carrier.url, contact["email"])
    assert await person.ask("{ viewer { ... on Contact { notes } } }") == {
        "viewer": {"notes": "Call\nbefore noon."}
    }


async def test_a_disabled_contact_is_disconnected_within_a_second_and_cannot_sign_in(
    carrier: Carrier,
) -> None:
    contact = await new_contact(carrier, password=PASSWORD)
    person = await sign_in(carrier.url, contact["email"])
    query = "subscription { checklistChanged { outstanding } }"
    async with signed_in(carrier.url, person.token) as socket:
        await say(socket, subscribe("1", query))
        disabled_contact = await carrier.owner.do(
            "disableContact", "Contact", "loginStatus", contactId=contact["id"]
        )
        assert disabled_contact["loginStatus"] == "DISABLED"
        async with asyncio.timeout(30):
            assert await closed(socket) == 4403
    assert await person.code(VIEWER) == "UNAUTHENTICATED"
    anonymous = Caller(carrier.url)
    answer = await anonymous.do(
        "login", "Session", "token", email=contact["email"], password=PASSWORD
    )
    assert answer["code"] == "WRONG_CREDENTIALS"
    await carrier.owner.do("enableContact", "Contact", "id", contactId=contact["id"])
    assert await person.code(VIEWER) == "UNAUTHENTICATED"
    assert await (await sign_in(carrier.url, contact["email"])).ask(VIEWER)


async def test_a_socket_is_notified_when_its_role_changes(carrier: Carrier) -> None:
    staff = await carrier.staff("SUPPORT")
    id = (await staff.ask("{ viewer { ... on Node { id } } }"))["viewer"]["id"]
    async with signed_in(carrier.url, staff.token) as socket:
        await say(socket, subscribe("1", LIVE))
        await hear(socket)
        await carrier.owner.do("updateStaff", "Staff", "role", staffId=id, role="FINANCE")
        async with asyncio.timeout(30):
            assert await closed(socket) == 4403
    assert await staff.ask("{ viewer { ... on Staff { role } } }") == {
        "viewer": {"role": "FINANCE"}
    }


async def owner_id(owner: Caller) -> str:
    id: str = (await owner.ask("{ viewer { ... on Node { id } } }"))["viewer"]["id"]
    return id


@pytest.mark.parametrize("change", ["disableStaff", "updateStaff"])
async def test_the_last_owner_cannot_be_removed(carrier: Carrier, change: str) -> None:
    input = {"staffId": await owner_id(carrier.owner)}
    if change == "updateStaff":
        input["role"] = "SUPPORT"
    answer = await carrier.owner.do(change, "Staff", "id", **input)
    assert (answer["__typename"], answer["code"]) == ("Conflict", "LAST_OWNER")
    # An owner who was invited and has set no password does not count.
    await carrier.owner.do(
        "createStaff",
        "Staff",
        "id",
        name="Invited",
        email=f"{carrier.unique('invited')}@voice.example",
        role="OWNER",
    )
    assert (await carrier.owner.do(change, "Staff", "id", **input))["code"] == "LAST_OWNER"


async def test_one_owner_remains_if_all_leave_concurrently(carrier: Carrier) -> None:
    owners = [carrier.owner, *[await carrier.staff("OWNER") for _ in range(3)]]
    ids = [await owner_id(owner) for owner in owners]

    async def leave(number: int) -> dict[str, Any]:
        if number % 2:
            return await owners[number].do("disableStaff", "Staff", "id", staffId=ids[number])
        return await owners[number].do(
            "updateStaff", "Staff", "id", staffId=ids[number], role="SUPPORT"
        )

    async with lock_rows(carrier.account_id, "staff", "logins", waiting=2):
        tasks = [asyncio.create_task(leave(number)) for number in range(4)]
    answers = await asyncio.gather(*tasks)
    assert [result.get("code") for result in answers].count("LAST_OWNER") == 1
    assert [result["__typename"] for result in answers].count("Staff") == 3


# Invitations -----------------------------------------------------------------------------------


async def test_a_login_created_without_a_password_is_invited_by_a_message_with_a_link(
    carrier: Carrier,
) -> None:
    contact = await new_contact(carrier, language="de")
    assert contact["loginStatus"] == "INVITED"
    staff = await carrier.owner.do(
        "createStaff",
        "Staff",
        "email loginStatus",
        name="A colleague",
        email=f"{carrier.unique('colleague')}@voice.example",
        role="SUPPORT",
    )
    assert staff["loginStatus"] == "INVITED"
    messages = await invitations(carrier)
    assert [
        (message["recipient"], message["language"], message["purpose"], message["address"])
        for message in messages
    ] == [
        (contact["email"], "de", "INVITATION", contact["email"]),
        (staff["email"], "en", "INVITATION", staff["email"]),
    ]
    anonymous = Caller(carrier.url)
    answer = await anonymous.do("login", "Session", "token", email=contact["email"], password="")
    assert answer["code"] == "WRONG_CREDENTIALS"


async def test_an_invitation_can_be_resent_once_a_minute_and_five_times_a_day(
    carrier: Carrier,
) -> None:
    contact = await new_contact(carrier)

    async def resend() -> dict[str, Any]:
        return await carrier.owner.do(
            "resendInvitation", "Invitation", "email", personId=contact["id"]
        )

    assert (await resend())["code"] == "INVITED_JUST_NOW"
    for _ in range(4):
        await earlier(carrier, "2 minutes")
        both = await asyncio.gather(resend(), resend())
        assert sorted(answer.get("code", "sent") for answer in both) == ["INVITED_JUST_NOW", "sent"]
    await earlier(carrier, "2 minutes")
    assert (await resend())["code"] == "INVITED_JUST_NOW"
    await earlier(carrier, "1 day")
    assert (await resend())["email"] == contact["email"]
    messages = await invitations(carrier)
    assert [answer["used_at"] is None for answer in messages] == [False] * 5 + [True]


async def test_logins_that_have_a_password_or_are_disabled_cannot_be_invited(
    carrier: Carrier,
) -> None:
    contact = await new_contact(carrier, password=PASSWORD)
    answer = await carrier.owner.do(
        "resendInvitation", "Invitation", "email", personId=contact["id"]
    )
    assert answer["code"] == "ALREADY_ACCEPTED"
    invited = await new_contact(carrier)
    await carrier.owner.do("disableContact", "Contact", "id", contactId=invited["id"])
    answer = await carrier.owner.do(
        "resendInvitation", "Invitation", "email", personId=invited["id"]
    )
    assert answer["code"] == "LOGIN_DISABLED"


async def invitations(carrier: Carrier) -> list[Any]:
    async with db.connection() as conn:
        rows: list[Any] = await conn.fetch(
            "SELECT m.recipient, m.language, p.purpose, p.address, p.used_at FROM messages m"
            " JOIN proofs p ON p.account_id = m.account_id AND p.id = m.proof_id"
            " WHERE m.account_id = $1 ORDER BY m.id",
            carrier.account_id,
        )
    return rows


async def earlier(carrier: Carrier, interval: str) -> None:
    """Moves all earlier requests into the past."""
    async with db.connection() as conn:
        await conn.execute(
            "UPDATE proofs SET created_at = created_at - $2::text::interval WHERE account_id = $1",
            carrier.account_id,
            interval,
        )
