"""Calls of some days ago, posted as by a switch."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from runtime import clock
from tests.support.api.callers import Caller


def days_ago(days: int) -> datetime:
    midnight = clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=days)


def ended(customer: str, call_id: str, setup_at: datetime, charge: str) -> dict[str, Any]:
    answer_at = setup_at + timedelta(seconds=3)
    return {
        "type": "end",
        "call_id": call_id,
        "switch": "edge-1",
        "customer": customer,
        "source": "+441632960000",
        "destination": "+15550100",
        "setup_at": setup_at.isoformat(),
        "answer_at": answer_at.isoformat(),
        "end_at": (answer_at + timedelta(seconds=60)).isoformat(),
        "sip_code": 200,
        "charge": charge,
    }


async def post(program: Caller, *events: dict[str, Any]) -> None:
    async with httpx2.AsyncClient(verify=False, timeout=60) as client:
        answer = await client.post(
            f"{program.url}/ingest/calls", json=list(events), headers=program.headers
        )
    assert answer.json()["accepted"] == len(events), answer.text
