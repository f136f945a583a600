"""The events of the simulated switch over time, also without a receiver."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from simulator import calls, delivery, run
from simulator.switch import Switch

AT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
MIX = calls.Mix(("acme", "harbour"), ("carrier-a", "carrier-b"), talk_seconds=8, failover=0.2)


def run_for(seconds: int, *, seed: int = 3) -> Switch:
    switch, planner = Switch("sim", 1), calls.Planner(MIX, Random(seed), "test")
    for second in range(seconds):
        now = AT + timedelta(seconds=second)
        switch.begin(planner.plan(now))
        switch.advance(now)
    return switch


def up_by_events(events: list[calls.Event]) -> set[str]:
    up: set[str] = set()
    for event in events:
        if event["type"] == "start":
            up.add(event["call_id"])
        elif event["type"] == "end" and event["final"]:
            up.discard(event["call_id"])
    return up


def test_events_are_numbered_from_1_without_a_gap() -> None:
    switch = run_for(60)
    assert [event["seq"] for event in switch.queue] == list(range(1, len(switch.queue) + 1))
    assert {event["boot"] for event in switch.queue} == {1}


def test_beats_and_snapshots_agree_with_the_events() -> None:
    switch = run_for(60)
    up = up_by_events(list(switch.queue))
    assert 0 < len(up) < 60
    switch.beat(AT + timedelta(seconds=60))
    assert switch.queue[-1]["active"] == len(up)
    snapshot = switch.snapshot(AT + timedelta(seconds=60))
    assert {call["call_id"] for call in snapshot["calls"]} == up
    assert snapshot["seq"] == switch.queue[-1]["seq"]


def test_hanging_up_ends_every_call_once() -> None:
    switch = run_for(60)
    switch.hang_up(AT + timedelta(seconds=60))
    ends = [event for event in switch.queue if event["type"] == "end" and event["final"]]
    assert len(ends) == len({event["call_id"] for event in ends}) == switch.sent.attempts == 60
    assert switch.active == 0
    assert up_by_events(list(switch.queue)) == set()


def test_the_sums_equal_those_of_the_records() -> None:
    switch = run_for(120)
    switch.hang_up(AT + timedelta(seconds=120))
    ends = [event for event in switch.queue if event["type"] == "end"]
    final = [event for event in ends if event["final"]]
    talk = sum(
        ((event["end_at"] - event["answer_at"]) for event in final if "answer_at" in event),
        timedelta(0),
    )
    assert switch.sent.talk_us == talk // timedelta(microseconds=1)
    assert switch.sent.answered == sum("answer_at" in event for event in final)
    assert sum(counts["legs"] for counts in switch.sent.carriers.values()) == len(ends)


class Listener:
    """A stand-in for Callboard as the receiver: stores the batches that it acknowledged."""

    def __init__(self, failures: list[int]) -> None:
        self.failures = failures
        self.events: list[dict[str, Any]] = []
        self.snapshots: list[dict[str, Any]] = []
        self.batches: list[int] = []

    async def calls(self, request: Request) -> JSONResponse:
        batch = json.loads(gzip.decompress(await request.body()))
        if self.failures and (status := self.failures.pop(0)) != 200:
            return JSONResponse({"error": "not now"}, status)
        self.batches.append(len(batch))
        self.events += batch
        return JSONResponse(
            {"accepted": len(batch), "duplicates": 0, "corrected": 0, "held": [], "refused": []}
            | {"snapshotWanted": [] if self.snapshots else ["sim"]}
        )

    async def snapshot(self, request: Request) -> JSONResponse:
        self.snapshots.append(json.loads(gzip.decompress(await request.body())))
        return JSONResponse({"snapshotWanted": []})

    @asynccontextmanager
    async def delivery(self) -> AsyncIterator[delivery.Delivery]:
        routes = [
            Route("/ingest/calls", self.calls, methods=["POST"]),
            Route("/ingest/snapshot", self.snapshot, methods=["POST"]),
        ]
        transport = httpx2.ASGITransport(app=Starlette(routes=routes))
        async with httpx2.AsyncClient(transport=transport, base_url="http://board") as client:
            yield delivery.Delivery(client)


async def test_every_event_arrives_once_and_in_order_although_the_receiver_fails() -> None:
    listener = Listener([200, 503, 500, 429, 503])
    async with listener.delivery() as deliver:
        report = await run.simulate(
            deliver, MIX, name="sim", cps=150, stop=asyncio.Event(), duration=2, seed=5
        )
    assert [event["seq"] for event in listener.events] == list(range(1, report["events"] + 1))
    assert report["retries"] == 4
    assert report["attempts"] == sum(
        event["type"] == "end" and event["final"] for event in listener.events
    )
    assert max(listener.batches) <= delivery.MAX_BATCH_EVENTS
    assert listener.events[-1]["type"] == "beat"
    assert listener.events[-1]["active"] == 0


async def test_a_snapshot_is_sent_if_it_is_requested_from_this_switch() -> None:
    listener = Listener([])
    async with listener.delivery() as deliver:
        await run.simulate(deliver, MIX, name="sim", cps=20, stop=asyncio.Event(), duration=0.5)
    assert len(listener.snapshots) == 1
    assert listener.snapshots[0]["switch"] == "sim"


async def test_an_invalid_key_ends_the_switch_without_retries() -> None:
    listener = Listener([401])
    async with listener.delivery() as deliver:
        with pytest.raises(ExceptionGroup) as error:
            await run.simulate(deliver, MIX, name="sim", cps=20, stop=asyncio.Event(), duration=5)
    assert error.group_contains(delivery.RejectedError, match="401")
