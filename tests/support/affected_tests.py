"""A pytest plugin: `--changed` runs only the tests that a change since main can affect."""

import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

from runtime.settings import ROOT
from tests.support import import_graph


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--changed",
        action="store_true",
        help="run only the tests that the changes since `main` can affect, committed or not",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--changed"):
        return
    files, affected = _changes()
    affected_items = [item for item in items if _can_be_affected(item, files, affected)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(affected_items)])
    items[:] = affected_items


def pytest_sessionfinish(session: pytest.Session) -> None:
    """That no test is affected is no failure."""
    is_empty = session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
    if is_empty and session.config.getoption("--changed"):
        session.exitstatus = pytest.ExitCode.OK


def _changes() -> tuple[set[Path], set[Path]]:
    """The changed files, and all that these can affect."""
    base = _git("merge-base", "HEAD", "main")[0]
    new = _git("ls-files", "--others", "--exclude-standard")
    files = [*_git("diff", "--name-only", base), *new]
    affected = import_graph.affected(ROOT, {*_git("ls-files"), *new}, files)
    return {ROOT / path for path in files}, {ROOT / path for path in affected}


def _git(*arguments: str) -> list[str]:
    command = ["git", "-c", "core.quotePath=false", *arguments]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise pytest.UsageError(
            f"--changed needs git and a branch `main`: {process.stderr.strip()}"
        )
    return process.stdout.splitlines()


def _can_be_affected(item: pytest.Item, files: set[Path], affected: set[Path]) -> bool:
    """By its module, or by a fixture: by the modules that this one uses, not by all that its own
    module imports, since the root conftest imports what most tests do not use."""
    fixtures: Any = getattr(item, "_fixtureinfo", None)
    definitions = fixtures.name2fixturedefs.values() if fixtures else ()
    functions = [each.func for defined in definitions for each in defined]
    return item.path in affected or any(
        Path(function.__code__.co_filename) in files
        or not affected.isdisjoint(_files_used(function))
        for function in functions
        if hasattr(function, "__code__")
    )


@cache
def _files_used(function: Callable[..., Any]) -> frozenset[Path]:
    module = function.__globals__
    files: set[Path] = set()
    waiting, functions = [function], {function}
    while waiting:
        for name in _global_names(waiting.pop().__code__):
            value = module.get(name)
            if isinstance(value, ModuleType):
                files.add(Path(value.__file__ or ""))
            elif getattr(value, "__globals__", None) is module and value not in functions:
                functions.add(value)
                waiting.append(value)
            elif isinstance(getattr(value, "__module__", None), str):
                files.add(ROOT / f"{value.__module__.replace('.', '/')}.py")
    return frozenset(files)


def _global_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)
