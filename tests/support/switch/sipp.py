"""SIPp as callers and as carriers, and their observations from its message trace."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from runtime import child

SCENARIOS = Path(__file__).with_name("scenarios")


class Sipp:
    """One SIPp on its own port. `name` names its files in `folder`."""

    def __init__(self, folder: Path, name: str, scenario: str, port: int, *more: str) -> None:
        sipp = shutil.which("sipp")
        assert sipp is not None, "SIPp is not installed; .ci/run installs it"
        self.name = name
        self.trace = folder / f"{name}.messages"
        self.errors = folder / f"{name}.errors"
        self._statistics = folder / f"{name}.csv"
        self._output = folder / f"{name}.out"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                child.command(
                    *(sipp, "-sf", str(SCENARIOS / f"{scenario}.xml"), "-nostdin"),
                    *("-i", "127.0.0.1", "-p", str(port)),
                    *("-trace_msg", "-message_file", str(self.trace)),
                    *("-trace_err", "-error_file", str(self.errors)),
                    *("-trace_stat", "-stf", str(self._statistics), "-fd", "1"),
                    *more,
                ),
                cwd=folder,
                env={**os.environ, "TZ": "UTC", "TERM": "dumb"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def succeeded(self) -> int:
        """Calls that went through the scenario, as SIPp counted."""
        return self._counted("SuccessfulCall(C)")

    @property
    def failed(self) -> int:
        return self._counted("FailedCall(C)")

    def _counted(self, column: str) -> int:
        names, *rows = [line.split(";") for line in self._statistics.read_text().splitlines()]
        return int(rows[-1][names.index(column)])

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGUSR1)  # as the key q: ends when no call is left
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def complaint(self) -> str:
        errors = self.errors.read_text(errors="replace") if self.errors.exists() else ""
        return f"{self.name}: {self._output.read_text(errors='replace')[-500:]}\n{errors[:3000]}"


def carrier(folder: Path, name: str, scenario: str, port: int) -> Sipp:
    return Sipp(folder, name, scenario, port)


def calls(
    folder: Path,
    name: str,
    scenario: str,
    port: int,
    to: int,
    number: str,
    count: int,
    rate: float,
    *more: str,
) -> Sipp:
    """`count` calls to `number` through the switch at port `to`, `rate` a second."""
    arguments = ("-s", number, "-m", str(count), "-r", str(rate), "-timeout", "60", *more)
    return Sipp(folder, name, scenario, port, f"127.0.0.1:{to}", *arguments)


@dataclass(slots=True)
class TracedCall:
    """A call as one SIPp saw it. `code`: the final answer to its INVITE."""

    invite_at: datetime
    ringing_at: datetime | None = None
    answer_at: datetime | None = None
    end_at: datetime | None = None
    code: int | None = None
    bye_sent: bool | None = None  # by this SIPp, or received by it
    cancelled: bool = False
    infos: set[str] = field(default_factory=set)

    @property
    def talk(self) -> float:
        """Seconds."""
        if self.answer_at is None or self.end_at is None:
            return 0.0
        return (self.end_at - self.answer_at).total_seconds()

    @property
    def pdd(self) -> float | None:
        if self.ringing_at is None:
            return None
        return (self.ringing_at - self.invite_at).total_seconds()


def calls_in(trace: Path) -> dict[str, TracedCall]:
    """Calls by `Call-ID;tag of the caller`, from a SIPp's message trace."""
    calls: dict[str, TracedCall] = {}
    for at, sent_at, message in _messages(trace):
        first, method, call = message.split("\r\n", 1)[0], _method(message), _call(message)
        if method == "INVITE" and first.startswith("INVITE"):
            calls.setdefault(call, TracedCall(at))
            continue
        call_trace = calls.get(call) or calls.get(_call(message, "To"))
        if call_trace is None:
            continue
        if first.startswith("SIP/2.0"):
            if method == "INVITE":
                _answered(call_trace, int(first.split()[1]), at)
        elif method == "BYE" and call_trace.bye_sent is None:
            call_trace.bye_sent, call_trace.end_at = sent_at, at
        elif method == "CANCEL":
            call_trace.cancelled = True
        elif method == "INFO":
            call_trace.infos.add(_header(message, "CSeq"))
    return calls


def _answered(call_trace: TracedCall, code: int, at: datetime) -> None:
    if 180 <= code < 190 and call_trace.ringing_at is None:
        call_trace.ringing_at = at
    if code < 200 or call_trace.code is not None:
        return
    call_trace.code = code
    if code < 300:
        call_trace.answer_at = at
    else:
        call_trace.end_at = at


_STAMP = re.compile(r"^-{20,} (\d{4}-\d\d-\d\d)[\t ](\d\d:\d\d:\d\d\.\d{6})\n", re.MULTILINE)


def _messages(trace: Path) -> Iterator[tuple[datetime, bool, str]]:
    """When, whether sent, and the message."""
    if not trace.exists():
        return
    with trace.open(newline="", errors="replace") as file:
        parts = _STAMP.split(file.read())
    for day, time_of_day, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        intro, _, message = text.partition("\n\n")
        at = datetime.fromisoformat(f"{day} {time_of_day}").replace(tzinfo=UTC)
        yield at, "sent" in intro, message


def _header(message: str, name: str) -> str:
    match = re.search(rf"^{name}: *(.*?)\r?$", message, re.MULTILINE | re.IGNORECASE)
    return match[1] if match else ""


def _method(message: str) -> str:
    return _header(message, "CSeq").partition(" ")[2].strip()


def _call(message: str, header: str = "From") -> str:
    tag = _header(message, header).rpartition(";tag=")[2]
    return f"{_header(message, 'Call-ID')};{tag}"


def wait_until_bound(*ports: int, seconds: float = 5.0) -> None:
    """Until SIPp listens on each of the ports."""
    deadline = time.monotonic() + seconds
    expected = {f"{port:04X}" for port in ports}
    while time.monotonic() < deadline:
        rows = Path("/proc/net/udp").read_text().splitlines()[1:]
        if expected <= {row.split()[1].rpartition(":")[2] for row in rows}:
            return
        time.sleep(0.02)
    sys.exit(f"SIPp did not bind {ports}")
