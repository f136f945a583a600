"""Billing over HTTP from end to end: calls, an invoice of rows, an adjustment for a late call."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from models.summaries import hours
from runtime import clock
from tests.support.api.callers import Carrier
from tests.support.api.past_calls import days_ago, ended, post

ROWS = """query($c: ID!) { customer(id: $c) { summary(granularity: DAILY, first: 5) {
  billable edges { node { id periodStart open attempts charge { amount }
  invoice { number } } } } } }
"""
FEED = """query($after: String) { invoices(first: 10, after: $after) {
  pageInfo { endCursor } edges { node { id number subtotal { amount } total { amount currency }
  lines { kind periodStart calls amount { amount } } } } } }"""
PROOF = """query($c: ID!, $from: DateTime!, $to: DateTime!) {
  reconciliation(customerId: $c, from: $from, to: $to) { balanced records { calls } rows { calls }
    invoiced { charge { amount } } differences { detail } } }"""


async def test_calls_become_rows_and_an_invoice_and_a_late_call_becomes_an_adjustment(
    carrier: Carrier,
) -> None:
    reference = carrier.unique("acme")
    customer = await carrier.customer(reference=reference)
    switch = await carrier.key("INGEST")
    biller = await carrier.key("BILLING_READ", "BILLING_WRITE")
    hour = days_ago(2) + timedelta(hours=7)
    calls = [ended(reference, f"call-{n}", hour + timedelta(minutes=n), "0.10") for n in range(5)]
    await post(switch, *calls, ended(reference, "next-day", hour + timedelta(days=1), "2.00"))
    for marked in await hours.marked_hours(100):  # as a worker does
        await hours.rebuild(*marked, clock.now())

    async def generate(day: datetime, key: str) -> dict[str, Any]:
        return await biller.do(
            "generateInvoice",
            "Invoice",
            "id number total { amount currency }",
            customerId=customer,
            rowIds=[await row(day)],
            idempotencyKey=key,
        )

    async def row(day: datetime) -> str:
        summary = (await biller.ask(ROWS, c=customer))["customer"]["summary"]
        date = day.strftime("%Y-%m-%d")
        [id] = [
            edge["node"]["id"]
            for edge in summary["edges"]
            if edge["node"]["periodStart"].startswith(date)
        ]
        return str(id)

    invoices = await asyncio.gather(*(generate(hour, "first") for _ in range(10)))
    assert all(invoice == invoices[0] for invoice in invoices)
    assert invoices[0]["number"] == "INV-000001"
    assert invoices[0]["total"] == {"amount": "0.60", "currency": "EUR"}

    feed = (await biller.ask(FEED))["invoices"]
    [before] = [edge["node"] for edge in feed["edges"]]
    await post(switch, ended(reference, "late", hour, "0.25"))
    await generate(hour + timedelta(days=1), "second")
    after = (await biller.ask(FEED, after=feed["pageInfo"]["endCursor"]))["invoices"]
    [second] = [edge["node"] for edge in after["edges"]]
    assert [(line["kind"], Decimal(line["amount"]["amount"])) for line in second["lines"]] == [
        ("USAGE", Decimal("2.00")),
        ("ADJUSTMENT", Decimal("0.25")),
    ]
    assert (await biller.ask(FEED))["invoices"]["edges"][0]["node"] == before

    period = {"from": days_ago(3).isoformat(), "to": days_ago(0).isoformat()}
    proof = (await biller.ask(PROOF, c=customer, **period))["reconciliation"]
    assert proof["differences"] == []
    assert proof["records"] == proof["rows"] == {"calls": 7}
    assert Decimal(proof["invoiced"]["charge"]["amount"]) == Decimal("2.75")
