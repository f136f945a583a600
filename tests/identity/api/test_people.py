from typing import Any

import pytest

from tests.support.api.callers import PASSWORD, Caller, Carrier

CUSTOMER = {"name": "Acme", "reference": "acme", "currency": "EUR"}
CONTACT = {"name": "A person", "password": PASSWORD}


async def test_a_customer_is_stored_as_it_was_created(carrier: Carrier) -> None:
    customer = await carrier.owner.do(
        "createCustomer",
        "Customer",
        "name reference currency status channelLimit taxPercent paymentUrl"
        " debitLimit { amount currency } balance { amount currency }",
        **CUSTOMER,
        channelLimit=5_000_000_000,
        debitLimit="250.50",
        taxPercent="7.7",
    )
    assert customer == {
        "__typename": "Customer",
        "name": "Acme",
        "reference": "acme",
        "currency": "EUR",
        "status": "ACTIVE",
        "channelLimit": 5_000_000_000,
        "taxPercent": "7.7",
        "paymentUrl": None,
        "debitLimit": {"amount": "250.50", "currency": "EUR"},
        "balance": {"amount": "0", "currency": "EUR"},
    }


async def test_a_reference_is_unique_within_its_account(carrier: Carrier) -> None:
    for mutation, type in [("createCustomer", "Customer"), ("createCarrier", "Carrier")]:
        first = await carrier.owner.do(mutation, type, "id", **CUSTOMER)
        assert first["__typename"] == type
        again = await carrier.owner.do(mutation, type, "id", **CUSTOMER)
        assert (again["__typename"], again["code"], again["field"]) == (
            "Conflict",
            "REFERENCE_TAKEN",
            "reference",
        )


async def test_an_email_is_unique_in_the_installation(carrier: Carrier, other: Carrier) -> None:
    customer = await other.customer()
    contact = await other.owner.do(
        "createContact", "Contact", "id", customerId=customer, email=carrier.email, **CONTACT
    )
    assert (contact["code"], contact["field"]) == ("EMAIL_TAKEN", "email")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", " "),
        ("name", "x" * 201),
        ("name", "a\x1fb"),
        ("reference", ""),
        ("reference", "a b"),
        ("reference", "x" * 65),
        ("reference", "a:b"),
        ("currency", "eur"),
        ("currency", "EURO"),
        ("channelLimit", -1),
        ("debitLimit", "-1"),
        ("taxPercent", "100.1"),
    ],
)
async def test_an_invalid_customer_is_refused_with_its_field(
    carrier: Carrier, field: str, value: Any
) -> None:
    answer = await carrier.owner.do("createCustomer", "Customer", "id", **CUSTOMER | {field: value})
    assert (answer["__typename"], answer["code"], answer["field"]) == (
        "InvalidInput",
        "INVALID",
        field,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("email", "a b@acme.example"),
        ("password", "too short"),
        ("mobile", "07700900000"),
        ("timeZone", "Mars/Olympus"),
        ("timeZone", "../etc/passwd"),
        ("language", "English"),
    ],
)
async def test_an_invalid_contact_is_refused_with_its_field(
    carrier: Carrier, field: str, value: str
) -> None:
    customer = await carrier.customer()
    answer = await carrier.owner.do(
        "createContact",
        "Contact",
        "id",
        **{"customerId": customer, "email": "a@acme.example"} | CONTACT | {field: value},
    )
    assert (answer["code"], answer["field"]) == ("INVALID", field)


GARBAGE = ["", "x", "Q3VzdG9tZXI6MToxOjE", "%00", "Q3VzdG9tZXI6OTk5OTk5OTk5OToxMg", "é", "=" * 400]


async def test_an_invalid_id_is_not_found(carrier: Carrier) -> None:
    query = "query Q($id: ID!) { node(id: $id) { id } customer(id: $id) { id } }"
    for id in GARBAGE:
        assert await carrier.owner.ask(query, id=id) == {"node": None, "customer": None}
        answer = await carrier.owner.do(
            "createContact", "Contact", "id", customerId=id, email="a@acme.example", **CONTACT
        )
        assert (answer["__typename"], answer["code"]) == ("NotFound", "NOT_FOUND")
        assert answer["field"] == "customerId"


