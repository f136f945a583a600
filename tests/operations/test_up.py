"""`./callboard up`: web and worker on embedded servers, restarted after a failure and stopped at
the end.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from runtime.settings import ROOT
from tests.support import processes
from tests.support.programs import free_port


class Up:
    """A running `up`; `parts` are its web and worker process."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port
        self.start_seconds = 0.0

    def within(self, seconds: float) -> float:
        """The documented limit of a machine that starts it sooner; a busy machine may need that
        long."""
        return max(seconds, self.start_seconds)

    @property
    def parts(self) -> dict[str, int]:
        return processes.children(self.process.pid)

    def answers(self, path: str = "/healthz") -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def whole(self) -> bool:
        return self.answers("/readyz") and set(self.parts) == {"serve", "worker"}

    def restarted(self, part: str, killed: int) -> bool:
        return self.parts.get(part, killed) != killed


@contextmanager
def up(data_dir: Path, user: str = processes.USERS[0]) -> Iterator[Up]:
    port = free_port()
    arguments = ["up", "--port", str(port), "--data-dir", str(data_dir)]
    command = processes.as_user(user, sys.executable, str(ROOT / "callboard"), *arguments)
    with subprocess.Popen(command, text=True, start_new_session=True) as process:
        try:
            program, before = Up(process, port), time.monotonic()
            assert processes.eventually(program.whole, 180)
            program.start_seconds = time.monotonic() - before
            yield program
        finally:
            process.kill()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cb-up-") as name:
        yield Path(name)
        assert processes.eventually(lambda: not processes.running(name), 30)


def create_account(data_dir: Path, email: str) -> int:
    arguments = ["account", "create", "Demo", "--email", email, "--password", "correct horse 7"]
    return subprocess.run(
        [sys.executable, str(ROOT / "callboard"), *arguments, "--data-dir", str(data_dir)],
        capture_output=True,
        timeout=180,
        check=False,
    ).returncode


@pytest.mark.parametrize("user", processes.USERS)
def test_ctrl_c_stops_every_process_within_10_seconds(data_dir: Path, user: str) -> None:
    processes.own(data_dir, user)
    with up(data_dir, user) as running:
        parts = running.parts
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(running.within(10)) == 0
        assert not [part for part in parts.values() if processes.alive(part)]
        assert processes.eventually(lambda: not processes.running(str(data_dir)), running.within(2))


def test_killing_up_leaves_no_process_running(data_dir: Path) -> None:
    with up(data_dir) as running:
        parts = running.parts
        running.process.kill()
        assert processes.eventually(
            lambda: not any(map(processes.alive, parts.values())), seconds=running.within(5)
        )
        assert processes.eventually(
            lambda: not processes.running(str(data_dir)), running.within(10)
        )


def test_a_killed_process_is_restarted_within_5_seconds(data_dir: Path) -> None:
    with up(data_dir) as running:
        for part in ("serve", "worker"):
            killed = running.parts[part]
            os.kill(killed, signal.SIGKILL)
            assert processes.eventually(partial(running.restarted, part, killed), running.within(5))
            assert processes.eventually(running.whole, 180)


def test_other_commands_share_its_servers_and_a_second_start_keeps_the_data(data_dir: Path) -> None:
    with up(data_dir) as running:
        assert create_account(data_dir, "owner@demo.example") == 0
        running.process.terminate()
        assert running.process.wait(running.within(10)) == 0
    with up(data_dir):
        assert create_account(data_dir, "owner@demo.example") != 0
        assert create_account(data_dir, "second@demo.example") == 0


def run_up(data_dir: Path, port: int) -> subprocess.CompletedProcess[str]:
    arguments = ["up", "--port", str(port), "--data-dir", str(data_dir)]
    return subprocess.run(
        [sys.executable, str(ROOT / "callboard"), *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_port_in_use_is_reported_immediately(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = run_up(tmp_path, port)
    assert process.returncode == 1
    assert f"port {port} of 127.0.0.1: Address already in use." in process.stderr
    assert "--port" in process.stderr


def test_an_invalid_port_is_refused_as_an_argument(tmp_path: Path) -> None:
    process = run_up(tmp_path, 65_536)
    assert process.returncode == 2
    assert "Traceback" not in process.stderr


def test_up_prints_the_addresses_and_the_next_steps(data_dir: Path, tmp_path: Path) -> None:
    """On an address of its own; links of mails lead to the port that it was started with."""
    port, output = free_port(), tmp_path / "output"
    arguments = ["up", "--host", "127.0.0.2", "--port", str(port), "--data-dir", str(data_dir)]
    command = [sys.executable, str(ROOT / "callboard"), *arguments]
    url = f"http://127.0.0.2:{port}"
    with output.open("wb") as file, subprocess.Popen(command, stdout=file) as process:
        try:
            assert processes.eventually(lambda: "Ctrl-C stops" in output.read_text(), 60)
            worker = processes.children(process.pid)["worker"]
            environment = Path(f"/proc/{worker}/environ").read_bytes().decode().split("\0")
            assert f"CALLBOARD_PUBLIC_URL={url}" in environment
            text = output.read_text()
            for part in (f"{url}: GraphQL", "embedded PostgreSQL", "embedded Valkey"):
                assert part in text
            assert "--email ops@voice.example --password …" in text
            assert f"--data-dir {data_dir}" in text
            assert f"simulate --url {url}" in text
            assert create_account(data_dir, "owner@demo.example") == 0
        finally:
            process.terminate()
            process.wait(20)
