"""The real programs of Callboard as processes of a test, which always ends them."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from runtime import child
from runtime.settings import ROOT

_random = random.SystemRandom()  # Hypothesis seeds the other one
_START_SECONDS = 120.0  # on a busy machine
_STOP_SECONDS = 15.0


class Program:
    """`python -m server.cli …` with a settled port, so that it can be killed and started again."""

    def __init__(self, arguments: list[str], environment: dict[str, str], port: int | None) -> None:
        self.arguments = arguments
        self.environment = environment
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self.log: Path | None = None  # for its output; None: the output of the tests

    @classmethod
    def web(cls, environment: dict[str, str]) -> Self:
        port = free_port()
        return cls(["serve", "--port", str(port)], environment, port)

    @classmethod
    def worker(cls, environment: dict[str, str]) -> Self:
        return cls(["worker"], environment, None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Starts the program; a web process is waited for until it answers /healthz."""
        with nullcontext() if self.log is None else self.log.open("ab") as output:
            self.process = subprocess.Popen(
                child.command(sys.executable, "-P", "-m", "server.cli", *self.arguments),
                env={"PYTHONPATH": str(ROOT), **os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        if self.port is None:
            return
        try:
            self._wait_until_healthy()
        except BaseException:
            self.kill()  # a `with` that fails to begin does not end it
            raise

    def kill(self) -> None:
        """kill -9, and waits until the process has ended."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Hangs the program until `resume`."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Sends SIGTERM, and kills the process if it does not end."""
        if self.process is None or self.process.poll() is not None:
            return
        self.resume()
        self.process.terminate()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.arguments} ended with {self.process.returncode}")
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=10):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        raise RuntimeError(f"{self.arguments} does not answer /healthz")

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


def free_port() -> int:
    """A free port below those that the system assigns to connections, so that none of them uses
    it."""
    while True:
        port = _random.randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
