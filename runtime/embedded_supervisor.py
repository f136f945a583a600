"""The process that owns the embedded servers of one data folder.

`python -m runtime.embedded_supervisor DATA_DIR DESCRIPTOR DURABLE`, started by the first command
that needs them (`runtime.embedded`). Every command holds a connection to it. When the last one
closes, even by kill -9, it stops the servers and ends. If it is killed, its servers end with it.
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

RECORD_FILE = "embedded.json"
_TICK_SECONDS = 0.25
_BACKOFF_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.5, 3.0)
_STABLE_SECONDS = 10.0


class Supervisor:
    """Runs the servers of a data folder for its clients, the connected commands."""

    def __init__(self, data_dir: Path, first: socket.socket, *, durable: bool) -> None:
        self.data_dir = data_dir
        self.clients = {first}
        self.sockets = _private_folder(data_dir)
        self.postgres = Postgres(data_dir, self.sockets, durable=durable)
        self.servers: tuple[Server, ...] = (Valkey(data_dir, self.sockets), self.postgres)
        self.failures = dict.fromkeys(self.servers, 0)
        self.restart_at: dict[Server, float] = {}
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
        self.postgres.initialize()
        self.postgres.start()
        for server in self.servers:
            server.wait_until_ready()

    def run(self) -> None:
        """Serves until the last client disconnects or a signal arrives."""
        signal.signal(signal.SIGTERM, self._on_signal)
        for client in list(self.clients):
            self._send_urls(client)
        self.selector.register(self.listener, selectors.EVENT_READ)
        while self.clients and not self.stopping:
            for key, _ in self.selector.select(_TICK_SECONDS):
                if key.fileobj is self.listener:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._on_disconnect(key.fileobj)
            self._restart_ended()

    def close(self) -> None:
        """Refuses new clients, so that they start another supervisor; then stops the servers."""
        self.listener.close()
        for server in reversed(self.servers):
            server.stop()
        (self.data_dir / RECORD_FILE).unlink(missing_ok=True)
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
            client, _ = self.listener.accept()
        except BlockingIOError:
            return
        self.clients.add(client)
        self._send_urls(client)

    def _send_urls(self, client: socket.socket) -> None:
        self.selector.register(client, selectors.EVENT_READ)
        try:
            client.sendall(self.urls())
        except OSError:
            self._on_disconnect(client)

    def _on_disconnect(self, client: socket.socket) -> None:
        """A client sends nothing, so a readable connection is a closed one."""
        self.selector.unregister(client)
        if len(self.clients) > 1:
            self.clients.discard(client)
            client.close()
        else:
            # The last client may wait: its connection stays open until the servers stop.
            self.stopping = True

    def _restart_ended(self) -> None:
        """Restarts servers that have ended, after a growing delay of up to 3 s."""
        now = time.monotonic()
        for server in self.servers:
            if server.is_running():
                if now - self.started[server] > _STABLE_SECONDS:
                    self.failures[server] = 0
                continue
            if server not in self.restart_at:
                wait = _BACKOFF_SECONDS[min(self.failures[server], len(_BACKOFF_SECONDS) - 1)]
                self.restart_at[server] = now + wait
                self.failures[server] += 1
                print(f"{server.name} ended; restarting it in {wait} s", flush=True)
            if now >= self.restart_at[server]:
                del self.restart_at[server]
                self.started[server] = now
                server.start()


def _private_folder(data_dir: Path) -> Path:
    """The folder of the sockets: the recorded one if it still exists and is private, or a new one.

    Reused if a supervisor was killed, so that the URLs of its clients stay valid.
    """
    user = unprivileged.user_for(data_dir) or (os.getuid(), os.getgid())
    record = data_dir / RECORD_FILE
    if record.exists():
        folder = Path(json.loads(record.read_text())["sockets"])
        if _is_private(folder, user[0]):
            return folder
    folder = Path(tempfile.mkdtemp(prefix="cb-", dir=_short_temporary_folder()))
    os.chown(folder, *user)
    fresh = record.with_suffix(".new")
    fresh.write_text(json.dumps({"sockets": str(folder), "supervisor": os.getpid()}))
    fresh.replace(record)
    return folder


def _short_temporary_folder() -> str:
    """A folder for which the path of a socket stays below 107 bytes, whatever TMPDIR is."""
    base = tempfile.gettempdir()
    return base if len(base) < 60 else "/tmp"


def _is_private(folder: Path, uid: int) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    mode = stat.S_IMODE(status.st_mode)
    return stat.S_ISDIR(status.st_mode) and mode == 0o700 and status.st_uid in (uid, os.getuid())


def main() -> None:
    data_dir, descriptor, durable = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "durable"
    first = socket.socket(fileno=descriptor)
    # Detach, because the command that started it may end while others still run.
    if os.fork() > 0:
        os._exit(0)
    os.setsid()
    with (data_dir / "embedded.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another supervisor owns this folder; the caller connects to it
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
