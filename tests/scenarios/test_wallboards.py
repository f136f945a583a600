"""Wallboards on two web processes never show a wrong number while every dependency fails."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2

from runtime import clock
from simulator.switch import Switch
from tests.support.scenarios.board import Board
from tests.support.scenarios.installation import CUSTOMERS, Installation, prepared, simulate, up
from tests.support.scenarios.second_web import Second, second
from tests.support.scenarios.wallboards import (
    CHANNELS,
    INVOICES,
    STATS,
    Facts,
    Gauge,
    Wallboard,
    until,
)

CPS = 25
SLACK = CPS // 2  # events under way while the switch counts
RIGHT_WITHIN = 30.0  # seconds after a failure


@asynccontextmanager
async def watching(boards: list[Wallboard]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(board.run()) for board in boards]
    try:
        yield
        assert not [board.wrong for board in boards if board.wrong]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def wallboard(url: str, token: str, customers: dict[str, str]) -> Wallboard:
    """Shows the account, a customer, the window, and the invoices."""
    return Wallboard(
        url,
        token,
        Gauge(CHANNELS, "liveChannels", {}),
        *(Gauge(CHANNELS, "liveChannels", {"c": customers[name]}) for name in CUSTOMERS),
        Gauge(STATS, "liveStats", {}),
        Facts(INVOICES, "invoiceIssued"),
    )


async def test_wallboards_show_correct_numbers_during_any_failure() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="cb-boards-", ignore_cleanup_errors=True) as name,
        up(Path(name)) as installation,
    ):
        async with prepared(installation) as (board, key):
            with second(installation) as other:
                boards = [
                    wallboard(url, _token(board), board.customers)
                    for url in (installation.url, other.url)
                ]
                async with watching(boards):
                    await _through_failures(installation, other, board, key, boards)


async def _through_failures(
    installation: Installation, other: Second, board: Board, key: str, boards: list[Wallboard]
) -> None:
    past = await _post_past_calls(installation.url, key)
    switches: list[Switch] = []
    stop = asyncio.Event()
    simulation = asyncio.create_task(simulate(installation.url, key, switches, stop, CPS))
    await until(lambda: bool(switches), 10, "no switch")
    issued = [await _issue(board, "acme", past[0])]
    times: dict[str, float] = {}
    for fail in (
        installation.lose_redis,
        other.kill,
        installation.kill_web,
        installation.kill_worker,
    ):
        await asyncio.sleep(3)
        await asyncio.to_thread(fail)
        times[fail.__qualname__] = await _right(boards, switches[0], RIGHT_WITHIN)
        issued.append(await _issue(board, "acme", past[len(issued)]))
        # Its messages expire within a minute while other parts fail.
        if fail == installation.lose_redis:
            await board.made(
                "configureSwitch",
                "... on Switch { reference }",
                reference="edge-2",
                leaseSeconds=60,
            )
            await _odd_switch(installation.url, key)
    assert not simulation.done()
    stop.set()
    report = await simulation
    await _nothing_is_up(boards)
    await _window_is_right(boards, report)
    for wallboard in boards:
        facts = wallboard.shown[-1]
        assert isinstance(facts, Facts)
        await until(lambda facts=facts: len(facts.values) >= len(issued), 15, "facts are missing")
        assert [fact["invoice"]["id"] for fact in facts.values] == issued
    assert boards[1].connected > 1, "its server was never killed"
    text = ", ".join(f"{name} {seconds:.1f}" for name, seconds in times.items())
    print(f"seconds to the right figure: {text}")


def _token(board: Board) -> str:
    return board.client.headers["Authorization"].removeprefix("Bearer ")


async def _right(boards: list[Wallboard], switch: Switch, seconds: float) -> float:
    """Until every wallboard shows the switch's own count, and its parts add up to it."""

    def right() -> bool:
        latest = [[gauge.latest for gauge in wallboard.shown[:4]] for wallboard in boards]  # type: ignore[union-attr]
        return all(
            None not in states
            and abs(states[0]["inUse"] - switch.active) <= SLACK  # type: ignore[index]
            and abs(sum(state["inUse"] for state in states[1:]) - states[0]["inUse"]) <= SLACK  # type: ignore[index]
            for states in latest
        )

    return await until(right, seconds, "a wallboard stays wrong")


