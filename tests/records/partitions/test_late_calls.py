"""End to end: calls that arrive after the records of their day were removed."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from domain.billing import reconciliation_proof
from ingest import pipeline
from models.billing import reconciliation
from models.records import partitions
from tests.support.records import sample_records
from tests.support.records.frozen import DAY, HOUR, charges, rebuild
from tests.support.records.sample_records import SETUP, account, rows
from workers import jobs

pytestmark = pytest.mark.usefixtures("database")


async def test_calls_that_arrive_after_their_day_was_dropped_never_change_an_invoice(
    redis: Redis,
) -> None:
    """Records are stored for 30 days, a day is dropped, and the setting is raised to 90."""
    mine = await account()
    customer = await sample_records.customer(mine, "acme")
    old, now = SETUP, SETUP + timedelta(days=32)
    recent = now - timedelta(hours=5)

    def end(call_id: str, setup: datetime, charge: str, **more: Any) -> bytes:
        event = {"type": "end", "switch": "edge-1", "call_id": call_id, "customer": "acme"}
        times = dict.fromkeys(("setup_at", "answer_at", "end_at"), setup.isoformat())
        numbers = {"source": "+441632960000", "destination": "+15550100", "charge": charge}
        return json.dumps(event | times | numbers | more).encode()

    async def prove() -> reconciliation_proof.Proof:
        await rebuild(now)
        start, end = HOUR - timedelta(hours=2), now.replace(minute=0)
        return await reconciliation.reconcile(mine, customer, start, end, now)

    kept_30, kept_90 = pipeline.Pipeline(redis, 30), pipeline.Pipeline(redis, 90)
    await kept_30.ingest_calls(mine, [end("billed", old, "1.00")], old + timedelta(hours=1))
    await kept_30.ingest_calls(mine, [end("current", recent, "7.00")], now)
    await rebuild(now)
    tools = jobs.Tools(redis, lambda: now, records_days=30, partitions_ahead_days=1)
    await jobs.drop_partitions({"tools": tools})
    assert DAY not in await partitions.existing_days()
    before = await charges(mine)

    late = [end("late", old, "5.00"), end("current", old, "7.00", correction=True)]
    answer = await kept_90.ingest_calls(mine, late, now)
    assert [error["code"] for error in answer["refused"]] == ["HOUR_FROZEN", "HOUR_FROZEN"]
    assert await rows("SELECT code, state, setup_at FROM quarantine") == [
        ("HOUR_FROZEN", "OPEN", old),
        ("HOUR_FROZEN", "OPEN", old),
    ]
    proof = await prove()
    assert proof.differences == []
    assert await charges(mine) == before == {(customer, HOUR): 1, (customer, hour_of(recent)): 7}
    assert (proof.rows.charge, proof.records.charge, proof.frozen_hours) == (8, 7, 1)

    await put_by_hand(mine, customer, "by hand", old)
    details = [str(error.detail) for error in (await prove()).differences]
    assert "records charge 5, rows 1" in details
    assert any("rows differ from the records in" in detail for detail in details)
    await rows("DELETE FROM call_records WHERE call_id = 'by hand'")
    await rows("INSERT INTO hour_marks VALUES ($1, 999, $2, $3, $3)", mine, customer, HOUR)
    start, end_ = HOUR, HOUR + timedelta(hours=1)
    tampered = await reconciliation.reconcile(mine, customer, start, end_, now)
    assert [str(error.detail)[:29] for error in tampered.differences] == [
        "the hour is frozen and marked"
    ]


def hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


async def put_by_hand(mine: int, customer: int, call_id: str, setup: datetime) -> None:
    await partitions.create_missing([setup.date()])
    await rows(
        "INSERT INTO call_records (account_id, customer_id, setup_at, switch, call_id, leg,"
        " revision, carrier_id, final, source, destination, offered_at, answer_at, end_at, talk_us,"
        " rated_by, charge) VALUES ($1, $2, $3, 'edge-1', $4, 0, 0, 0, true, '', '', $3, $3, $3, 0,"
        " 'SWITCH', 5)",
        *(mine, customer, setup, call_id),
    )
