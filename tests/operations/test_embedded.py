"""The embedded servers of a data folder: their start, their shared use and their end."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from redis import Redis, RedisError

from models import db
from runtime import embedded, embedded_processes
from runtime.embedded_processes import ServerError
from runtime.settings import ROOT
from tests.support import processes

_HOLD = """
import sys
from pathlib import Path
from runtime import embedded
with embedded.servers(Path(sys.argv[1]), durable=False) as urls:
    print(urls.database_url, urls.redis_url, flush=True)
    sys.stdin.read()
"""


class Holder:
    """Another command that uses the servers until it is stopped or killed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        database_url, redis_url = process.stdout.readline().split()
        self.urls = embedded.Urls(database_url, redis_url)

    def let_go(self) -> None:
        self.process.communicate(timeout=30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def holder(
    data_dir: Path, user: str = processes.USERS[0], *, packages: Path = ROOT
) -> Iterator[Holder]:
    command = processes.as_user(user, sys.executable, "-c", _HOLD, str(data_dir))
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(packages)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Holder(process)
        finally:
            process.kill()


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cb-house-") as name:
        folder = Path(name)
        yield folder
        assert processes.eventually(lambda: not processes.running(name), 10)


async def _query(url: str, sql: str) -> str:
    options = db.config(url)["connections"]["default"]["credentials"]
    names = ("host", "port", "user", "password", "database")
    connection = await asyncpg.connect(**{name: options[name] for name in names})
    try:
        return str(await connection.fetchval(sql))
    finally:
        await connection.close()


async def _answers(urls: embedded.Urls) -> bool:
    try:
        with Redis.from_url(urls.redis_url) as client:
            return bool(client.ping()) and await _query(urls.database_url, "SELECT 1") == "1"
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, RedisError):
        return False


async def _back_within(urls: embedded.Urls, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if await _answers(urls):
            return True
    return False


def _named(data_dir: Path, program: str) -> int:
    """The first process of that program that belongs to the folder's servers."""
    pids = {
        pid
        for pid in processes.running(str(data_dir))
        if Path(f"/proc/{pid}/exe").resolve().name == program
    }
    (pid,) = (pid for pid in pids if processes.parent_of(pid) not in pids)
    return pid


@pytest.mark.parametrize("user", processes.USERS)
async def test_the_servers_run_as_root_and_as_another_user(data_dir: Path, user: str) -> None:
    processes.own(data_dir, user)
    with holder(data_dir, user) as process:
        assert await _answers(process.urls)
        assert (await _query(process.urls.database_url, "SHOW server_version")).startswith("18.")


async def test_the_servers_run_from_packages_that_other_users_cannot_read(data_dir: Path) -> None:
    closed = data_dir / "packages"
    closed.mkdir(mode=0o700)
    installed = embedded_processes.postgres_folder().parent
    for name in (installed.name, f"{installed.name}.libs"):
        (closed / name).symlink_to(installed.with_name(name))
    with holder(data_dir, packages=closed) as process:
        assert await _answers(process.urls)


async def test_commands_share_the_servers_until_the_last_command_ends(data_dir: Path) -> None:
    with holder(data_dir) as first, holder(data_dir) as second:
        assert first.urls == second.urls
        first.let_go()
        assert await _answers(second.urls)
        second.let_go()
        assert not embedded.socket_folder(data_dir)
        assert processes.eventually(lambda: not processes.running(str(data_dir)), 2)


async def test_many_concurrent_commands_start_one_pair_of_servers(data_dir: Path) -> None:
    with holder(data_dir) as a, holder(data_dir) as b, holder(data_dir) as c:
        assert a.urls == b.urls == c.urls
        assert _named(data_dir, "postgres")
        assert _named(data_dir, "valkey-server")


async def test_killing_the_last_command_stops_the_servers(data_dir: Path) -> None:
    with holder(data_dir) as process:
        process.kill()
        assert processes.eventually(lambda: not processes.running(str(data_dir)), 5)


async def test_stored_data_survives_a_stop(data_dir: Path) -> None:
    with embedded.servers(data_dir) as urls:
        await _query(urls.database_url, "CREATE TABLE kept AS SELECT 42 AS n")
    with embedded.servers(data_dir) as urls:
        assert await _query(urls.database_url, "SELECT n FROM kept") == "42"


@pytest.mark.parametrize("program", ["postgres", "valkey-server"])
async def test_a_killed_server_is_available_again_within_5_seconds(
    data_dir: Path, program: str
) -> None:
    with embedded.servers(data_dir, durable=False) as urls:
        os.kill(_named(data_dir, program), signal.SIGKILL)
        assert await _back_within(urls, 5)


async def test_killing_the_supervisor_stops_its_servers_and_it_is_replaced(data_dir: Path) -> None:
    with embedded.servers(data_dir, durable=False) as urls:
        before = _named(data_dir, "postgres")
        (supervisor,) = processes.running("runtime.embedded_supervisor " + str(data_dir))
        os.kill(supervisor, signal.SIGKILL)
        assert processes.eventually(lambda: before not in processes.running(str(data_dir)), 5)
        assert await _back_within(urls, 10)


async def test_the_sockets_are_private_and_their_paths_short(data_dir: Path) -> None:
    with embedded.servers(data_dir, durable=False):
        folder = embedded.socket_folder(data_dir)
        assert folder is not None
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert all(len(str(path)) < 100 for path in folder.iterdir())
        (postgres,) = folder.glob(".s.PGSQL.*[0-9]")
        assert postgres.is_socket()


async def test_a_server_that_cannot_start_is_named_with_its_last_log_lines(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir()
    refusal = pytest.raises(ServerError, match=r"postgres does not start: .*postgres")
    with refusal, embedded.servers(data_dir):
        pass


def test_the_secret_key_is_created_once_and_private(tmp_path: Path) -> None:
    key = embedded.secret_key(tmp_path)
    assert len(key) >= 32
    assert embedded.secret_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600


def test_no_port_is_opened(data_dir: Path) -> None:
    with embedded.servers(data_dir, durable=False):
        pids = [_named(data_dir, "postgres"), _named(data_dir, "valkey-server")]
        inodes = {os.readlink(fd) for pid in pids for fd in Path(f"/proc/{pid}/fd").iterdir()}
        listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        ours = {f"socket:[{line.split()[9]}]" for line in listening.splitlines() if ": " in line}
        assert not inodes & ours
