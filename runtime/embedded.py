"""Embedded PostgreSQL and Valkey of a data folder, which run while any command uses them."""

import errno
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from runtime import private_files
from runtime.embedded_processes import ServerError
from runtime.embedded_supervisor import RECORD_FILE

_ROOT = Path(__file__).resolve().parent.parent
_JOIN_TIMEOUT_SECONDS = 120.0
_STOP_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Urls:
    """The URLs of the embedded servers."""

    database_url: str
    redis_url: str


@contextmanager
def servers(data_dir: Path, *, durable: bool = True) -> Iterator[Urls]:
    """Uses the servers of the folder. The first command starts them, the last one stops them.

    `durable=False`: faster, but data may be lost on a power failure (for tests). The first command
    decides. Raises `ServerError` with the end of the server's log.
    """
    data_dir = _create_folder(data_dir.resolve())
    member = _Member(data_dir, durable=durable)
    try:
        yield member.urls
    finally:
        member.leave()


def secret_key(data_dir: Path) -> str:
    """The key of the folder, created once, which only its owner can read. Raises `ServerError`."""
    path = _create_folder(data_dir) / "secret.key"
    if not path.exists():
        fresh = data_dir / f"secret.key.{os.getpid()}"
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(fresh, path)  # fails if another command was faster
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text()


def _create_folder(data_dir: Path) -> Path:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable_error(data_dir, error.strerror) from None
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise _unusable_error(data_dir, os.strerror(errno.EACCES))
    return data_dir


def _unusable_error(data_dir: Path, reason: str | None) -> ServerError:
    advice = "set --data-dir to a folder that you can write to"
    return ServerError(f"the data folder {data_dir} cannot be used: {reason}; {advice}")


class _Member:
    """A command's connection to the supervisor, which reconnects if the supervisor is killed."""

    def __init__(self, data_dir: Path, *, durable: bool) -> None:
        self.data_dir = data_dir
        self.durable = durable
        self.leaving = threading.Event()
        self.lock = threading.Lock()
        self.connection, self.urls = self._join()
        self.monitor = threading.Thread(target=self._monitor, name="embedded servers", daemon=True)
        self.monitor.start()

    def leave(self) -> None:
        """Disconnects. The last command waits until the servers have stopped."""
        with self.lock:
            self.leaving.set()
            self._disconnect()
        self.monitor.join(_STOP_TIMEOUT_SECONDS)
        self.connection.close()

    def _disconnect(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)

    def _monitor(self) -> None:
        while True:
            with suppress(OSError):
                self.connection.recv(1)
            if self.leaving.is_set():
                return
            self.connection.close()
            connection = self._join_again()
            with self.lock:
                self.connection = connection
                if self.leaving.is_set():
                    self._disconnect()

    def _join_again(self) -> socket.socket:
        while True:
            try:
                return self._join()[0]
            except (ServerError, OSError, subprocess.SubprocessError) as error:
                print(f"callboard: {error}. Trying again.", file=sys.stderr)
                time.sleep(1)

    def _join(self) -> tuple[socket.socket, Urls]:
        deadline = time.monotonic() + _JOIN_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            connection = _connect(self.data_dir) or self._start()
            answer = _read_line(connection)
            if "error" in answer:
                connection.close()
                raise ServerError(answer["error"])
            if answer:
                return connection, Urls(**answer)
            connection.close()  # the supervisor was ending, or another command was faster
            time.sleep(0.05)
        raise ServerError(
            f"the servers of {self.data_dir} do not answer; read its logs/supervisor.log"
        )

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        mode = "durable" if self.durable else "volatile"
        path = self.data_dir / "logs" / "supervisor.log"
        with theirs, private_files.open_log(path) as log:
            arguments = [str(self.data_dir), str(theirs.fileno()), mode]
            subprocess.run(
                [sys.executable, "-m", "runtime.embedded_supervisor", *arguments],
                cwd=_ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                check=True,
            )
        return ours


def socket_folder(data_dir: Path) -> Path | None:
    """The folder of the running servers' sockets, as recorded in the data folder."""
    try:
        return Path(json.loads((data_dir / RECORD_FILE).read_text())["sockets"])
    except FileNotFoundError:
        return None


def _connect(data_dir: Path) -> socket.socket | None:
    folder = socket_folder(data_dir)
    if folder is None:
        return None
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(f"{folder}/join.sock")
    except OSError:
        connection.close()
        return None
    return connection


def _read_line(connection: socket.socket) -> dict[str, str]:
    """The single line that the supervisor sends; empty if it ended first."""
    data = b""
    connection.settimeout(_JOIN_TIMEOUT_SECONDS)
    try:
        while not data.endswith(b"\n"):
            chunk = connection.recv(4096)
            if not chunk:
                return {}
            data += chunk
    except ConnectionResetError:
        return {}
    connection.settimeout(None)
    answer: dict[str, str] = json.loads(data)
    return answer
