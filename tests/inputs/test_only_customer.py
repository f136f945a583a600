"""A caller that sees only one customer need not select it."""

from datetime import timedelta
from typing import Any

import pytest

from domain import periods
from runtime import clock
from tests.support.api.callers import Caller, Carrier


async def _callers(carrier: Carrier, customer: str) -> list[Caller]:
    scopes = ["LIVE_READ", "STATS_READ", "BILLING_WRITE"]
    return [
        await carrier.contact(customer),
        await carrier.key(*scopes, customer_id=customer),
    ]


async def test_queries_default_to_the_only_customer_of_the_caller(carrier: Carrier) -> None:
    customer = await carrier.customer()
    end = periods.hour_of(clock.now())
    times = {"from": (end - timedelta(hours=1)).isoformat(), "to": end.isoformat()}
    for caller in await _callers(carrier, customer):
        answer = await caller.ask(
            "query Q($from: DateTime!, $to: DateTime!) { customer { id }"
            " reconciliation(from: $from, to: $to) { balanced } }",
            **times,
        )
        assert answer == {"customer": {"id": customer}, "reconciliation": {"balanced": True}}


async def test_mutations_default_to_the_only_customer_of_the_caller(carrier: Carrier) -> None:
    contact, key = await _callers(carrier, await carrier.customer())
    await carrier.owner.do(
        "setNumberRange", "NumberRange", "start", start=1000, end=9999, blockSize=100
    )
    user = await contact.do("createSipUser", "SipUser", "customer { id }", username="1001")
    assert user["__typename"] == "SipUser"
    answer = await key.do("generateInvoice", "Invoice", "id", rowIds=["x"], idempotencyKey="k")
    assert answer["field"] == "rowIds"


@pytest.mark.parametrize(
    ("query", "field"),
    [("{ customer { id } }", "id"), ("{ reconciliation(%s) { balanced } }", "customerId")],
)
async def test_a_caller_of_the_whole_account_has_to_select_a_customer(
    carrier: Carrier, query: str, field: str
) -> None:
    times = 'from: "2026-11-01T00:00:00Z", to: "2026-11-01T01:00:00Z"'
    text = query % times if "%s" in query else query
    for caller in (carrier.owner, await carrier.key("BILLING_READ")):
        error = await _refusal(caller, text)
        assert (error["code"], error["field"]) == ("CUSTOMER_REQUIRED", field)


async def _refusal(caller: Caller, query: str) -> dict[str, Any]:
    answer = await caller.send(query)
    extensions: dict[str, Any] = answer["errors"][0]["extensions"]
    return extensions
