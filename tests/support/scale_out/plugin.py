"""Fails a run of the tests if a statement that the product ran breaks a rule of `rules.py`.

Each process records its own statements. The process that was started checks all of them at the end.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.support.scale_out import findings, recorder
from tests.support.scale_out.exemptions import EXEMPTIONS

# `./callboard test` leaves out the parts that run other programs, each with a `not`.
_WITHOUT_OTHER_PARTS = re.compile(r"(not \w+( and not \w+)*)?")
_failures = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    if _is_worker(config):
        recorder.begin(Path(os.environ[recorder.FOLDER]))
    else:
        recorder.begin(Path(tempfile.mkdtemp(prefix="cb-statements-")))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _is_worker(session.config):
        return
    folder = Path(os.environ[recorder.FOLDER])
    failures = findings.failures(recorder.statements(folder), EXEMPTIONS, all_ran=_all_ran(session))
    shutil.rmtree(folder, ignore_errors=True)
    session.config.stash[_failures] = failures
    if failures and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    failures = terminalreporter.config.stash.get(_failures, [])
    if failures:
        terminalreporter.section("statements on distributed tables: see docs/scale-out.md")
        for failure in failures:
            terminalreporter.line(failure, red=True)


def _is_worker(config: pytest.Config) -> bool:
    """Of pytest-xdist."""
    return hasattr(config, "workerinput")


def _all_ran(session: pytest.Session) -> bool:
    """Whether all tests of `./callboard test` ran and passed."""
    config = session.config
    return (
        session.exitstatus == pytest.ExitCode.OK
        and config.args_source == pytest.Config.ArgsSource.TESTPATHS
        and not config.option.collectonly
        and not config.option.keyword
        and not config.option.changed
        and _WITHOUT_OTHER_PARTS.fullmatch(config.option.markexpr) is not None
    )
