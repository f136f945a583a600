"""The audit log over the API."""

from typing import Any

from models import db
from runtime import clock
from schema.engine import base
from tests.support.api.audit_log import ENTRY, LOG, log
from tests.support.api.callers import Caller, Carrier

OWN = """query Q($id: ID!) { customer(id: $id) { auditLog { edges { node { %s } } } } }"""
ID = "{ viewer { ... on Node { id } } }"


async def own(caller: Caller, customer: str, selection: str = ENTRY) -> list[dict[str, Any]]:
    edges = (await caller.ask(OWN % selection, id=customer))["customer"]["auditLog"]["edges"]
    return [edge["node"] for edge in edges]


async def id_of(caller: Caller) -> str:
    id: str = (await caller.ask(ID))["viewer"]["id"]
    return id


async def test_an_entry_names_the_person_the_action_the_time_and_the_values_before_and_after(
    carrier: Carrier,
) -> None:
    customer, support = await carrier.customer(), await carrier.staff("SUPPORT")
    before = clock.now()
    await support.do(
        "updateCustomer",
        "Customer",
        "id",
        customerId=customer,
        debitLimit="1000.25",
        legalName="Acme Networks GmbH",
        currency="EUR",
    )
    entry = (await log(carrier.owner))[0]
    assert before.isoformat() < entry.pop("at").replace("Z", "+00:00") < clock.now().isoformat()
    assert entry == {
        "action": "customer.update",
        "actorKind": "STAFF",
        "actorId": await id_of(support),
        "actorName": "A person",
        "actingStaffName": None,
        "subjectKind": "customer",
        "subjectId": customer,
        "customerId": customer,
        "changeCount": 2,
        "changes": [
            {"field": "debitLimit", "before": "250.50", "after": "1000.25"},
            {"field": "legalName", "before": None, "after": "Acme Networks GmbH"},
        ],
    }


def page_cursor(at: str) -> str:
    return base.encode_cursor(at, "1")


async def test_a_change_without_effect_or_a_refusal_leaves_no_entry(carrier: Carrier) -> None:
    customer = await carrier.customer()
    before = len(await log(carrier.owner))
    for changes in ({"name": "Acme"}, {"city": "Berlin", "country": "XX"}):
        await carrier.owner.do("updateCustomer", "Customer", "id", customerId=customer, **changes)
    assert len(await log(carrier.owner)) == before


async def test_a_price_change_records_the_previous_price(carrier: Carrier) -> None:
    card = await carrier.owner.do("createRateCard", "RateCard", "id", name="A", currency="EUR")
    for price in ("0.010", "0.020"):
        rates = [{"prefix": "44", "perMinute": price}, {"prefix": "1", "perMinute": "0.005"}]
        await carrier.owner.do("addRates", "RateCard", "id", rateCardId=card["id"], rates=rates)
    [second, first, _] = (await log(carrier.owner))[:3]
    assert second["changes"][0] == {
        "field": "+44",
        "before": "0.01/min, 0 to connect, 1/1 s",
        "after": "0.02/min, 0 to connect, 1/1 s",
    }
    assert [change["field"] for change in second["changes"]] == ["+44", "effectiveFrom"]
    assert [change["before"] for change in first["changes"]] == [None, None, None]


async def test_a_contact_reads_only_entries_about_its_customer(carrier: Carrier) -> None:
    customer, other = await carrier.customer(), await carrier.customer()
    contact, colleague = await carrier.contact(customer), await carrier.contact(customer)
    await carrier.contact(other)
    await colleague.do("updateProfile", "Profile", "__typename", name="A colleague")
    entries = await own(contact, customer)
    assert {entry["customerId"] for entry in entries} == {customer}
    assert [(entry["action"], entry["actorName"]) for entry in entries] == [
        ("contact.update", "A colleague"),
        ("contact.create", "The owner"),
        ("contact.create", "The owner"),
        ("customer.create", "The owner"),
    ]
    assert await contact.code(LOG % "at") == "FORBIDDEN"
    assert await contact.ask(OWN % "at", id=other) == {"customer": None}


async def test_a_contact_sees_only_its_own_network_addresses(
    carrier: Carrier,
) -> None:
    customer = await carrier.customer()
    first, other = await carrier.contact(customer), await carrier.contact(customer)
    for contact in (first, other):
        await contact.do("updateProfile", "Profile", "__typename", department="Voice")
    entries = await own(first, customer, "action actorId address")
    addresses = {
        entry["actorId"]: entry["address"] for entry in entries if "update" in entry["action"]
    }
    assert addresses == {await id_of(first): "127.0.0.1", await id_of(other): None}


async def test_an_entry_names_the_staff_member_who_acted_as_a_contact(carrier: Carrier) -> None:
    customer = await carrier.customer()
    contact = await carrier.contact(customer)
    owner = await id_of(carrier.owner)
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO audit_log (account_id, at, actor, action, subject, customer_id, staff_id,"
            " address) SELECT $1, now(), 'contact:' || c.id, 'contact.update', 'contact:' || c.id,"
            " c.customer_id, s.id, '192.0.2.7' FROM contacts c, staff s"
            " WHERE c.account_id = $1 AND s.account_id = $1",
            carrier.account_id,
        )
    for caller in (carrier.owner, contact):
        selection = "actorKind actorName actingStaffName address"
        entry = (await own(caller, customer, selection))[0]
        address = "192.0.2.7" if caller is carrier.owner else None
        assert entry == {
            "actorKind": "CONTACT",
            "actorName": "A person",
            "actingStaffName": "The owner",
            "address": address,
        }
    assert owner not in {entry["actorId"] for entry in (await own(contact, customer))[:1]}


async def test_the_log_is_filtered_and_paged_newest_first(carrier: Carrier) -> None:
    support = await carrier.staff("SUPPORT")
    customers = []
    for number in range(4):
        customer = await support.do(
            "createCustomer",
            "Customer",
            "id",
            name="Acme",
            reference=f"acme-{number}",
            currency="EUR",
        )
        customers.append(customer["id"])
    middle = (await log(carrier.owner, customerId=customers[1]))[0]["at"]
    by = {"actor": await id_of(support), "action": "customer.create"}

    async def subjects(**more: Any) -> list[str]:
        return [entry["subjectId"] for entry in await log(carrier.owner, **by, **more)]

    assert await subjects() == customers[::-1]
    assert await subjects(customerId=customers[2]) == [customers[2]]
    assert await subjects(**{"from": middle}) == customers[:0:-1]
    assert await subjects(to=middle) == customers[:1]
    assert await log(carrier.owner, action="no.such") == []
    assert await log(carrier.owner, actor=customers[0]) == []
    for cursor in ("x", page_cursor("x"), page_cursor(str(2**62))):
        assert await carrier.owner.code(LOG % "at", after=cursor) == "BAD_CURSOR"
    ids, after = [], None
    for _ in range(2):
        page = (await carrier.owner.ask(LOG % "subjectId", f=by, first=2, after=after))["auditLog"]
        ids += [edge["node"]["subjectId"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
    assert (ids, page["pageInfo"]["hasNextPage"]) == (customers[::-1], False)
