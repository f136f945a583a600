"""Ends in any order, repeated and late, a Redis emptied at any time, and concurrent readers: a
window equals the records of the ends that Redis received, or is not shown.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from redis.asyncio import Redis

from domain.records import calls
from domain.summaries import ratios
from live import channels, sliding_window
from tests.support.live.channel_state import ACCOUNT
from tests.support.live.switch_events import NOW, Services, Switch, after, answered, failed
from tests.support.live.windows import record

CUSTOMERS = (1, 2)
Key = tuple[str, str]


@dataclass
class Reader:
    """A reader that fills the window, a record at a time, from the records at its start."""

    begun: sliding_window.Fill
    left: list[calls.EndedAttempt]
    corrected: set[Key] = field(default_factory=set)  # since it began


@dataclass
class World:
    redis: Redis
    switches: tuple[Switch, ...] = (Switch("edge-1"), Switch("plain", boot=None))
    time: float = 0.0
    made: int = 0
    stored: dict[Key, calls.LiveEvent] = field(default_factory=dict)
    on_their_way: list[calls.LiveEvent] = field(default_factory=list)
    told: list[calls.LiveEvent] = field(default_factory=list)
    # The events that this Redis has received
    counted: dict[Key, calls.EndedAttempt] = field(default_factory=dict)
    readers: list[Reader] = field(default_factory=list)
    sequences: dict[tuple[int | None, int], tuple[int, object]] = field(default_factory=dict)

    async def start(self, n: int) -> None:
        event = self.switch(n).start(f"c{self.made}", CUSTOMERS[n % 2])
        self.made += 1
        await self.say([event])

    async def end(self, n: int) -> None:
        """Of a new call or of one that started; stored, and on its way to Redis."""
        switch = self.switch(n)
        switch.at = self.time - (0, 0.3, 5, 70, 700, -200)[n % 6]
        outcome = answered(n / 7, None if n % 3 else n / 11) if n % 2 else failed(n / 13)
        event = switch.end(f"c{n % (self.made + 1)}", CUSTOMERS[n % 2], outcome=outcome)
        self.made = max(self.made, n % (self.made + 1) + 1)
        if (event.switch, event.call_id) not in self.stored:
            self.stored[event.switch, event.call_id] = event
            self.on_their_way.append(event)

    async def correct(self, n: int) -> None:
        """Delivered immediately; the first content may still be repeated."""
        if not self.told:
            return
        event = self.told[n % len(self.told)]
        assert event.outcome is not None
        outcome = replace(answered(n / 3), corrects=True)
        event = replace(event, customer_id=CUSTOMERS[n % 2], outcome=outcome)
        self.stored[event.switch, event.call_id] = event
        await self.say([event])
        self.counted[event.switch, event.call_id] = record(event)
        for reader in self.readers:  # it has read the record that this corrects
            reader.corrected.add((event.switch, event.call_id))

    async def deliver(self, n: int) -> None:
        now = [event for i, event in enumerate(self.on_their_way) if n >> i % 8 & 1]
        self.on_their_way = [event for event in self.on_their_way if event not in now]
        again = self.told[n % 3 :: 3] if n % 2 else []
        self.told += now
        await self.say((now + again + now)[:: -1 if n % 4 else 1])
        for event in now + again:
            self.counted.setdefault((event.switch, event.call_id), record(event))

    async def say(self, events: list[calls.LiveEvent]) -> None:
        await channels.apply(self.redis, ACCOUNT, events, after(self.time))

    async def forget(self, n: int) -> None:
        await self.redis.flushdb()
        self.counted = {}

    async def fail_to_tell(self, n: int) -> None:
        """Ends that Redis does not accept: the writer reports them as soon as it can."""
        if self.on_their_way:
            self.told.append(self.on_their_way.pop())
            await sliding_window.invalidate(self.redis, ACCOUNT)

    async def wait(self, n: int) -> None:
        self.time += (0.5, 1, 30, 400, 900, 2_000)[n % 6]
        await channels.sweep(self.redis, ACCOUNT, after(self.time))

    async def begin(self, n: int) -> None:
        await self.redis.hdel("live:{a1}:window", "busy")  # type: ignore[misc]
        fill_token = await sliding_window.begin_fill(self.redis, ACCOUNT)
        if fill_token is not None:
            self.readers.append(Reader(fill_token, self.recent()))

    def recent(self) -> list[calls.EndedAttempt]:
        since = after(self.time - sliding_window.MAX_SECONDS - 5)
        return [record(event) for event in self.stored.values() if event.at >= since]

    async def go_on(self, n: int) -> None:
        """One of the readers; at its end the window is filled."""
        if not self.readers:
            return
        reader = self.readers[n % len(self.readers)]
        attempts, reader.left = reader.left[: n % 3], reader.left[n % 3 :]
        now = after(self.time)
        if not await sliding_window.fill(self.redis, ACCOUNT, reader.begun, attempts, now):
            self.readers.remove(reader)
            return
        for attempt in attempts:
            if (attempt.switch, attempt.call_id) not in reader.corrected:
                self.counted[attempt.switch, attempt.call_id] = attempt
        if not reader.left:
            await sliding_window.end_fill(self.redis, ACCOUNT, reader.begun)
            self.readers.remove(reader)

    async def refill(self) -> None:
        while await self.read(None, 900) is None:
            await self.begin(0)
            while self.readers:
                await self.go_on(2)

    async def read(self, customer: int | None, seconds: int) -> sliding_window.Window | None:
        return await sliding_window.read(self.redis, ACCOUNT, customer, seconds, after(self.time))

    async def look(self) -> None:
        waiting = {(event.switch, event.call_id) for event in self.on_their_way}
        for customer in (None, *CUSTOMERS):
            for seconds in (10, 61, 900):
                figures = await self.read(customer, seconds)
                if figures is not None:
                    assert figures.sums == self.said_of(self.counted, customer, seconds)
                    records = {k: record(v) for k, v in self.stored.items() if k not in waiting}
                    least = self.said_of(records, customer, seconds)
                    assert figures.sums.attempts >= least.attempts
                    self.check_sequence((customer, seconds), figures)

    def check_sequence(self, which: tuple[int | None, int], figures: sliding_window.Window) -> None:
        content = figures.sums, figures.cps
        sequence, before = self.sequences.get(which, (0, None))
        assert figures.sequence > sequence or (figures.sequence, content) == (sequence, before)
        self.sequences[which] = figures.sequence, content

    def said_of(
        self, attempts: dict[Key, calls.EndedAttempt], customer: int | None, seconds: int
    ) -> ratios.Sums:
        end = int(self.time)
        within = [
            attempt
            for attempt in attempts.values()
            if customer in (None, attempt.customer_id)
            and end - seconds <= (attempt.end_at - NOW).total_seconds() < end
        ]
        outcomes = [attempt.outcome for attempt in within]
        delays = [outcome.pdd_us for outcome in outcomes if outcome.pdd_us is not None]
        return ratios.Sums(
            attempts=len(outcomes),
            answered=sum(outcome.answered for outcome in outcomes),
            talk_us=sum(outcome.talk_us for outcome in outcomes),
            pdd_us=sum(delays),
            pdd_count=len(delays),
        )

    def switch(self, n: int) -> Switch:
        switch = self.switches[n % len(self.switches)]
        switch.at = self.time
        return switch


_STEPS: tuple[Callable[[World, int], Coroutine[Any, Any, None]], ...] = (
    *(World.end,) * 6,
    World.start,
    *(World.deliver,) * 5,
    World.correct,
    World.fail_to_tell,
    *(World.forget,) * 2,
    *(World.wait,) * 2,
    *(World.begin,) * 3,
    *(World.go_on,) * 5,
)


async def _run(
    redis: Redis, steps: list[tuple[Callable[[World, int], Coroutine[Any, Any, None]], int]]
) -> None:
    await redis.flushdb()
    world = World(redis, (Switch("edge-1"), Switch("plain", boot=None)))
    await world.refill()
    for step, n in steps:
        await step(world, n)
        await world.look()
    await world.deliver(255)
    await world.refill()
    world.time += 1
    await world.look()
    figures = await world.read(None, 900)
    assert figures is not None
    records = {key: record(event) for key, event in world.stored.items()}
    assert figures.sums == world.said_of(records, None, 900)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(_STEPS), st.integers(0, 255)), min_size=5, max_size=80)
)
def test_a_window_equals_the_records_or_is_not_shown(
    services: Services,
    runner: asyncio.Runner,
    steps: list[tuple[Callable[[World, int], Coroutine[Any, Any, None]], int]],
) -> None:
    async def run() -> None:
        async with Redis.from_url(services.redis_url) as redis:
            try:
                await _run(redis, steps)
            finally:
                await redis.flushdb()  # the tests after this one have accounts of this number too

    runner.run(run())
