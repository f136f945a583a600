"""Runs a simulated switch in real time."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

from runtime import clock
from simulator import calls, delivery
from simulator.switch import Switch

_TICK_SECONDS = 0.05
_POST_INTERVAL_SECONDS = 0.2
_BEAT_INTERVAL = timedelta(seconds=2)
_SNAPSHOT_PAUSE_SECONDS = 1.0  # between two snapshots, while Callboard requests them
_LAST_BEATS = 3  # a wrong count is repaired only while the switch sends beats


class Runner:
    """Creates `cps` calls per second until it is stopped, then ends them and sends the rest."""

    def __init__(
        self, switch: Switch, planner: calls.Planner, deliver: delivery.Delivery, random: Random
    ) -> None:
        self.switch = switch
        self._planner = planner
        self._delivery = deliver
        self._random = random
        self._snapshot_wanted = False
        self._idle = asyncio.Event()
        self._done = False

    async def run(self, cps: float, stop: asyncio.Event, duration: float | None = None) -> None:
        """Ends at `stop` or after `duration` seconds. Raises `delivery.RejectedError`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._deliver())
            await self._make_calls(cps, stop, duration)
            self.switch.hang_up(clock.now())
            for _ in range(_LAST_BEATS):
                self.switch.beat(clock.now())
                self._idle.clear()
                await self._idle.wait()
            self._done = True

    async def _make_calls(self, cps: float, stop: asyncio.Event, duration: float | None) -> None:
        now = clock.now()
        end = None if duration is None else now + timedelta(seconds=duration)
        setup = beat = now
        while not stop.is_set() and (end is None or now < end):
            while setup <= now:
                self.switch.begin(self._planner.plan(setup))
                setup += timedelta(seconds=self._random.expovariate(cps))
            self.switch.advance(now)
            if beat <= now:
                self.switch.beat(now)
                beat = now + _BEAT_INTERVAL
            await asyncio.sleep(_TICK_SECONDS)
            now = clock.now()

    async def _deliver(self) -> None:
        queue = self.switch.queue
        while not (self._done and not queue):
            batch = list(islice(queue, delivery.MAX_BATCH_EVENTS))
            if batch:
                self._handle(await self._delivery.send_events(batch))
                for _ in batch:
                    queue.popleft()
            if self._snapshot_wanted:
                self._handle(await self._delivery.send_snapshot(self.switch.snapshot(clock.now())))
            if not queue:
                self._idle.set()
            if len(queue) < delivery.MAX_BATCH_EVENTS:
                await asyncio.sleep(
                    _SNAPSHOT_PAUSE_SECONDS if self._snapshot_wanted else _POST_INTERVAL_SECONDS
                )

    def _handle(self, answer: dict[str, Any]) -> None:
        self._snapshot_wanted = self.switch.name in answer.get("snapshotWanted", ())


async def simulate(
    deliver: delivery.Delivery,
    mix: calls.Mix,
    *,
    name: str,
    cps: float,
    stop: asyncio.Event,
    duration: float | None = None,
    seed: int | None = None,
    watch: Callable[[Switch], None] | None = None,
) -> dict[str, Any]:
    """Runs a switch from its start to its end. Returns its report.

    Calls `watch` with the switch before its first call, to show its progress.
    """
    started_at = clock.now()
    boot = int(started_at.timestamp())
    random = Random(seed)
    switch = Switch(name, boot)
    if watch is not None:
        watch(switch)
    planner = calls.Planner(mix, random, f"{boot}.{name}")
    await Runner(switch, planner, deliver, random).run(cps, stop, duration)
    return report(switch, deliver.answers, started_at, clock.now())


def report(
    switch: Switch, answers: delivery.Answers, started: datetime, ended: datetime
) -> dict[str, Any]:
    """The sent totals (`attempts`, `answered`, `talkUs`, legs by carrier) and the answers."""
    totals = switch.sent
    return {
        "switch": switch.name,
        "boot": switch.boot,
        "from": started.isoformat(),
        "to": ended.isoformat(),
        "events": switch.seq,
        "attempts": totals.attempts,
        "answered": totals.answered,
        "talkUs": totals.talk_us,
        "customers": {name: dict(counts) for name, counts in sorted(totals.customers.items())},
        "carriers": {name: dict(counts) for name, counts in sorted(totals.carriers.items())},
        "sipCodes": {str(code): count for code, count in sorted(totals.sip_codes.items())},
        "requests": answers.requests,
        "retries": answers.retries,
        "snapshots": answers.snapshots,
        **{
            name: answers.counts[name]
            for name in ("accepted", "duplicates", "corrected", "held", "refused")
        },
        "refusals": answers.refusals,
    }
