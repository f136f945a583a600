"""Every process of a running Callboard fails in turn at 50 calls a second."""

import asyncio
import tempfile
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2

from runtime import clock
from simulator.switch import Switch
from tests.support import processes
from tests.support.scenarios.board import Board
from tests.support.scenarios.installation import CUSTOMERS, deadline, prepared, simulate, up

CPS = 50
# Two hundred milliseconds of events are in transit, and the query needs time.
SLACK = CPS // 2


async def test_nothing_is_lost_or_repeated_when_every_process_fails_in_turn() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="cb-survival-", ignore_cleanup_errors=True) as name,
        up(Path(name)) as installation,
    ):
        async with prepared(installation) as (board, key):
            switches: list[Switch] = []
            stop = asyncio.Event()
            simulation = asyncio.create_task(simulate(installation.url, key, switches, stop, CPS))
            for fail in (
                installation.kill_web,
                installation.kill_worker,
                installation.lose_redis,
                installation.lose_postgres,
            ):
                await asyncio.sleep(4)
                await asyncio.to_thread(fail)
                acknowledged = accepted_attempts(switches[0])
                await live_count_is_right(board, switches[0], 30)
                await nothing_acknowledged_is_missing(board, acknowledged, 60)
            assert not simulation.done(), "the calls ended before the failures did"
            stop.set()
            report = await simulation
            await live_count_is_right(board, switches[0], 30, slack=0)
            await summaries_are_right(board, report, 60)
    assert await asyncio.to_thread(processes.eventually, lambda: not processes.running(name), 10)


async def live_count_is_right(
    board: Board, switch: Switch, seconds: float, *, slack: int = SLACK
) -> None:
    """Until the account's channels are complete and the switch's own count of calls up."""
    query = "{ viewer { ... on Staff { account { channels { complete inUse } } } } }"
    in_use: int | None = None
    for _ in deadline(seconds):
        data = await try_query(board, query)
        channels = None if data is None else data["viewer"]["account"]["channels"]
        if channels is not None and channels["complete"]:
            in_use = int(channels["inUse"])
            if abs(in_use - switch.active) <= slack:
                return
        await asyncio.sleep(0.25)
    raise AssertionError(f"{in_use} calls are shown, {switch.active} are up")


def accepted_attempts(switch: Switch) -> int:
    """Attempts whose final end Callboard has acknowledged: those that were sent and are no
    longer queued."""
    queued = sum(event["type"] == "end" and event["final"] for event in switch.queue)
    return switch.sent.attempts - queued


async def nothing_acknowledged_is_missing(board: Board, attempts: int, seconds: float) -> None:
    """Until the rows hold at least `attempts` attempts; then only the proof of time may fail."""
    assert attempts > 0
    results = 0
    for _ in deadline(seconds):
        rows = [await totals(board, customer) for customer in CUSTOMERS]
        results = sum(row["attempts"] for row in rows)
        if results >= attempts:
            break
        await asyncio.sleep(0.25)
    assert results >= attempts
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    for customer in CUSTOMERS:
        span = (hour - timedelta(hours=1), hour + timedelta(hours=1))
        proof = await board.proof(customer, *span)
        assert proof["balanced"], proof["differences"]


async def summaries_are_right(board: Board, report: dict[str, Any], seconds: float) -> None:
    """Until rows and balances equal the report of the switch; then the proof has to balance."""
    sums = None
    for _ in deadline(seconds):
        sums = {customer: await totals(board, customer) for customer in CUSTOMERS}
        if sums == report["customers"]:
            break
        await asyncio.sleep(0.5)
    assert sums == report["customers"]
    assert report["retries"] > 0, "nothing has failed"
    assert report["snapshots"] > 0, "nobody asked for a snapshot"
    assert sum(each["attempts"] for each in report["customers"].values()) == report["attempts"]
    assert not report["refused"], report["refusals"]
    assert not report["held"]
    start = datetime.fromisoformat(report["from"]).replace(minute=0, second=0, microsecond=0)
    for customer in CUSTOMERS:
        proof = await board.proof(customer, start, start + timedelta(hours=2))
        assert proof["balanced"], proof["differences"]
        assert proof["records"]["calls"] == report["customers"][customer]["attempts"]
        data = await board.ask(
            "query($c: ID!) { customer(id: $c) { balance { amount } } }",
            c=board.customers[customer],
        )
        owed = Decimal(proof["rows"]["charge"]["amount"])
        assert Decimal(data["customer"]["balance"]["amount"]) == -owed
        assert owed > 0


async def totals(board: Board, customer: str) -> dict[str, int]:
    """The sum of the live rows, as the switch counts it."""
    rows = await board.rows(customer, "LIVE")
    return {
        "attempts": sum(row["attempts"] for row in rows),
        "answered": sum(row["answered"] for row in rows),
        "talkUs": int(sum(Decimal(row["talkTime"]) for row in rows) * 1_000_000),
    }


async def try_query(board: Board, query: str) -> dict[str, Any] | None:
    """The answer's data; None while a part of Callboard is unavailable."""
    try:
        answer = await board.client.post("/graphql", json={"query": query}, timeout=3)
        data: dict[str, Any] | None = answer.json()["data"]
    except (httpx2.TransportError, ValueError, KeyError):
        return None
    return data
