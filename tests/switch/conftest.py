"""Prints the numbers of SIPp and of Callboard at the end of a run on the switch."""

import pytest

from tests.support.switch.comparison import COMPARISONS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for test, table in COMPARISONS.items():
        terminalreporter.section(f"SIPp and Callboard: {test}")
        terminalreporter.write_line(table)
