"""A running Callboard of one test, every process of which can fail."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime import clock
from runtime.settings import ROOT
from simulator import calls, delivery, run
from simulator.switch import Switch
from tests.support import processes
from tests.support.programs import free_port
from tests.support.scenarios import worlds
from tests.support.scenarios.board import PASSWORD, Board

OUTAGE = 3.0  # seconds a server is unavailable
EMAIL = "owner@voice.example"
LONGEST = 150  # seconds a switch makes calls; it is stopped before
CUSTOMERS = ("acme", "birch", "cedar")


async def simulate(
    url: str, key: str, switches: list[Switch], stop: asyncio.Event, cps: int
) -> dict[str, Any]:
    mix = calls.Mix(CUSTOMERS, ("carrier-a", "carrier-b", "carrier-c"), talk_seconds=12)
    async with delivery.connect(url, key) as deliver:
        return await run.simulate(
            deliver,
            mix,
            name="edge-1",
            cps=cps,
            stop=stop,
            duration=LONGEST,
            seed=7,
            watch=switches.append,
        )


def deadline(seconds: float) -> Iterator[float]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield end - time.monotonic()


@dataclass
class Installation:
    process: subprocess.Popen[bytes]
    data_dir: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill_web(self) -> None:
        self._killed("serve")

    def kill_worker(self) -> None:
        self._killed("worker")

    def lose_redis(self) -> None:
        self._stopped("valkey", signal.SIGKILL)

    def lose_postgres(self) -> None:
        self._stopped("postgres", signal.SIGQUIT)  # as a crash: it has to recover

    def stop(self, server: str, seconds: float) -> None:
        """Suspends an embedded server and all its processes for a while."""
        [pid] = self._servers(server)
        workers = [each for each in processes.running(server) if processes.parent_of(each) == pid]
        self._pause([pid, *workers], seconds)

    def stop_web(self, seconds: float) -> None:
        self._pause([processes.children(self.process.pid)["serve"]], seconds)

    def _pause(self, pids: list[int], seconds: float) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def _killed(self, part: str) -> None:
        """kill -9; another one runs within 5 s."""
        pid = processes.children(self.process.pid)[part]
        os.kill(pid, signal.SIGKILL)
        assert processes.eventually(
            lambda: processes.children(self.process.pid).get(part, pid) != pid, 5
        )

    @property
    def _supervisor(self) -> int:
        return int(json.loads((self.data_dir / "embedded.json").read_text())["supervisor"])

    def _servers(self, server: str) -> list[int]:
        supervisor = self._supervisor
        return [pid for pid in processes.running(server) if processes.parent_of(pid) == supervisor]

    def _stopped(self, server: str, how: signal.Signals) -> None:
        """Stops an embedded server, prevents its restart for a while, then allows it."""
        supervisor, [pid] = self._supervisor, self._servers(server)
        os.kill(supervisor, signal.SIGSTOP)
        try:
            os.kill(pid, how)
            assert processes.eventually(lambda: not processes.alive(pid), 10)
            time.sleep(OUTAGE)
        finally:
            os.kill(supervisor, signal.SIGCONT)


@contextmanager
def up(data_dir: Path) -> Iterator[Installation]:
    port = free_port()
    with (data_dir / "up.log").open("wb") as log:
        process = subprocess.Popen(
            command("up", "--port", str(port), "--data-dir", str(data_dir)),
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=ROOT,
        )
    installation = Installation(process, data_dir, port)
    try:
        yield installation
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "server.cli", *arguments]


@asynccontextmanager
async def prepared(installation: Installation) -> AsyncIterator[tuple[Board, str]]:
    """The board with an account, its customers, and a key for a switch."""
    assert await asyncio.to_thread(processes.eventually, ready(installation), 60)
    account = ["create", "Example Voice", "--email", EMAIL, "--password", PASSWORD]
    await asyncio.to_thread(
        subprocess.run,
        command("account", *account, "--data-dir", str(installation.data_dir)),
        check=True,
        capture_output=True,
        timeout=60,
        cwd=ROOT,
    )
    board = Board(installation.url)
    try:
        await board.sign_in(EMAIL)
        await board.settle(worlds.world(clock.now()))
        yield board, await board.key("INGEST")
    finally:
        await board.close()


def ready(installation: Installation) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{installation.url}/readyz", timeout=2):
                return True
        except OSError:
            return False

    return answers
