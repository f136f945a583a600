"""The process that owns the embedded servers of one data folder.

`python -m runtime.embedded_supervisor DATA_DIR DESCRIPTOR DURABLE`, started by the first command
that needs them (`runtime.embedded`). Every command holds a connection to it; when the last one
drops, even by kill -9, it stops the servers and ends. Killed itself, its servers die with it.
"""

import fcntl
import json
import os
import selectors
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runtime import unprivileged
from runtime.embedded_processes import Postgres, Server, ServerError, Valkey

RECORD = "embedded.json"
_TICK_SECONDS = 0.25
_BACKOFF_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.5, 3.0)
_SETTLED_SECONDS = 10.0


class Supervisor:
    def __init__(self, data_dir: Path, first: socket.socket, *, durable: bool) -> None:
        self.data_dir = data_dir
        self.users = {first}
        self.sockets = _private_folder(data_dir)
        self.postgres = Postgres(data_dir, self.sockets, durable=durable)
        self.servers: tuple[Server, ...] = (Valkey(data_dir, self.sockets), self.postgres)
        self.failures = dict.fromkeys(self.servers, 0)
        self.due: dict[Server, float] = {}
        self.started = dict.fromkeys(self.servers, time.monotonic())
        self.selector = selectors.DefaultSelector()
        self.listener = self._listen()
        self.stopping = False

    def urls(self) -> bytes:
        urls = {
            "database_url": f"postgres://postgres@/callboard?host={self.sockets}",
            "redis_url": f"unix://{self.sockets}/redis.sock?db=0",
        }
        return json.dumps(urls).encode() + b"\n"

    def start(self) -> None:
        self.servers[0].start()
        self.postgres.initialise()
        self.postgres.start()
        for server in self.servers:
            server.wait_ready()

    def run(self) -> None:
        """Serves until the last user is gone or a signal asks for the end."""
        signal.signal(signal.SIGTERM, self._on_signal)
        for user in list(self.users):
            self._greet(user)
        self.selector.register(self.listener, selectors.EVENT_READ)
        while self.users and not self.stopping:
            for key, _ in self.selector.select(_TICK_SECONDS):
                if key.fileobj is self.listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._dropped(key.fileobj)
            self._mend()

    def close(self) -> None:
        """Refuses new users first, so that they start anew; then stops what runs."""
        self.listener.close()
        for server in reversed(self.servers):
            server.stop()
        (self.data_dir / RECORD).unlink(missing_ok=True)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def _on_signal(self, *_: object) -> None:
        self.stopping = True

    def _listen(self) -> socket.socket:
        path = self.sockets / "join.sock"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(64)
        listener.setblocking(False)
        return listener

    def _accept(self) -> None:
        try:
            user, _ = self.listener.accept()
        except BlockingIOError:
            return
        self.users.add(user)
        self._greet(user)

    def _greet(self, user: socket.socket) -> None:
        self.selector.register(user, selectors.EVENT_READ)
        try:
            user.sendall(self.urls())
        except OSError:
            self._dropped(user)

    def _dropped(self, user: socket.socket) -> None:
        """A user says nothing more after joining: anything readable is its end."""
        self.selector.unregister(user)
        if len(self.users) > 1:
            self.users.discard(user)
            user.close()
        else:
            # The last one may wait for the end: its side stays open until all is stopped.
            self.stopping = True

    def _mend(self) -> None:
        """Starts a server that ended, soon the first time, then ever later up to 3 s."""
        now = time.monotonic()
        for server in self.servers:
            if server.is_running():
                if now - self.started[server] > _SETTLED_SECONDS:
                    self.failures[server] = 0
                continue
            if server not in self.due:
                wait = _BACKOFF_SECONDS[min(self.failures[server], len(_BACKOFF_SECONDS) - 1)]
                self.due[server] = now + wait
                self.failures[server] += 1
                print(f"{server.name} ended; starting it again in {wait} s", flush=True)
            if now >= self.due[server]:
                del self.due[server]
                self.started[server] = now
                server.start()


def _private_folder(data_dir: Path) -> Path:
    """The folder of the sockets: the recorded one if it is still there and ours, else a new one.

    Reused after a killed supervisor, so that the URLs its users hold stay true.
    """
    user = unprivileged.user_for(data_dir) or (os.getuid(), os.getgid())
    record = data_dir / RECORD
    if record.exists():
        known = Path(json.loads(record.read_text())["sockets"])
        if _is_private(known, user[0]):
            return known
    folder = Path(tempfile.mkdtemp(prefix="cb-", dir=_short_base()))
    os.chown(folder, *user)
    fresh = record.with_suffix(".new")
    fresh.write_text(json.dumps({"sockets": str(folder), "supervisor": os.getpid()}))
    fresh.replace(record)
    return folder


def _short_base() -> str:
    """Where a socket's path stays under 107 bytes whatever TMPDIR says."""
    base = tempfile.gettempdir()
    return base if len(base) < 60 else "/tmp"


def _is_private(folder: Path, uid: int) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    mode = stat.S_IMODE(found.st_mode)
    return stat.S_ISDIR(found.st_mode) and mode == 0o700 and found.st_uid in (uid, os.getuid())


def main() -> None:
    data_dir, descriptor, durable = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "durable"
    first = socket.socket(fileno=descriptor)
    # Nobody's child: the command that started us may end while others go on.
    if os.fork() > 0:
        os._exit(0)
    os.setsid()
    with (data_dir / "embedded.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another one owns this folder; the caller joins that
        supervise(data_dir, first, durable=durable)


def supervise(data_dir: Path, first: socket.socket, *, durable: bool) -> None:
    supervisor = Supervisor(data_dir, first, durable=durable)
    failure: Exception | None = None
    try:
        supervisor.start()
        supervisor.run()
    except (ServerError, OSError, subprocess.SubprocessError) as error:
        failure = error
    finally:
        supervisor.close()
    if failure is not None:
        first.sendall(json.dumps({"error": str(failure)}).encode() + b"\n")


if __name__ == "__main__":
    main()
