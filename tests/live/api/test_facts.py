"""Subscriptions to facts, by the gql client."""

import asyncio
from datetime import timedelta

import pytest
from gql.transport.exceptions import TransportQueryError
from redis.asyncio import Redis

from domain.facts import Kind
from live import topics
from models.summaries import hours
from runtime import clock
from tests.support.api.callers import Carrier
from tests.support.api.fact_subscriptions import following, listened_to, next_of
from tests.support.api.past_calls import days_ago, ended, post
from tests.support.api.switches import number
from tests.support.fact_streams import CHECKLISTS, INVOICES
from tests.support.queries import CHECKLIST_CHANGES

ROWS = """query($c: ID!) { customer(id: $c) { summary(granularity: DAILY, first: 5) {
  edges { node { id } } } } }"""


async def invoiced(carrier: Carrier, customer: str, reference: str, days: int) -> None:
    """A call of some days ago and an invoice of that day, over HTTP."""
    setup = days_ago(days) + timedelta(hours=7)
    await post(await carrier.key("INGEST"), ended(reference, f"call-{days}", setup, "0.10"))
    for marked in await hours.marked_hours(100):  # as a worker does
        await hours.rebuild(*marked, clock.now())
    rows = (await carrier.owner.ask(ROWS, c=customer))["customer"]["summary"]["edges"]
    invoice = await carrier.owner.do(
        "generateInvoice",
        "Invoice",
        "number",
        customerId=customer,
        rowIds=[rows[0]["node"]["id"]],
        idempotencyKey=f"day-{days}",
    )
    assert invoice["__typename"] == "Invoice", invoice


async def test_a_billing_system_receives_each_invoice_and_resumes_where_it_stopped(
    carrier: Carrier,
) -> None:
    reference = carrier.unique("acme")
    customer = await carrier.customer(reference=reference)
    biller = await carrier.key("BILLING_READ")
    async with following(biller, INVOICES, after=0) as stream:
        await invoiced(carrier, customer, reference, days=4)
        first = await next_of(stream)
        assert (first["number"], first["invoice"]["number"]) == (1, "INV-000001")
    for days in (3, 2):
        await invoiced(carrier, customer, reference, days)
    async with following(biller, INVOICES, after=1) as stream:
        rest = [await next_of(stream) for _ in range(2)]
        assert [(event["number"], event["invoice"]["number"]) for event in rest] == [
            (2, "INV-000002"),
            (3, "INV-000003"),
        ]
    async with following(biller, INVOICES, after=4) as stream:
        with pytest.raises(TransportQueryError) as error:
            await next_of(stream)
    assert error.value.errors is not None
    assert error.value.errors[0]["extensions"] == {"code": "BAD_AFTER", "field": "after"}
    assert "Set 0 to 3" in error.value.errors[0]["message"]


async def test_a_contact_receives_its_own_checklist_by_the_client_document(
    carrier: Carrier, api_redis: Redis
) -> None:
    mine, other = await carrier.customer(), await carrier.customer()
    contact = await carrier.contact(mine)
    async with following(contact, CHECKLIST_CHANGES) as stream:
        telling = asyncio.create_task(next_of(stream))
        topic = topics.facts(carrier.account_id, number(mine), Kind.CHECKLIST_CHANGED)
        await listened_to(api_redis, topic)
        for customer in (other, mine):
            await carrier.contact(customer)
        assert await telling == {"customerId": mine, "outstanding": 4}
    async with following(contact, CHECKLISTS, after=0) as stream:
        for number_, outstanding in ((1, 2), (2, 4), (3, 4)):
            assert await next_of(stream) == {
                "number": number_,
                "customerId": mine,
                "outstanding": outstanding,
            }
