"""A second web process on the servers of a running Callboard."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.settings import ROOT
from tests.support.programs import free_port
from tests.support.scenarios.installation import Installation, command


class Second:
    """Another web process on the same servers."""

    def __init__(self, installation: Installation) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = command(
            "serve", "--port", str(self.port), "--data-dir", str(installation.data_dir)
        )
        self._log = installation.data_dir / "second.log"
        self.process = self.start()

    def start(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(self._command, stdout=log, stderr=log, cwd=ROOT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self.start()


@contextmanager
def second(installation: Installation) -> Iterator[Second]:
    other = Second(installation)
    try:
        yield other
    finally:
        other.process.send_signal(signal.SIGTERM)
        other.process.wait(20)
