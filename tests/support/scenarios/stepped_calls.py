"""A switch whose number of calls changes only every 10 s, so that each sample has one truth."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations
from random import Random
from typing import Any

from runtime import clock
from simulator import calls, delivery, run
from simulator.switch import Switch

STEP = timedelta(seconds=10)
STEPS_PER_MINUTE = 6
_TICK_SECONDS = 0.05
_BEAT_INTERVAL = timedelta(seconds=2)
_MAX_NEW_CALLS = 3  # of a customer over a carrier, in a step
_MAX_STEPS = 6  # of a call

Scope = tuple[str | None, str | None]  # customer and carrier; None: all


def step_after(now: datetime) -> datetime:
    seconds = int(now.timestamp()) // 10 * 10 + 10
    return datetime.fromtimestamp(seconds, now.tzinfo)


@dataclass
class Truth:
    """Calls of each scope during each step, by its start."""

    steps: dict[datetime, Counter[Scope]] = field(default_factory=dict)

    def add(self, call: calls.Call) -> None:
        leg = call.last
        at = call.setup_at
        while at < leg.end_at:
            counts = self.steps.setdefault(at, Counter())
            for customer in (None, call.customer):
                for carrier in (None, leg.carrier):
                    counts[customer, carrier] += 1
            at += STEP

    def explains(self, minute: datetime, samples: int, sums: dict[Scope, tuple[Any, ...]]) -> bool:
        """Whether some `samples` steps of the minute have exactly the stored (maximum, mean, last)
        in every scope."""
        steps = [self.steps.get(minute + STEP * n, Counter()) for n in range(STEPS_PER_MINUTE)]
        scopes = {*sums, *(scope for counts in steps for scope in counts)}
        return any(
            all(
                sums.get(scope, (0, 0, 0)) == _figures([counts[scope] for counts in combination])
                for scope in scopes
            )
            for combination in combinations(steps, samples)
        )


def _figures(values: list[int]) -> tuple[int, float, int]:
    return max(values), sum(values) / len(values), values[-1]


class SteppedRunner(run.Runner):
    """Calls begin and end at full 10 s only."""

    def __init__(
        self, switch: Switch, deliver: delivery.Delivery, mix: calls.Mix, random: Random
    ) -> None:
        super().__init__(switch, calls.Planner(mix, random, switch.name), deliver, random)
        self.truth = Truth()
        self._mix = mix
        self._steps = random
        self._number = 0

    async def _make_calls(self, cps: float, stop: asyncio.Event, duration: float | None) -> None:
        now = clock.now()
        beat, step = now, step_after(now)
        while not stop.is_set():
            if now >= step - timedelta(seconds=1):
                for call in self._new_calls(step):
                    self.truth.add(call)
                    self.switch.begin(call)
                step += STEP
            self.switch.advance(now)
            if beat <= now:
                self.switch.beat(now)
                beat = now + _BEAT_INTERVAL
            await asyncio.sleep(_TICK_SECONDS)
            now = clock.now()

    def _new_calls(self, step: datetime) -> Iterator[calls.Call]:
        """In every third step on average, a customer has no call."""
        for customer in self._mix.customers:
            if self._steps.random() < 1 / 3:
                continue
            for carrier in self._mix.carriers:
                for _ in range(self._steps.randint(0, _MAX_NEW_CALLS)):
                    self._number += 1
                    end = step + STEP * self._steps.randint(1, _MAX_STEPS)
                    ringing = step + timedelta(seconds=1)
                    leg = calls.Leg(
                        0, carrier, step, ringing, ringing, end, 200, "caller", dtmf_digits=0
                    )
                    yield calls.Call(
                        f"{self._number}@{self.switch.name}.{self.switch.boot}",
                        customer, "+441632960001", "+441632961001", step, (leg,),
                    )  # fmt: skip
