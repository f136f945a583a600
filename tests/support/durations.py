"""A pytest plugin: the duration of each test module, as stored in tests/durations.txt.

`--write-durations` renews the file after a whole run.
"""

from collections import defaultdict
from pathlib import Path

import pytest

FILE = Path(__file__).parent.parent / "durations.txt"
_LEAST_SECONDS = 2.0  # of a module that is listed in the file
_FAR_OFF = 30.0  # seconds of a module that is not listed in the file

_taken: dict[str, float] = defaultdict(float)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-durations", action="store_true", help="renew tests/durations.txt by this run"
    )


def module(id: str) -> str:
    """The name of a test's module: it stays if the module moves to another folder."""
    return Path(id.partition("::")[0]).stem


def read() -> dict[str, float]:
    """Seconds by module."""
    lines = [line.split() for line in FILE.read_text().splitlines()]
    return {name: float(seconds) for seconds, name in lines}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _taken[module(report.nodeid)] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    is_complete = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if is_complete and terminalreporter.config.getoption("--write-durations"):
        lines = [f"{s:4.0f} {name}\n" for name, s in _taken.items() if s >= _LEAST_SECONDS]
        FILE.write_text("".join(sorted(lines, reverse=True)))
        return
    durations = read()
    far_off = [name for name, s in _taken.items() if s > 2 * durations.get(name, 0) + _FAR_OFF]
    if far_off and terminalreporter.config.getoption("numprocesses", 0):
        terminalreporter.write_line(
            f"Longer than in tests/durations.txt: {', '.join(sorted(far_off))}."
            " If that stays so, run ./callboard test --write-durations."
        )
