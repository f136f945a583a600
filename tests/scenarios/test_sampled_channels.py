"""The history of active calls equals the switch's own calls while every process is killed.

MINUTES in the environment sets its length. From 12 minutes on, each is killed twice:
`MINUTES=30 … -o hang_seconds=2400 -o faulthandler_timeout=2400`.
"""

import asyncio
import json
import os
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from runtime import clock
from simulator import calls, delivery
from simulator.switch import Switch
from tests.support.scenarios.board import Board
from tests.support.scenarios.installation import CUSTOMERS, Installation, prepared, up
from tests.support.scenarios.stepped_calls import Scope, SteppedRunner

MINUTES = int(os.environ.get("MINUTES", "2"))
MINUTE = timedelta(minutes=1)
CARRIERS = ("carrier-a", "carrier-b")
_START = timedelta(seconds=15)  # calls have begun, and beats are regular
_SETTLE_SECONDS = 6  # then the last minute is sent
GAP = timedelta(seconds=40)  # from a kill until samples are certain again
HISTORY = """subscription ($customer: ID, $since: DateTime) {
  channelMinutes(customerId: $customer, since: $since) {
    at channelsSamples channelsMax channelsMean channelsLast
    byCarrier { carrier { reference } channelsMax channelsMean channelsLast } } }"""
POINTS = """query ($account: ID!, $from: DateTime!, $to: DateTime!) {
  node(id: $account) { ... on Account {
    stats(from: $from, to: $to, interval: HOUR) { total { at channelsMax channelsSamples } } } } }
"""

Minutes = dict[datetime, tuple[int, dict[Scope, tuple[Any, ...]]]]


async def test_sampled_channels_equal_the_calls_of_the_switch_although_processes_are_killed() -> (
    None
):
    with (
        tempfile.TemporaryDirectory(prefix="cb-channels-", ignore_cleanup_errors=True) as name,
        up(Path(name)) as installation,
    ):
        async with prepared(installation) as (board, key):
            mix = calls.Mix(CUSTOMERS, CARRIERS)
            stop = asyncio.Event()
            async with delivery.connect(installation.url, key) as deliver:
                switch = Switch("edge-1", int(clock.now().timestamp()))
                runner = SteppedRunner(switch, deliver, mix, Random(11))
                running = asyncio.create_task(runner.run(1, stop))
                first = (clock.now() + _START + MINUTE).replace(second=0, microsecond=0)
                await asyncio.sleep((first - clock.now()).total_seconds())
                kills = await _kill_in_turn(installation, first + MINUTE * MINUTES)
                await asyncio.sleep(_SETTLE_SECONDS)
                minutes = await _minutes(board, first, MINUTES)
                await _hours_follow_from_minutes(board, minutes)
                stop.set()
                await running
            _require_truth(runner, minutes, kills)


async def _kill_in_turn(installation: Installation, end: datetime) -> list[datetime]:
    """When something was killed; once each, or twice each if there is time for it."""
    parts = [
        installation.kill_web,
        installation.kill_worker,
        installation.lose_redis,
        installation.lose_postgres,
    ]
    if MINUTES >= 12:
        parts *= 2
    pause = (end - clock.now()) / (len(parts) + 1)
    kills = []
    for kill in parts:
        await asyncio.sleep(pause.total_seconds())
        kills.append(clock.now())
        await asyncio.to_thread(kill)
    await asyncio.sleep(max(0.0, (end - clock.now()).total_seconds()))
    return kills


async def _minutes(board: Board, first: datetime, count: int) -> Minutes:
    """Of the account and of each customer, as the API sends them."""
    minutes: Minutes = {}
    for customer in (None, *CUSTOMERS):
        for point in await _history(board, customer, first, count):
            at = datetime.fromisoformat(point["at"])
            samples, by_scope = minutes.setdefault(at, (point["channelsSamples"], {}))
            assert samples == point["channelsSamples"]
            if not samples:
                assert (
                    point["channelsMax"] is point["channelsMean"] is point["channelsLast"] is None
                )
                assert point["byCarrier"] == []
                continue
            by_scope[customer, None] = _figures(point)
            for line in point["byCarrier"]:
                by_scope[customer, line["carrier"]["reference"]] = _figures(line)
    return minutes


def _figures(point: dict[str, Any]) -> tuple[Any, ...]:
    return point["channelsMax"], point["channelsMean"], point["channelsLast"]


async def _history(
    board: Board, customer: str | None, first: datetime, count: int
) -> list[dict[str, Any]]:
    variables = {
        "customer": None if customer is None else board.customers[customer],
        "since": first.isoformat(),
    }
    points: list[dict[str, Any]] = []
    async with (
        asyncio.timeout(30),
        board.client.stream(
            "POST",
            "/graphql",
            json={"query": HISTORY, "variables": variables},
            headers={"Accept": "text/event-stream"},
        ) as response,
    ):
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                points.append(json.loads(line.removeprefix("data: "))["data"]["channelMinutes"])
                if len(points) == count:
                    return points
    raise AssertionError(f"{len(points)} minutes")


async def _hours_follow_from_minutes(board: Board, minutes: Minutes) -> None:
    """The hours' maxima are at least those of the minutes read before, and their samples too."""
    viewer = await board.ask("{ viewer { ... on Staff { account { id } } } }")
    account = viewer["viewer"]["account"]["id"]
    span = {"from": min(minutes).isoformat(), "to": (max(minutes) + MINUTE).isoformat()}
    answer = await board.ask(POINTS, account=account, **span)
    points = answer["node"]["stats"]["total"]
    values = [by_scope[None, None][0] for samples, by_scope in minutes.values() if samples]
    assert max(point["channelsMax"] or 0 for point in points) >= max(values)
    sample_count = sum(samples for samples, _ in minutes.values())
    assert sum(point["channelsSamples"] for point in points) >= sample_count


def _require_truth(runner: SteppedRunner, minutes: Minutes, kills: list[datetime]) -> None:
    wrong = [
        at
        for at, (samples, by_scope) in minutes.items()
        if samples and not runner.truth.explains(at, samples, by_scope)
    ]
    counts = [samples for samples, _ in minutes.values()]
    print(
        f"{len(minutes)} minutes: {counts.count(6)} complete, {counts.count(0)} without data, "
        f"{len(kills)} kills, {sum(counts)} of {6 * len(counts)} samples"
    )
    assert not wrong, [(str(at), minutes[at]) for at in wrong]
    for at, (samples, _) in minutes.items():
        is_disturbed = any(at - GAP <= kill < at + MINUTE for kill in kills)
        assert samples == 6 or is_disturbed, f"{at}: {samples} samples"
    assert sum(counts) > 0
