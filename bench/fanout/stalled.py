"""Some boards stop reading: what the others feel of it, and when the server is rid of them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.fanout import account, crowd, measure, meter, servers

TOPICS = 2
CARRIERS = 300  # make a message some 25 kB, so that the kernel's buffers fill in time
_PERIOD = 0.2  # seconds between a topic's pushes


@dataclass(frozen=True, slots=True)
class Stalled:
    healthy: int
    stalled: int
    before: Sequence[float]  # seconds, sorted: latencies of the healthy
    meanwhile: Sequence[float]  # seconds, sorted: those from the stall until they are gone
    gone_after: float | None  # seconds from the stall; None: not in the time that was watched
    memory: int  # bytes the server grew by at most

    def describe(self) -> str:
        text = "not gone" if self.gone_after is None else f"gone after {self.gone_after:.1f} s"
        return (
            f"{self.stalled} of {self.healthy + self.stalled} sockets stop reading: {text};"
            f" the others had {_told(self.before)} before and {_told(self.meanwhile)} meanwhile;"
            f" the server grew by {self.memory / 2**20:.1f} MiB"
        )


async def watch(
    server: servers.Server, of: account.Account, sockets: int, quiet: float, longest: float
) -> Stalled:
    """`quiet` seconds before the stall, at most `longest` after it."""
    await servers.fill(of, TOPICS, CARRIERS)
    boards = crowd.Crowd(server.port, of.topics[:TOPICS], of.tokens)
    pushing = measure.Pushing(server, boards, TOPICS, shown_count=CARRIERS)
    await boards.open(sockets)
    await pushing.rounds(5, _PERIOD)
    await pushing.wait_until_received()
    lazy = sorted(boards.boards, key=id)[: sockets // 10]
    boards.ignored.update(lazy)

    boards.reset()
    await pushing.rounds(round(quiet / _PERIOD), _PERIOD)
    await pushing.wait_until_received()
    before = sorted(boards.latencies)

    boards.reset()
    files, memory = meter.open_files(server.pid), meter.rss_bytes(server.pid)
    boards.stall(lazy)
    began, gone_after, most = time.monotonic(), None, memory
    while gone_after is None and time.monotonic() - began < longest:
        await pushing.rounds(1, _PERIOD)
        most = max(most, meter.rss_bytes(server.pid))
        if meter.open_files(server.pid) <= files - len(lazy):
            gone_after = time.monotonic() - began
    await pushing.wait_until_received()
    meanwhile = sorted(boards.latencies)
    await boards.close()
    return Stalled(sockets - len(lazy), len(lazy), before, meanwhile, gone_after, most - memory)


def _told(latencies: Sequence[float]) -> str:
    p50, p99 = (1e3 * measure.percentile(latencies, share) for share in (0.5, 0.99))
    return f"a p50 of {p50:.1f} and a p99 of {p99:.1f} ms"


async def drained(server: servers.Server, boards: crowd.Crowd) -> tuple[float, dict[int, int]]:
    """Seconds from SIGTERM to the server's end, and how many sockets it closed with which code."""
    seconds = await asyncio.to_thread(server.stop)
    codes = {code: boards.closed.count(code) for code in sorted(set(boards.closed))}
    return seconds, codes