async def _nothing_is_up(boards: list[Wallboard]) -> None:
    """Once all calls have ended, every gauge is 0, except for the calls of the switch that
    vanished."""
    for wallboard in boards:
        for gauge in wallboard.shown[:4]:
            await until(
                lambda gauge=gauge: gauge.latest is not None and gauge.latest["inUse"] == 0,
                90,  # the lease of what vanished is a minute
                f"{gauge.latest} stays",  # type: ignore[union-attr]
            )


async def _window_is_right(boards: list[Wallboard], report: dict[str, Any]) -> None:
    """The whole run lies within the 15 minutes: the window holds every attempt, once."""
    attempts, answer_count = report["attempts"] + 3, report["answered"] + 3
    for wallboard in boards:
        window = wallboard.shown[4]
        await until(
            lambda window=window: (
                window.latest is not None
                and (window.latest["attempts"], window.latest["answered"])
                == (attempts, answer_count)
            ),
            30,
            f"{window.latest}, not {attempts}, {answer_count}",  # type: ignore[union-attr]
        )


async def _odd_switch(url: str, key: str) -> None:
    """Ends before starts, everything three times over; then two calls up, and it vanishes."""
    now = clock.now()

    def event(type: str, call: str, **more: Any) -> dict[str, Any]:
        return {
            "type": type,
            "call_id": call,
            "switch": "edge-2",
            "customer": "acme",
            "carrier": "carrier-a",
            "source": "+441632960000",
            "destination": "+15550100",
            **more,
        }

    at = now.isoformat()
    start = (now - timedelta(seconds=3)).isoformat()
    ended = [
        event("end", f"odd-{n}", setup_at=start, answer_at=start, end_at=at, sip_code=200)
        for n in range(3)
    ]
    starts = [event("start", f"odd-{n}", at=start) for n in range(3)]
    vanishing = [event("start", f"gone-{n}", at=at) for n in range(2)]
    async with httpx2.AsyncClient(base_url=url) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        for batch in (ended, starts, ended + starts, starts + ended, vanishing):
            answer = await client.post("/ingest/calls", json=batch)
            assert answer.status_code == 200, answer.text
            assert not answer.json()["refused"], answer.text


async def _post_past_calls(url: str, key: str) -> list[str]:
    """A call on each of five past days, which are returned for one invoice each."""
    today = clock.now().replace(hour=12, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=n) for n in range(2, 7)]
    batch = [
        {
            "type": "end",
            "call_id": f"past-{day:%d}",
            "switch": "edge-1",
            "customer": "acme",
            "carrier": "carrier-a",
            "source": "+441632960000",
            "destination": "+441632961111",
            "setup_at": day.isoformat(),
            "answer_at": day.isoformat(),
            "end_at": (day + timedelta(seconds=31)).isoformat(),
            "sip_code": 200,
        }
        for day in days
    ]
    async with httpx2.AsyncClient(base_url=url) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        answer = await client.post("/ingest/calls", json=batch)
        assert answer.json()["accepted"] == len(batch), answer.text
    return [f"{day:%Y-%m-%d}" for day in days]


async def _issue(board: Board, customer: str, day: str) -> str:
    """The id of an invoice over that day, issued; retried while a server is unavailable."""
    async with asyncio.timeout(60):
        while True:
            try:
                rows = await board.rows(customer, "DAILY")
                [row] = [row for row in rows if row["periodStart"].startswith(day)]
                invoice = await board.made(
                    "generateInvoice",
                    "... on Invoice { id }",
                    customerId=board.customers[customer],
                    rowIds=[row["id"]],
                    idempotencyKey=day,
                    issue=True,
                )
            except (httpx2.TransportError, ValueError, AssertionError):
                await asyncio.sleep(0.5)
            else:
                return str(invoice["id"])
