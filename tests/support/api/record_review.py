"""Quarantined and held records over HTTP, as a switch posts them and staff review them."""

import json
from datetime import timedelta
from typing import Any

import httpx2

from models.summaries import hours
from runtime import clock
from tests.support.api.callers import Caller
from tests.support.api.past_calls import days_ago

SETUP = days_ago(3) + timedelta(hours=7)  # of the calls that are sent
REPLAYED = "records { outcome code message record { id state code message payload } }"
DISCARDED = "records { id state }"
QUARANTINE = """query Q($f: QuarantineFilter, $first: Int! = 50, $after: String) {
  quarantine(filter: $f, first: $first, after: $after) {
    edges { node { id payload code message field switch state receivedAt lastReceivedAt
      timesReceived } }
    pageInfo { hasNextPage endCursor } } }"""
SUMMARY = """query($c: ID!) { customer(id: $c) { summary(granularity: DAILY, first: 5) {
  edges { node { id attempts version charge { amount } } } } } }"""


async def send(program: Caller, *events: Any) -> dict[str, Any]:
    """The answer to a batch, whether its events were accepted or not."""
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        answer = await client.post(
            f"{program.url}/ingest/calls", json=list(events), headers=program.headers
        )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def quarantined(caller: Caller, **filter: Any) -> list[dict[str, Any]]:
    edges = (await caller.ask(QUARANTINE, f=filter or None))["quarantine"]["edges"]
    return [edge["node"] for edge in edges]


async def replay(caller: Caller, *ids: str, corrected: Any = None) -> list[dict[str, Any]]:
    """What became of each."""
    text = None if corrected is None else json.dumps(corrected)
    answer = await caller.do(
        "replayQuarantined", "ReplayedRecords", REPLAYED, ids=list(ids), corrected=text
    )
    assert answer["__typename"] == "ReplayedRecords", answer
    records: list[dict[str, Any]] = answer["records"]
    return records


async def rebuilt() -> None:
    for marked in await hours.marked_hours(1_000):  # as a worker does
        await hours.rebuild(*marked, clock.now())


async def summed(caller: Caller, customer: str) -> list[tuple[int, str]]:
    """Attempts and charge of each day with calls."""
    await rebuilt()
    edges = (await caller.ask(SUMMARY, c=customer))["customer"]["summary"]["edges"]
    return [(edge["node"]["attempts"], edge["node"]["charge"]["amount"]) for edge in edges]
