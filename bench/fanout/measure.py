"""One server under a crowd: what a delivered message costs it, and how soon it arrives."""

import asyncio
import gc
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.fanout import account, crowd, meter, servers

_FEW = 50  # sockets that warm a server up before its memory is taken
_WARM_MESSAGES, _WARM_PACE = 5_000, 1_000  # and a second
_ALL_WITHIN, _LOOK_EVERY = 90.0, 0.05  # seconds for the last push to be everywhere


@dataclass(frozen=True, slots=True)
class Load:
    """`rounds` pushes a topic, one every `period` seconds, the topics spread over it."""

    sockets: int
    rounds: int
    period: float
    topics: int = account.TOPICS


@dataclass(frozen=True, slots=True)
class Measured:
    name: str
    load: Load
    messages: int
    cpu: float  # seconds
    latencies: Sequence[float]  # seconds, sorted
    memory: float  # bytes a socket

    @property
    def microseconds(self) -> float:
        return 1e6 * self.cpu / self.messages

    def latency(self, share: float) -> float:
        """Seconds within which that share of the messages has come."""
        return percentile(self.latencies, share)


def percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Pushing:
    """Pushes to the topics of a crowd, each push one call more."""

    def __init__(
        self, server: servers.Server, boards: crowd.Crowd, topics: int, shown: int
    ) -> None:
        self._server = server
        self._boards = boards
        self._topics = topics
        self.number = shown

    async def rounds(self, count: int, period: float) -> None:
        """At an even pace, however long a push itself takes."""
        due = time.monotonic()
        for _ in range(count):
            self.number += 1
            for topic in range(self._topics):
                await self._push(topic)
                due += period / self._topics
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _push(self, topic: int) -> None:
        self._boards.published[topic][self.number] = time.monotonic()
        await self._server.push(topic, self.number)

    async def all_heard(self) -> None:
        """Until every board that counts has the last push."""
        for _ in range(int(_ALL_WITHIN / _LOOK_EVERY)):
            if self._boards.have_heard(self.number):
                return
            await asyncio.sleep(_LOOK_EVERY)
        raise TimeoutError(f"{self._server.name}: the last push is not everywhere")

    async def warm_up(self, period: float) -> None:
        """Pushes until every board has heard, and enough for a compiler at run time to be done."""
        sockets = len(self._boards.boards)
        await self.rounds(max(2, _WARM_MESSAGES // sockets), min(period, sockets / _WARM_PACE))
        for _ in range(30):
            if self._boards.have_heard(0):
                break
            await self.rounds(1, period)
        await self.all_heard()


async def measure(server: servers.Server, of: account.Account, load: Load) -> Measured:
    boards = crowd.Crowd(server.port, of.topics[: load.topics], of.tokens)
    pushing = Pushing(server, boards, load.topics, shown=0)
    empty = await emptied(server, boards, pushing)
    await boards.open(load.sockets)
    await pushing.warm_up(load.period)
    cpu, memory = await _observed(server, boards, pushing, load)
    latencies = sorted(boards.latencies)
    measured = Measured(
        server.name, load, boards.messages, cpu, latencies, (memory - empty) / load.sockets
    )
    await boards.close()
    return measured


async def emptied(server: servers.Server, boards: crowd.Crowd, pushing: Pushing) -> int:
    """The memory of the server when a few have come, were pushed to and left again, in bytes."""
    await boards.open(_FEW)
    await pushing.warm_up(1.0)
    await boards.close()
    await asyncio.sleep(1)
    return meter.rss_bytes(server.pid)


async def _observed(
    server: servers.Server, boards: crowd.Crowd, pushing: Pushing, load: Load
) -> tuple[float, int]:
    """CPU seconds over the load, and memory at its end."""
    await asyncio.sleep(1)
    boards.reset()
    before = meter.cpu_seconds(server.pid)
    with uncollected():
        await pushing.rounds(load.rounds, load.period)
        await pushing.all_heard()
    return meter.cpu_seconds(server.pid) - before, meter.rss_bytes(server.pid)


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is collected here meanwhile: it would look like a late message."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def table(rows: Iterable[Measured]) -> str:
    lines = [
        "| server | messages | CPU a message | p50 | p99 | memory a socket |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *map(_line, rows)])


def _line(row: Measured) -> str:
    return (
        f"| {row.name} | {row.messages:,} | {row.microseconds:.1f} µs"
        f" | {1e3 * row.latency(0.5):.1f} ms | {1e3 * row.latency(0.99):.1f} ms"
        f" | {row.memory / 1024:.1f} KiB |"
    )


def ratios(rows: Sequence[Measured]) -> str:
    """How many times the CPU of Callboard's message the others take."""
    ours = next(row for row in rows if row.name == servers.CALLBOARD)
    said = [
        f"{row.name} {row.microseconds / ours.microseconds:.2f}" for row in rows if row is not ours
    ]
    return f"CPU a message, Callboard's being 1: {', '.join(said)}"
