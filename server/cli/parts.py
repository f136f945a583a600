"""Starts the processes of Callboard, watches them, restarts and stops them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import structlog
import typer

from runtime import child, private_files
from runtime.settings import ROOT
from server import wire

_TICK_SECONDS = 0.2
_STABLE_SECONDS = 10.0
_MAX_WAIT_SECONDS = 3.0

log = structlog.get_logger("callboard.parts")


@dataclass(frozen=True, slots=True)
class Part:
    """A command of Callboard. Its output goes to the log file, or without one to this terminal."""

    name: str
    arguments: Sequence[str]
    log: Path | None = None


def require_free_port(host: str, port: int) -> None:
    """Ends the command if the port is in use."""
    try:
        with socket.create_server((host, port)):
            return
    except OSError as error:
        # socket.create_server appends the address to the reason.
        reason = str(error.strerror).partition(" (while")[0]
        typer.secho(f"callboard: port {port} of {host}: {reason}.", err=True, fg="red")
        typer.echo("Select another port, such as --port 8001.", err=True)
        raise typer.Exit(1) from error


class _Running:
    def __init__(self, part: Part, environment: Mapping[str, str]) -> None:
        self.part = part
        self.environment = environment
        self.failures = 0
        self.due: float | None = None
        self.start()

    def start(self) -> None:
        self.started = time.monotonic()
        self.due = None
        output = None if self.part.log is None else private_files.open_log(self.part.log)
        try:
            self.process = subprocess.Popen(
                child.command(sys.executable, "-P", "-m", "server.cli", *self.part.arguments),
                env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # this process passes Ctrl-C on
            )
        finally:
            if output is not None:
                output.close()

    def restart_if_due(self) -> None:
        """Restarts the part if it has ended: at once, or with growing delays if it keeps ending."""
        now = time.monotonic()
        code = self.process.poll()
        if code is None:
            if now - self.started > _STABLE_SECONDS:
                self.failures = 0
            return
        if self.due is None:
            wait = min(self.failures * 0.5, _MAX_WAIT_SECONDS)
            self.failures += 1
            self.due = now + wait
            log.warning("part ended", part=self.part.name, code=code, restart_in_seconds=wait)
        if now >= self.due:
            self.start()


class Parts:
    """Runs parts until Ctrl-C or SIGTERM. None outlives this process, even after kill -9."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.running: list[_Running] = []
        self.is_stopping = False

    def add(self, part: Part) -> None:
        self.running.append(_Running(part, self.environment))

    def watch(self, until: Callable[[], bool] = lambda: False) -> bool:
        """Keeps the parts running until a signal (False) or until the condition holds (True)."""
        while not self.is_stopping:
            if until():
                return True
            for running in self.running:
                running.restart_if_due()
            time.sleep(_TICK_SECONDS)
        return False

    def end(self, name: str) -> None:
        """Ends one part, which is not restarted; the others continue."""
        ending = [running for running in self.running if running.part.name == name]
        self.running = [running for running in self.running if running not in ending]
        _end(ending)

    def stop(self) -> None:
        _end(self.running)

    def _ask(self, signum: int, frame: FrameType | None) -> None:
        self.is_stopping = True

    def __enter__(self) -> Self:
        self.previous = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        for signum, handler in self.previous.items():
            signal.signal(signum, handler)


def _end(ending: Sequence[_Running]) -> None:
    """Terminates all at once, and kills those that have not ended in time."""
    processes = [running.process for running in ending]
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + wire.SHUTDOWN_TIMEOUT_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
