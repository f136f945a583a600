"""What a process uses, and where it runs (Linux: /proc)."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER_CORE, CLIENT_CORE = 0, 1
_CORES = os.sched_getaffinity(0)  # before any of it is tied to one
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """User and system time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def allow_open_files() -> None:
    """As many as may be, for this process and those it starts."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started meanwhile runs on that core alone, also within another `on_core`; with one
    core there is no choice."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} if core in _CORES else before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
