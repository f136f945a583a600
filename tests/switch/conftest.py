"""SIPp's table beside Callboard's at the end of a run on the switch, green or red."""

import pytest
from measured import COMPARISONS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for test, table in COMPARISONS.items():
        terminalreporter.section(f"SIPp and Callboard: {test}")
        terminalreporter.write_line(table)