async def test_node_returns_the_object_of_every_id(carrier: Carrier) -> None:
    customer = await carrier.customer()
    contact = await carrier.contact(customer)
    key = await carrier.key("BILLING_READ")
    carrier_node = await carrier.owner.do("createCarrier", "Carrier", "id", **CUSTOMER)
    viewer = "{ viewer { ... on Staff { account { id } } ... on Node { id } } }"
    staff = (await carrier.owner.ask(viewer))["viewer"]
    ids = {
        "Customer": customer,
        "Carrier": carrier_node["id"],
        "Staff": staff["id"],
        "Account": staff["account"]["id"],
        "Contact": (await contact.ask(viewer))["viewer"]["id"],
        "ApiKey": (await key.ask(viewer))["viewer"]["id"],
    }
    for type, id in ids.items():
        answer = await carrier.owner.ask(
            "query Q($id: ID!) { node(id: $id) { __typename id } }", id=id
        )
        assert answer == {"node": {"__typename": type, "id": id}}


async def test_a_list_can_be_read_completely_page_by_page(carrier: Carrier) -> None:
    ids = [await carrier.customer() for _ in range(5)]
    query = """query Q($after: String) { customers(first: 2, after: $after) {
        edges { node { id } } pageInfo { hasNextPage endCursor } } }"""
    names: list[str] = []
    after = None
    while True:
        page = (await carrier.owner.ask(query, after=after))["customers"]
        names += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert names == ids


async def test_a_page_that_is_too_large_and_an_invalid_cursor_are_refused(carrier: Carrier) -> None:
    async def code(arguments: str) -> str:
        return await carrier.owner.code(f"{{ customers({arguments}) {{ edges {{ cursor }} }} }}")

    assert await code("first: 101") == "BAD_PAGE_SIZE"
    assert await code("first: 0") == "BAD_PAGE_SIZE"
    assert await code('after: "x"') == "BAD_CURSOR"


async def test_a_key_of_one_customer_cannot_report_calls(carrier: Carrier) -> None:
    key = await carrier.owner.do(
        "createApiKey",
        "CreatedApiKey",
        "id",
        name="a program",
        scopes=["INGEST"],
        customerId=await carrier.customer(),
    )
    assert (key["code"], key["field"]) == ("INVALID", "scopes")


async def test_a_new_contact_has_to_verify_email_and_mobile(
    carrier: Carrier,
) -> None:
    contact = await carrier.contact(await carrier.customer())
    answer = await contact.ask(
        "{ viewer { ... on Contact { customer { checklist { outstanding items { code } } } } } }"
    )
    assert answer["viewer"]["customer"]["checklist"] == {
        "outstanding": 2,
        "items": [
            {"code": "VERIFY_EMAIL"},
            {"code": "VERIFY_MOBILE"},
        ],
    }


async def test_ids_of_another_account_are_not_found(carrier: Carrier, other: Carrier) -> None:
    customer = await carrier.customer()
    assert await other.owner.ask(
        "query Q($id: ID!) { node(id: $id) { id } customer(id: $id) { id } }", id=customer
    ) == {"node": None, "customer": None}
    answer = await other.owner.do(
        "createContact", "Contact", "id", customerId=customer, email="b@acme.example", **CONTACT
    )
    assert answer["code"] == "NOT_FOUND"
    key = await carrier.owner.do(
        "createApiKey", "CreatedApiKey", "id secret", name="a program", scopes=["INGEST"]
    )
    assert (await other.owner.do("revokeApiKey", "ApiKey", "id", id=key["id"]))[
        "code"
    ] == "NOT_FOUND"
    assert await Caller(carrier.url, key["secret"]).ask("{ viewer { __typename } }")
