"""Lists that are searched and read page by page."""

from typing import Any

import pytest

from runtime import clock
from tests.support.api.callers import Caller, Carrier

CUSTOMERS = """query Q($search: String, $status: CustomerStatus, $first: Int! = 50,
  $after: String) { customers(search: $search, status: $status, first: $first, after: $after) {
    edges { node { reference } } pageInfo { hasNextPage endCursor } } }"""


async def values_of(caller: Caller, query: str, path: str, field: str, **values: Any) -> list[str]:
    edges = (await caller.ask(query, **values))[path]["edges"]
    return [edge["node"][field] for edge in edges]


async def customers(caller: Caller, search: str | None, **values: Any) -> list[str]:
    return await values_of(caller, CUSTOMERS, "customers", "reference", search=search, **values)


@pytest.fixture
async def companies(carrier: Carrier) -> Carrier:
    for name, reference in [
        ("Café Müller GmbH", "cafe-mueller"),
        ("O'Brien & Sons", "obrien"),
        ("Acme Berlin", "acme-1"),
        ("Acme Łódź", "acme-2"),
        ("Öresund Telefon", "oresund"),
    ]:
        await carrier.customer(name=name, reference=reference)
    return carrier


@pytest.mark.parametrize(
    ("search", "references"),
    [
        ("cafe", ["cafe-mueller"]),
        ("CAFÉ mul", ["cafe-mueller"]),
        ("muller caf", ["cafe-mueller"]),
        ("acme", ["acme-1", "acme-2"]),
        ("acme lod", ["acme-2"]),
        ("acme-2", ["acme-2"]),
        ("O'Brien", ["obrien"]),
        ("brien", ["obrien"]),
        ("ore", ["oresund"]),
        ("me", []),
        ("acme munich", []),
        ("'; DROP TABLE customers; --", []),
        ("':* | a", ["acme-1", "acme-2"]),
        ("%", []),
    ],
)
async def test_customers_are_found_by_the_start_of_words_ignoring_case_and_accents(
    companies: Carrier, search: str, references: list[str]
) -> None:
    assert await customers(companies.owner, search) == references


async def test_customers_are_found_by_legal_name_and_billing_email(carrier: Carrier) -> None:
    customer = await carrier.customer(reference="acme")
    await carrier.owner.do(
        "updateCustomer",
        "Customer",
        "id",
        customerId=customer,
        legalName="Fernmelde AG",
        billingEmail="bills@fern.example",
    )
    for search in ("fernm", "bills@fern.example", "bills@fern"):
        assert await customers(carrier.owner, search) == ["acme"]


async def test_a_search_returns_nothing_of_another_account_or_customer(
    companies: Carrier, other: Carrier
) -> None:
    assert await customers(other.owner, "acme") == []
    own = await companies.customer(name="Acme own", reference="acme-3")
    assert await customers(await companies.contact(own), "acme") == ["acme-3"]
    assert await customers(await companies.contact(own), "cafe") == []


@pytest.fixture
async def other(companies: Carrier) -> Carrier:
    return await Carrier.create(companies.url, clock.now())


async def test_customers_are_listed_by_status(companies: Carrier) -> None:
    id = await companies.customer(name="Acme closed", reference="acme-3")
    await companies.owner.do("updateCustomer", "Customer", "id", customerId=id, status="CLOSED")
    assert await customers(companies.owner, None, status="CLOSED") == ["acme-3"]
    assert await customers(companies.owner, "acme", status="ACTIVE") == ["acme-1", "acme-2"]
    assert await customers(companies.owner, "cafe", status="CLOSED") == []


async def test_search_results_keep_their_order_while_customers_are_added(carrier: Carrier) -> None:
    for number in range(5):
        await carrier.customer(name="Acme", reference=f"acme-{number}")
    ids: list[str] = []
    after: str | None = None
    for number in range(5, 8):
        page = (await carrier.owner.ask(CUSTOMERS, search="acme", first=2, after=after))[
            "customers"
        ]
        ids += [edge["node"]["reference"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        await carrier.customer(name="Acme", reference=f"acme-{number}")
    assert ids == [f"acme-{number}" for number in range(6)]


async def test_a_search_that_is_too_long_is_refused(carrier: Carrier) -> None:
    assert await carrier.owner.code(CUSTOMERS, search="x" * 101) == "INVALID"


async def test_contacts_of_one_or_all_customers_are_found_by_name_and_email(
    carrier: Carrier,
) -> None:
    query = """query Q($c: ID, $search: String) { contacts(customerId: $c, search: $search) {
      edges { node { email } } } }"""
    ids = [await carrier.customer(), await carrier.customer()]
    emails = []
    for id, name in zip(ids, ("Zoë Quist", "Zoe Other"), strict=True):
        email = f"{name[-5:].lower()}-{carrier.unique('person')}@acme.example"
        emails.append(email)
        await carrier.owner.do(
            "createContact", "Contact", "id", customerId=id, name=name, email=email
        )

    async def contacts(**values: Any) -> list[str]:
        return await values_of(carrier.owner, query, "contacts", "email", **values)

    assert await contacts(search="zoe") == emails
    assert await contacts(search="zoe", c=ids[0]) == emails[:1]
    assert await contacts(search=emails[1]) == emails[1:]
    assert await contacts(search="quist", c=ids[1]) == []
    contact = await carrier.contact(ids[0])
    assert await values_of(contact, query, "contacts", "email", search="zoe") == emails[:1]


async def test_carriers_can_be_searched_and_staff_listed(carrier: Carrier) -> None:
    for reference in ("alpha", "beta"):
        await carrier.owner.do(
            "createCarrier", "Carrier", "id", name="Élan", reference=reference, currency="EUR"
        )
    query = "query Q($s: String) { carriers(search: $s) { edges { node { reference } } } }"
    assert await values_of(carrier.owner, query, "carriers", "reference", s="elan") == [
        "alpha",
        "beta",
    ]
    assert await values_of(carrier.owner, query, "carriers", "reference", s="bet") == ["beta"]
    await carrier.staff("FINANCE")
    query = "{ staff { edges { node { role } } } }"
    assert await values_of(carrier.owner, query, "staff", "role") == ["OWNER", "FINANCE"]
