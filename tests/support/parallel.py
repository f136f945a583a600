"""A pytest plugin: several processes share the tests of a run, and `quiet` tests run alone.

A process takes the tests of a folder in parts, and stays in that folder as long as parts are left:
what is created for a folder is created once in each process that enters it.
"""

import fcntl
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support import durations

Part: TypeAlias = tuple[str, int]  # folder and number

PART_SECONDS = 20.0
LONG_SECONDS = 60.0  # a part that is longer starts before all others


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Most tests wait longer than they compute. A few named tests need no other process."""
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS or config.option.collectonly:
        return 0
    return 2 * len(os.sched_getaffinity(0))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return FolderScheduling(config, log)


class FolderScheduling(LoadScopeScheduling):
    """Its units of work are parts, named by (folder, number)."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False
        self._part_of: dict[str, Part] = {}
        self._seconds: dict[Part, float] = {}
        self._folder_of: dict[Any, str] = {}

    def schedule(self) -> None:
        if self.collection is None:
            self._divide(next(iter(self.registered_collections.values())))
        super().schedule()

    def _divide(self, ids: Sequence[str]) -> None:
        seconds = seconds_of(ids, durations.read())
        self._part_of = parts(ids, seconds)
        for id, part in self._part_of.items():
            self._seconds[part] = self._seconds.get(part, 0) + seconds[id]

    def _split_scope(self, nodeid: str) -> Any:
        return self._part_of[nodeid]

    def _assign_work_unit(self, node: Any) -> None:
        part = next_part(
            [(part, self._seconds[part]) for part in self.workqueue],
            self._folder_of.get(node),
        )
        self._folder_of[node] = part[0]
        self.workqueue.move_to_end(part, last=False)
        super()._assign_work_unit(node)


def seconds_of(ids: Sequence[str], module_seconds: Mapping[str, float]) -> dict[str, float]:
    """The expected duration of each test: its share of its module."""
    counts: dict[str, int] = defaultdict(int)
    for id in ids:
        counts[durations.module(id)] += 1
    return {
        id: module_seconds.get(module, counts[module] * 0.05) / counts[module]
        for id in ids
        for module in (durations.module(id),)
    }


def parts(ids: Sequence[str], seconds: Mapping[str, float]) -> dict[str, Part]:
    """Consecutive tests of a folder, for about PART_SECONDS."""
    part_of_test: dict[str, Part] = {}
    numbers: dict[str, int] = defaultdict(int)
    filled: dict[str, float] = defaultdict(float)
    for id in ids:
        folder = id.partition("::")[0].rpartition("/")[0]
        if filled[folder] and filled[folder] + seconds[id] > PART_SECONDS:
            numbers[folder] += 1
            filled[folder] = 0
        filled[folder] += seconds[id]
        part_of_test[id] = (folder, numbers[folder])
    return part_of_test


def next_part(parts: Sequence[tuple[Part, float]], folder: str | None) -> Part:
    """A long one; or one of the same folder; or one of the folder with most work left."""
    longest, seconds = max(parts, key=lambda each: each[1])
    if seconds > LONG_SECONDS:
        return longest
    work: dict[str, float] = defaultdict(float)
    for part, seconds in parts:
        work[part[0]] += seconds
    if folder not in work:
        folder = max(work, key=lambda each: work[each])
    return max((each for each in parts if each[0][0] == folder), key=lambda each: each[1])[0]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[object]:
    run = getattr(item.config, "workerinput", {}).get("testrunuid")
    if run is None:
        return (yield)
    is_quiet = item.get_closest_marker("quiet") is not None
    with _turn(Path(tempfile.gettempdir()) / f"cb-test-{run}", is_quiet):
        return (yield)


@contextmanager
def _turn(path: Path, is_quiet: bool) -> Iterator[None]:
    """A quiet test waits for the tests that run; the next ones wait for it in `entrance`."""
    with (
        path.with_suffix(".entrance").open("w") as entrance,
        path.with_suffix(".lock").open("w") as lock,
    ):
        fcntl.flock(entrance, fcntl.LOCK_EX)
        fcntl.flock(lock, fcntl.LOCK_EX if is_quiet else fcntl.LOCK_SH)
        fcntl.flock(entrance, fcntl.LOCK_UN)
        yield
