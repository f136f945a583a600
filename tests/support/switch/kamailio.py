"""The real switch as a process of a test, with the configuration of deploy/kamailio."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from runtime.settings import ROOT

CONFIGURATION = ROOT / "deploy" / "kamailio" / "kamailio.cfg"
_LEASH = Path(__file__).with_name("leash.py")
_START_SECONDS = 15.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Line:
    """Where a customer calls from, and its set of carriers."""

    port: int
    customer: str
    carriers: int = 1
    more: str = ""  # such as ;limit=5

    def __str__(self) -> str:
        tag = f"customer={self.customer};carriers={self.carriers}{self.more}"
        return f"1 127.0.0.1 32 {self.port} {tag}"


@dataclass(frozen=True, slots=True)
class Route:
    """A carrier in a set; the highest priority is offered a call first."""

    set: int
    port: int
    priority: int
    carrier: str

    def __str__(self) -> str:
        return f"{self.set} sip:127.0.0.1:{self.port} 0 {self.priority} carrier={self.carrier}"


class Kamailio:
    """On a free port of 127.0.0.1, reporting as the switch `edge-1`."""

    def __init__(
        self,
        folder: Path,
        url: str,
        key: str,
        lines: Sequence[Line],
        routes: Sequence[Route],
        **settings: str,
    ) -> None:
        folder.mkdir()
        self.folder = folder
        self.port = free_udp_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._environment = {
            "CALLBOARD_LISTEN": f"udp:127.0.0.1:{self.port}",
            "CALLBOARD_URL": url,
            "CALLBOARD_INGEST_KEY": key,
            "CALLBOARD_SWITCH": "edge-1",
            "CALLBOARD_CUSTOMERS": _written(folder / "customers.list", lines),
            "CALLBOARD_CARRIERS": _written(folder / "carriers.list", routes),
            "CALLBOARD_RPC_FIFO": str(folder / "rpc.fifo"),
            "CALLBOARD_NO_REPLY_MS": "1000",
            "CALLBOARD_NO_ANSWER_MS": "2000",
            "CALLBOARD_BEAT": "2",
        } | settings

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Starts it and waits until it answers SIP."""
        kamailio = shutil.which("kamailio", path=f"{os.environ['PATH']}:/usr/sbin")
        assert kamailio is not None, "Kamailio is not installed; .ci/run installs it"
        folder = str(self.folder)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-S", str(_LEASH), kamailio, "-DD", "-E", "-M", "64"),
                    *("-f", str(CONFIGURATION), "-Y", folder, "-w", folder),
                ],
                env={**os.environ, **self._environment},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def kill(self) -> None:
        """kill -9 to all its processes."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        try:
            self._end(signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self._end(signal.SIGKILL)

    def _end(self, signum: int) -> None:
        if self.process is None:
            return
        assert self.process.stdin is not None
        if self.process.poll() is None:
            os.killpg(self.process.pid, signum)
            self.process.wait(_STOP_SECONDS)
        self.process.stdin.close()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            probe.settimeout(0.2)
            while time.monotonic() < deadline:
                assert self.process is not None
                if self.process.poll() is not None:
                    raise RuntimeError(f"Kamailio ended:\n{self.log}")
                probe.sendto(_options(probe.getsockname()[1], self.port), ("127.0.0.1", self.port))
                try:
                    probe.recv(2000)
                except TimeoutError:
                    continue
                return
        raise RuntimeError(f"Kamailio does not answer:\n{self.log}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _written(path: Path, lines: Sequence[object]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)


def _options(port: int, to: int) -> bytes:
    return (
        f"OPTIONS sip:127.0.0.1:{to} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-probe\r\n"
        f"From: <sip:probe@127.0.0.1:{port}>;tag=probe\r\nTo: <sip:127.0.0.1:{to}>\r\n"
        f"Call-ID: probe-{port}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 5\r\nContent-Length: 0\r\n\r\n"
    ).encode()
