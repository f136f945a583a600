"""The spending of one caller leaves the others of its account their budget."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from domain import budgets
from runtime import clock
from tests.support.api.callers import Caller, Carrier
from tests.support.programs import Program

BUDGET = budgets.MAX_COST
VIEWER = "{ viewer { __typename } }"
DEAR = "{ customers(first: 100) { edges { node { id name balance { amount } } } } }"


@pytest.fixture
async def narrow(services: Any, api_database: str) -> AsyncIterator[Carrier]:
    """An account of a web process that gives a customer the cost of one operation, and all its
    customers together the cost of three."""
    environment = {
        "CALLBOARD_DATABASE_URL": api_database,
        "CALLBOARD_REDIS_URL": services.redis_url,
        "CALLBOARD_SECRET_KEY": "a key for tests alone, long enough to sign with",
        "CALLBOARD_COST_CAPACITY": str(5 * BUDGET),
        "CALLBOARD_COST_RESERVE": str(2 * BUDGET),
        "CALLBOARD_COST_PER_SECOND": "1",
        "CALLBOARD_CUSTOMER_COST_CAPACITY": str(BUDGET),
        "CALLBOARD_CUSTOMER_COST_PER_SECOND": "1",
    }
    with Program.web(environment) as program:
        yield await Carrier.create(program.url, clock.now())


async def _post(caller: Caller, query: str, accept: str) -> httpx2.Response:
    headers = {"Content-Type": "application/json", "Accept": accept} | caller.headers
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        body = json.dumps({"query": query})
        return await client.post(f"{caller.url}/graphql", content=body, headers=headers)


async def _exhaust(caller: Caller) -> dict[str, Any]:
    """Sends requests until one is refused; the refusal's extensions."""
    while True:
        answer = await caller.send(DEAR)
        if "errors" in answer:
            [error] = answer["errors"]
            extensions: dict[str, Any] = error["extensions"]
            return extensions


async def test_a_contact_that_spends_its_budget_does_not_affect_the_others(narrow: Carrier) -> None:
    first, second = await narrow.customer(), await narrow.customer()
    attacker, beside = await narrow.contact(first), await narrow.contact(first)
    neighbor = await narrow.contact(second)
    billing, wallboard = await narrow.key("BILLING_READ"), await narrow.key("LIVE_READ")
    refusal = await _exhaust(attacker)
    assert (refusal["code"], refusal["budget"]) == ("RATE_LIMITED", "CUSTOMER")
    assert await beside.code(DEAR) == "RATE_LIMITED"
    for caller in (neighbor, billing, wallboard, narrow.owner):
        assert await caller.ask(VIEWER)


async def test_customers_cannot_spend_the_reserve_of_staff_and_billing(
    narrow: Carrier,
) -> None:
    billing, wallboard = await narrow.key("BILLING_READ"), await narrow.key("LIVE_READ")
    contacts = [await narrow.contact(await narrow.customer()) for _ in range(4)]
    refusals = [await _exhaust(contact) for contact in contacts]
    assert refusals[-1]["budget"] == "ACCOUNT"
    refusal = await _exhaust(wallboard)
    assert refusal["budget"] == "ACCOUNT"
    for caller in (billing, narrow.owner):
        assert await caller.ask(VIEWER)


@pytest.mark.parametrize(
    ("accept", "status"), [("application/graphql-response+json", 429), ("application/json", 200)]
)
async def test_a_refusal_states_when_to_retry(narrow: Carrier, accept: str, status: int) -> None:
    contact = await narrow.contact(await narrow.customer())
    await _exhaust(contact)
    answer = await _post(contact, DEAR, accept)
    [error] = answer.json()["errors"]
    assert answer.status_code == status
    assert error["extensions"]["retryAfterSeconds"] > 0
    assert answer.headers["Retry-After"] == str(error["extensions"]["retryAfterSeconds"])
