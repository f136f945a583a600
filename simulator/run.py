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

_TICK = 0.05
_POST_EVERY = 0.2
_BEAT_EVERY = timedelta(seconds=2)
_SNAPSHOT_PAUSE = 1.0  # between two, while Callboard keeps asking
_LAST_BEATS = 3  # a count that is wrong at the end is repaired only while the switch speaks


class Runner:
    """Makes calls at `cps` a second until told to stop, then hangs up and delivers the rest."""

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
        """Ends after `duration` seconds (None: at `stop`). Raises `delivery.RejectedError`."""
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
                self.switch.begin(self._planner.call(setup))
                setup += timedelta(seconds=self._random.expovariate(cps))
            self.switch.advance(now)
            if beat <= now:
                self.switch.beat(now)
                beat = now + _BEAT_EVERY
            await asyncio.sleep(_TICK)
            now = clock.now()

    async def _deliver(self) -> None:
        queue = self.switch.queue
        while not (self._done and not queue):
            batch = list(islice(queue, delivery.LARGEST_BATCH))
            if batch:
                self._heed(await self._delivery.calls(batch))
                for _ in batch:
                    queue.popleft()
            if self._snapshot_wanted:
                self._heed(await self._delivery.snapshot(self.switch.snapshot(clock.now())))
            if not queue:
                self._idle.set()
            if len(queue) < delivery.LARGEST_BATCH:
                await asyncio.sleep(_SNAPSHOT_PAUSE if self._snapshot_wanted else _POST_EVERY)

    def _heed(self, answer: dict[str, Any]) -> None:
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
    """A switch from its start to its end; returns what it sent and what was answered.

    `watch` is given the switch before its first call, to show its progress.
    """
    started = clock.now()
    boot = int(started.timestamp())
    random = Random(seed)
    switch = Switch(name, boot)
    if watch is not None:
        watch(switch)
    planner = calls.Planner(mix, random, f"{boot}.{name}")
    await Runner(switch, planner, deliver, random).run(cps, stop, duration)
    return report(switch, deliver.answers, started, clock.now())


def report(
    switch: Switch, answers: delivery.Answers, started: datetime, ended: datetime
) -> dict[str, Any]:
    """What was sent (`attempts`, `answered`, `talkUs`, legs by carrier) and what was answered."""
    sent = switch.sent
    return {
        "switch": switch.name,
        "boot": switch.boot,
        "from": started.isoformat(),
        "to": ended.isoformat(),
        "events": switch.seq,
        "attempts": sent.attempts,
        "answered": sent.answered,
        "talkUs": sent.talk_us,
        "customers": {name: dict(counts) for name, counts in sorted(sent.customers.items())},
        "carriers": {name: dict(counts) for name, counts in sorted(sent.carriers.items())},
        "sipCodes": {str(code): count for code, count in sorted(sent.sip_codes.items())},
        "requests": answers.requests,
        "retries": answers.retries,
        "snapshots": answers.snapshots,
        **{
            name: answers.counts[name]
            for name in ("accepted", "duplicates", "corrected", "held", "refused")
        },
        "refusals": answers.refusals,
    }
