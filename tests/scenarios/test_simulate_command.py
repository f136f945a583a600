"""`./callboard simulate`: its output equals the figures of Callboard."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from runtime import clock
from runtime.settings import ROOT
from tests.support.programs import Program, free_port
from tests.support.scenarios import worlds
from tests.support.scenarios.board import Board


@pytest.fixture
async def board(database: str, web: Program, worker: Program) -> AsyncIterator[Board]:
    board = Board(web.url)
    await board.open_account(clock.now())
    await board.settle(worlds.world(clock.now()))
    try:
        yield board
    finally:
        await board.close()


async def simulate(url: str, key: str, *more: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "server.cli", "simulate", "--url", url, *more],
        env=os.environ | {"CALLBOARD_INGEST_KEY": key},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_output_of_simulate_equals_the_summary(board: Board) -> None:
    ended = await simulate(
        board.url,
        await board.key("INGEST"),
        *("--cps", "40", "--duration", "4", "--seed", "1", "--talk", "2"),
        *("--customers", "acme,birch", "--carriers", "carrier-a,carrier-b"),
    )
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert report["attempts"] > 100
    assert report["accepted"] == report["events"]
    printed: dict[str, Any] = {}
    for _ in range(120):
        printed = {customer: await attempts(board, customer) for customer in report["customers"]}
        if printed == {name: counts["attempts"] for name, counts in report["customers"].items()}:
            return
        await asyncio.sleep(0.25)
    raise AssertionError(f"{printed} is shown, sent was {report['customers']}")


async def attempts(board: Board, customer: str) -> int:
    return sum(row["attempts"] for row in await board.rows(customer, "LIVE"))


def test_simulate_reports_an_unreachable_server_and_stops_at_the_second_signal() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with subprocess.Popen(
        [sys.executable, "-m", "server.cli", "simulate", "--url", url, "--key", "none"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert f"{url} does not answer; trying again" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert "Press Ctrl-C again" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert "some events were not delivered" in process.stderr.read()
        assert process.wait(10) == 1


async def test_simulate_explains_the_problem_with_its_key(board: Board) -> None:
    ended = await simulate(board.url, await board.key("BILLING_READ"), "--duration", "2")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "403" in ended.stderr
