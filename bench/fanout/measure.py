"""Measures one server with a crowd: the CPU per delivered message, and the latency."""

import asyncio
import gc
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.fanout import account, crowd, meter, servers

_FEW = 50  # sockets that warm up a server before its memory is measured
_WARM_MESSAGES, _WARM_PACE = 5_000, 1_000  # and a second
_DELIVERY_TIMEOUT_SECONDS, _POLL_SECONDS = 90.0, 0.05  # for the last push to arrive


@dataclass(frozen=True, slots=True)
class Load:
    """`rounds` pushes per topic, one every `period` seconds, with the topics spread over it."""

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
    memory: float  # bytes per socket

    @property
    def microseconds(self) -> float:
        return 1e6 * self.cpu / self.messages

    def latency(self, share: float) -> float:
        """Seconds within which that share of the messages has arrived."""
        return percentile(self.latencies, share)


def percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Pushing:
    """Pushes to the topics of a crowd. Each push has one more call."""

    def __init__(
        self, server: servers.Server, boards: crowd.Crowd, topics: int, shown_count: int
    ) -> None:
        self._server = server
        self._crowd = boards
        self._topics = topics
        self.number = shown_count

    async def rounds(self, count: int, period: float) -> None:
        """Pushes at an even pace, independent of the time of a push."""
        due = time.monotonic()
        for _ in range(count):
            self.number += 1
            for topic in range(self._topics):
                await self._push(topic)
                due += period / self._topics
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _push(self, topic: int) -> None:
        self._crowd.published[topic][self.number] = time.monotonic()
        await self._server.push(topic, self.number)

    async def wait_until_received(self) -> None:
        """Waits until every board that is not ignored has the last push."""
        for _ in range(int(_DELIVERY_TIMEOUT_SECONDS / _POLL_SECONDS)):
            if self._crowd.have_received(self.number):
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise TimeoutError(f"{self._server.name}: the last push did not reach all boards")

    async def warm_up(self, period: float) -> None:
        """Pushes until every board has received one, and a just-in-time compiler has warmed up."""
        sockets = len(self._crowd.boards)
        await self.rounds(max(2, _WARM_MESSAGES // sockets), min(period, sockets / _WARM_PACE))
        for _ in range(30):
            if self._crowd.have_received(0):
                break
            await self.rounds(1, period)
        await self.wait_until_received()


async def measure(server: servers.Server, of: account.Account, load: Load) -> Measured:
    boards = crowd.Crowd(server.port, of.topics[: load.topics], of.tokens)
    pushing = Pushing(server, boards, load.topics, shown_count=0)
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
    """The bytes of memory of the server after a few boards have connected, received pushes and
    left."""
    await boards.open(_FEW)
    await pushing.warm_up(1.0)
    await boards.close()
    await asyncio.sleep(1)
    return meter.rss_bytes(server.pid)


async def _observed(
    server: servers.Server, boards: crowd.Crowd, pushing: Pushing, load: Load
) -> tuple[float, int]:
    """CPU seconds during the load, and memory at its end."""
    await asyncio.sleep(1)
    boards.reset()
    before = meter.cpu_seconds(server.pid)
    with uncollected():
        await pushing.rounds(load.rounds, load.period)
        await pushing.wait_until_received()
    return meter.cpu_seconds(server.pid) - before, meter.rss_bytes(server.pid)


@contextmanager
def uncollected() -> Iterator[None]:
    """Disables garbage collection in this process, because it would look like a late message."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def table(rows: Iterable[Measured]) -> str:
    lines = [
        "| server | messages | CPU per message | p50 | p99 | memory per socket |",
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
    """The CPU per message of the others, relative to Callboard."""
    ours = next(row for row in rows if row.name == servers.CALLBOARD)
    relative = [
        f"{row.name} {row.microseconds / ours.microseconds:.2f}" for row in rows if row is not ours
    ]
    return f"CPU per message (Callboard = 1): {', '.join(relative)}"
