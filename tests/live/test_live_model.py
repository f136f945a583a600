"""Switches that restart and lose their clock, on a network that loses, repeats and delays events:
the live state always adds up and moves forward, and is correct within 30 seconds.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from domain.records import calls
from live import channels, keys
from tests.support.live.switch_events import LEASE, Services, Switch, after, up

ACCOUNT = 1
CUSTOMERS = (1, 2, 3)
BEAT_EVERY = 3.0  # seconds
RIGHT_WITHIN = 30.0  # seconds
Spoken = calls.LiveEvent | calls.Beat


@dataclass
class Call:
    id: str
    customer: int
    leg: int
    carrier: int | None  # None: between carriers


@dataclass
class Line:
    """A switch, the truth about its calls, and what of it is still on its way."""

    switch: Switch
    alive: list[Call] = field(default_factory=list)
    sent: list[Spoken] = field(default_factory=list)  # on its way
    heard: list[Spoken] = field(default_factory=list)  # of this boot
    snapshots: list[calls.Snapshot] = field(default_factory=list)
    made: int = 0
    seqs: dict[int, int] = field(default_factory=dict)  # of the boots before this one

    def begin(self, n: int) -> None:
        self.made += 1
        call = Call(f"c{self.made}", CUSTOMERS[n % 3], 0, n % 4)
        self.alive.append(call)
        self.sent.append(self.switch.start(call.id, call.customer, call.carrier or 0))

    def progress(self, n: int) -> None:
        if self.alive:
            call = self.alive[n % len(self.alive)]
            if call.carrier is not None:
                event = self.switch.answer if n % 2 else self.switch.ringing
                self.sent.append(event(call.id, call.customer, call.carrier, call.leg))

    def fail_over(self, n: int) -> None:
        """Ends the current leg or, between two, starts the next."""
        if not self.alive:
            return
        call = self.alive[n % len(self.alive)]
        if call.carrier is None:
            call.leg, call.carrier = call.leg + 1, n % 4
            event = self.switch.start(call.id, call.customer, call.carrier, call.leg)
        else:
            event = self.switch.end(call.id, call.customer, call.carrier, call.leg, final=False)
            call.carrier = None
        self.sent.append(event)

    def hang_up(self, n: int) -> None:
        if self.alive:
            call = self.alive.pop(n % len(self.alive))
            self.sent.append(
                self.switch.end(call.id, call.customer, call.carrier or 0, call.leg, final=True)
            )

    def beat(self, n: int = 0) -> None:
        self.sent.append(self.switch.beat(len(self.alive)))

    def lose(self, n: int) -> None:
        if self.sent:
            self.sent.pop(n % len(self.sent))

    def take_snapshot(self, n: int = 0) -> None:
        calls_of_snapshot = [up(c.id, c.customer, c.carrier or 0, c.leg) for c in self.alive]
        self.snapshots.append(self.switch.snapshot(*calls_of_snapshot))

    def restart(self, n: int) -> None:
        if self.switch.boot is not None:
            self.seqs[self.switch.boot] = self.switch.seq
            self.switch.boot = max(self.seqs) + 1
            self.switch.seq = 0
        self._lose_all(n)

    def fail_back(self, n: int) -> None:
        """An earlier start continues, with its own numbers or from 1."""
        if self.switch.boot is not None and self.seqs:
            self.seqs[self.switch.boot] = self.switch.seq
            self.switch.boot = sorted(self.seqs)[n % len(self.seqs)]
            self.switch.seq = self.seqs[self.switch.boot] if n % 2 else 0
        self._lose_all(n)

    def restart_without_clock(self, n: int) -> None:
        """The same boot, from 1."""
        self.switch.seq = 0
        self._lose_all(n)

    def _lose_all(self, n: int) -> None:
        """Events in transit are lost; some calls continue."""
        self.alive = [call for i, call in enumerate(self.alive) if n >> i & 1]
        self.sent, self.heard = [], []


@dataclass
class World:
    redis: Redis
    lines: list[Line]
    time: float = 0.0
    shown: dict[int | None, channels.Channels] = field(default_factory=dict)

    async def say(self, events: list[Spoken]) -> dict[str, str]:
        applied = await channels.apply(self.redis, ACCOUNT, events, after(self.time))
        return applied.snapshot_wanted

    async def show(self, snapshot: calls.Snapshot) -> channels.ApplyResult:
        return await channels.apply_snapshot(self.redis, ACCOUNT, snapshot, after(self.time))

    async def deliver(self, line: Line, n: int) -> None:
        """Some of the events in transit, in some order, some of them twice."""
        now = [event for i, event in enumerate(line.sent) if n >> i % 8 & 1]
        line.sent = [event for event in line.sent if event not in now]
        again = line.heard[n % 3 :: 3] if n % 2 else []
        line.heard += now
        await self.say((now + again)[:: -1 if n % 4 else 1])

    async def deliver_snapshot(self, line: Line, n: int) -> None:
        if line.snapshots:
            await self.show(line.snapshots[n % len(line.snapshots)])

    async def forget(self, line: Line, n: int) -> None:
        await self.redis.flushdb()

    async def wait(self, line: Line, n: int) -> None:
        self.time += (1, 6, 1_000, LEASE)[n % 4]
        await channels.sweep(self.redis, ACCOUNT, after(self.time))

    async def settle(self, line: Line, n: int = 0) -> None:
        """Everything arrives; then a wrong count is noticed within two beats."""
        line.beat()
        line.heard += line.sent
        await self.say(line.sent)
        line.sent = []
        self.tick(6)
        line.beat()
        result = await self.say([line.sent.pop()])
        if line.switch.name not in result:
            assert await self.counted(line) == len(line.alive)

    async def repair(self, line: Line, n: int = 0) -> None:
        """After a snapshot the count is its number, and the next beat agrees."""
        await self.settle(line)
        line.take_snapshot()
        assert await self.show(line.snapshots[-1]) is not None
        assert await self.counted(line) == len(line.alive)
        if line.switch.boot is not None:  # a repeated event was delivered before
            await self.say(list(line.heard))
        else:
            self.tick(1)
        line.beat()
        assert line.switch.name not in await self.say([line.sent.pop()])
        assert await self.counted(line) == len(line.alive)

    async def repair_itself(self, line: Line) -> None:
        """The switch beats, and sends the snapshots that are requested: within 30 s the count is
        right, and it remains right."""
        line.heard += line.sent
        await self.say(line.sent)
        line.sent = []
        until = self.time + RIGHT_WITHIN
        while self.time < until:
            self.tick(BEAT_EVERY)
            line.beat()
            if line.switch.name in await self.say([line.sent.pop()]):
                self.tick(1)
                line.take_snapshot()
                await self.show(line.snapshots[-1])
            await self.look()
        assert await self.counted(line) == len(line.alive)
        self.tick(BEAT_EVERY)
        line.beat()
        assert line.switch.name not in await self.say([line.sent.pop()])

    async def counted(self, line: Line) -> int:
        name = keys.prefix(ACCOUNT) + keys.PATTERNS["up"] % line.switch.name
        return int(await self.redis.zcard(name))

    def tick(self, seconds: float) -> None:
        self.time += seconds
        for line in self.lines:
            line.switch.at = self.time

    async def look(self) -> None:
        """Adds up, and a state that differs has a higher sequence."""
        scopes = (None, *CUSTOMERS)
        now = {scope: await channels.read(self.redis, ACCOUNT, scope) for scope in scopes}
        assert all(state.in_use >= 0 for state in now.values())
        assert now[None].in_use == sum(now[customer].in_use for customer in CUSTOMERS)
        carriers: Counter[int | None] = Counter()
        for customer in CUSTOMERS:
            carriers.update(dict(now[customer].by_carrier))
        assert carriers == Counter(dict(now[None].by_carrier))
        for scope, state in now.items():
            assert state.in_use == sum(count for _, count in state.by_carrier)
            assert all(count > 0 for _, count in state.by_carrier)
            before = self.shown.get(scope)
            if before is not None:
                same = _content(before) == _content(state)
                assert state.sequence > before.sequence or (
                    same and state.sequence == before.sequence
                )
        self.shown = now

    def truth(self, customer: int) -> dict[int | None, int]:
        return Counter(
            call.carrier or None
            for line in self.lines
            for call in line.alive
            if call.customer == customer
        )


def _content(state: channels.Channels) -> tuple[object, ...]:
    return state.in_use, state.by_carrier, state.cps


_LINE_STEPS: tuple[Callable[[Line, int], None], ...] = (
    *(Line.begin,) * 4,
    Line.progress,
    *(Line.fail_over,) * 2,
    *(Line.hang_up,) * 2,
    Line.beat,
    Line.lose,
    Line.take_snapshot,
    Line.restart,
    Line.fail_back,
    Line.restart_without_clock,
)
_WORLD_STEPS: tuple[Callable[[World, Line, int], Coroutine[Any, Any, None]], ...] = (
    *(World.deliver,) * 6,
    *(World.deliver_snapshot,) * 2,
    World.forget,
    World.wait,
    World.settle,
    World.repair,
)
_STEPS = st.lists(
    st.tuples(
        st.sampled_from([*_LINE_STEPS, *_WORLD_STEPS]), st.integers(0, 2), st.integers(0, 255)
    ),
    min_size=5,
    max_size=60,
)


async def _run(redis: Redis, steps: list[tuple[Any, int, int]], is_long_running: bool) -> None:
    await redis.flushdb()
    switches = (Switch("edge-1"), Switch("edge-2", boot=100), Switch("plain", boot=None))
    world = World(redis, [Line(switch) for switch in switches])
    for line in world.lines if is_long_running else ():
        line.switch.seq = 10_000  # no later start from 1 reaches its numbers
        line.take_snapshot()
        await world.show(line.snapshots[-1])
    for step, which, n in steps:
        world.tick(0.25)
        line = world.lines[which]
        if step in _LINE_STEPS:
            step(line, n)
        else:
            await step(world, line, n)
            await world.look()
    for line in world.lines:
        world.tick(1)
        await world.repair_itself(line)
    for line in world.lines:
        world.tick(1)
        await world.repair(line)
        await world.look()
    for customer in CUSTOMERS:
        assert dict(world.shown[customer].by_carrier) == world.truth(customer)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@settings(max_examples=80, deadline=None)
@given(steps=_STEPS, is_long_running=st.booleans())
def test_the_live_state_adds_up_moves_forward_and_is_repaired(
    services: Services,
    runner: asyncio.Runner,
    steps: list[tuple[Any, int, int]],
    is_long_running: bool,
) -> None:
    async def run() -> None:
        async with Redis.from_url(services.redis_url) as redis:
            try:
                await _run(redis, steps, is_long_running)
            finally:
                await redis.flushdb()  # the tests after this one have accounts of this number too

    runner.run(run())
