"""Measures how long the event loop is blocked."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stalls:
    """Milliseconds between two turns of a timer of 1 ms: those that this thread worked, and the
    total.

    The total is longer if other programs use the core.
    """

    worked: list[float] = field(default_factory=list)
    passed: list[float] = field(default_factory=list)
    peak: int = 0  # bytes of memory meanwhile

    async def watch(self) -> None:
        while True:
            passed, worked = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.001)
            self.worked.append((time.thread_time() - worked) * 1000)
            self.passed.append((time.perf_counter() - passed) * 1000 - 1)
            if len(self.passed) % 20 == 0:
                self.peak = max(self.peak, memory())

    def __str__(self) -> str:
        ordered = sorted(self.worked)
        most = ordered[-len(ordered) // 1000 - 1]
        return (
            f"the loop worked at most {ordered[-1]:.1f} ms at a stretch (99.9 %: {most:.1f}),"
            f" {max(self.passed):.0f} ms passed"
        )


def memory() -> int:
    """Resident memory of the process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@asynccontextmanager
async def watch() -> AsyncIterator[Stalls]:
    stalls = Stalls()
    task = asyncio.create_task(stalls.watch())
    try:
        yield stalls
    finally:
        task.cancel()
        await asyncio.wait([task])
