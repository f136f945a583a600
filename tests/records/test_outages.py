"""A database that cannot store loses no record and causes no internal error."""

import asyncio
import json
import os
import pwd
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from models import db
from resolvers.identity import accounts
from runtime import clock, embedded
from tests.support.own_postgres import administrator, own_servers, standby
from tests.support.programs import Program
from tests.support.records import sample_records
from tests.support.records.posting import Switch, issue_key

SIZE = 40
BATCHES = 12
EMAIL, PASSWORD = "owner@voice.example", "correct horse 7"
VIEWER = "{ viewer { ... on Staff { account { customers { edges { node { name } } } } } } }"
CREATE = (
    'mutation { createCustomer(input: {name: "New", reference: "new", currency: "EUR"})'
    " { __typename ... on Refusal { code } } }"
)
CHANNELS = "subscription { liveChannels { inUse } }"


@dataclass
class Installation:
    """The real processes on servers of the test's own, and callers of each kind."""

    urls: embedded.Urls
    web: Program
    client: httpx2.AsyncClient
    switch: Switch
    staff: dict[str, str]
    statuses: list[int] = field(default_factory=list)
    pushes: list[int] = field(default_factory=list)

    async def ready(self) -> tuple[int, list[str]]:
        answer = await self.client.get("/readyz")
        return answer.status_code, answer.json()["problems"]

    async def ask(self, query: str) -> dict[str, Any]:
        answer = await self.client.post("/graphql", json={"query": query}, headers=self.staff)
        body: dict[str, Any] = answer.json()
        return body

    async def deliver(self, numbers: range) -> None:
        """As a switch does: each batch again until it is acknowledged."""
        for number in numbers:
            events = [self.switch.end(f"call-{number}-{n}") for n in range(SIZE)]
            content = json.dumps(events).encode()
            while True:
                answer = await self.switch.post(content)
                self.statuses.append(answer.status_code)
                if answer.status_code == 200:
                    break
                assert answer.status_code == 503, answer.text
                assert answer.json()["code"] == "UNAVAILABLE"
                assert int(answer.headers["retry-after"]) >= 1
                await asyncio.sleep(0.05)

    async def stored(self) -> int:
        async with administrator(self.urls.database_url) as conn:
            count: int = await conn.fetchval(
                "SELECT count(DISTINCT call_id) FROM call_records WHERE call_id LIKE 'call-%'"
            )
        return count

    async def follow(self) -> None:
        headers = self.staff | {"Accept": "text/event-stream"}
        async with self.client.stream(
            "POST", "/graphql", json={"query": CHANNELS}, headers=headers
        ) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data:") and '"inUse":' in line:
                    data = json.loads(line.removeprefix("data:"))
                    self.pushes.append(data["data"]["liveChannels"]["inUse"])

    @property
    def log(self) -> str:
        assert self.web.log is not None
        return self.web.log.read_text()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 40) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - other processes change it
            await asyncio.sleep(0.05)


@pytest.fixture
def urls() -> Iterator[embedded.Urls]:
    with own_servers() as server_urls:
        yield server_urls


async def seed(url: str) -> tuple[int, int, str]:
    """The ids of an account and a customer in a new database, and a key to post with."""
    await db.open_database(url)
    try:
        await db.migrate()
        account = await accounts.create("Example Voice", EMAIL, PASSWORD, clock.now())
        account_id = account.account.id
        customer_id = await sample_records.customer(account_id, "acme")
        await sample_records.carrier(account_id, "carrier-a")
        return account_id, customer_id, await issue_key(account_id)
    finally:
        await db.close_database()


@asynccontextmanager
async def running(
    urls: embedded.Urls, seeded: tuple[int, int, str], database_url: str | None = None
) -> AsyncIterator[Installation]:
    account_id, customer_id, key = seeded
    environment = {
        "CALLBOARD_DATABASE_URL": database_url or urls.database_url,
        "CALLBOARD_REDIS_URL": urls.redis_url,
        "CALLBOARD_SECRET_KEY": "a key for tests alone, long enough to sign with",
        "CALLBOARD_DATABASE_POOL": "4",
    }
    web, worker = Program.web(environment), Program.worker(environment)
    with tempfile.TemporaryDirectory() as folder:
        web.log, worker.log = Path(folder) / "web.log", Path(folder) / "worker.log"
        with web, worker:
            async with httpx2.AsyncClient(base_url=web.url, timeout=60) as client:
                installation = Installation(
                    urls, web, client, Switch(client, account_id, customer_id, clock.now(), key), {}
                )
                yield installation
        assert faults_in(installation.log) + faults_in(worker.log.read_text()) == []


async def sign_in(installation: Installation) -> None:
    query = (
        f'mutation {{ login(input: {{email: "{EMAIL}", password: "{PASSWORD}"}})'
        " { ... on Session { token } } }"
    )
    token = (await installation.ask(query))["data"]["login"]["token"]
    installation.staff = {"Authorization": f"Bearer {token}"}


def faults_in(log: str) -> list[str]:
    """The ends of lines with a traceback or of an error.

    An hour whose rebuild loses its session is set aside with that error, and retried.
    """
    words = ("Traceback", '"level": "error"')
    return [
        line[-1500:]
        for line in log.splitlines()
        if any(word in line for word in words)
        and not ("hour not rebuilt" in line and "closed" in line)
    ]


def lines(log: str, words: str) -> int:
    return sum(words in line for line in log.splitlines())


async def read_only_by_setting(installation: Installation) -> None:
    async with administrator(installation.urls.database_url) as conn:
        await conn.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await conn.execute("SELECT pg_reload_conf()")


async def writable_by_setting(installation: Installation) -> None:
    async with administrator(installation.urls.database_url) as conn:
        await conn.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await conn.execute("SELECT pg_reload_conf()")


async def read_only_for_new_sessions(installation: Installation) -> None:
    """A pool that has old sessions and new ones is read-only in part."""
    async with administrator(installation.urls.database_url) as conn:
        await conn.execute("ALTER DATABASE callboard SET default_transaction_read_only = on")
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def writable_for_new_sessions(installation: Installation) -> None:
    """Old sessions stay read-only."""
    async with administrator(installation.urls.database_url) as conn:
        await conn.execute("SET default_transaction_read_only = off")
        await conn.execute("ALTER DATABASE callboard RESET default_transaction_read_only")


READ_ONLY = [
    (read_only_by_setting, writable_by_setting),
    (read_only_for_new_sessions, writable_for_new_sessions),
]


@pytest.mark.parametrize(("start", "end"), READ_ONLY)
async def test_a_read_only_database_refuses_writes_and_serves_queries_and_pushes(
    urls: embedded.Urls,
    start: Callable[[Installation], Awaitable[None]],
    end: Callable[[Installation], Awaitable[None]],
) -> None:
    async with running(urls, await seed(urls.database_url)) as installation:
        await sign_in(installation)
        await installation.switch.send(installation.switch.start("live-1"))
        following = asyncio.create_task(installation.follow())
        await until(lambda: _is((200, []), installation.ready))
        await installation.deliver(range(2))
        await start(installation)
        delivering = asyncio.create_task(installation.deliver(range(2, BATCHES)))
        await until(lambda: _is(503, lambda: _first(installation.ready())))
        assert any("read-only" in problem for problem in (await installation.ready())[1])
        await until(lambda: _is(True, lambda: _value(503 in installation.statuses)))
        assert "errors" not in await installation.ask(VIEWER)
        [error] = (await installation.ask(CREATE))["errors"]
        assert error["extensions"] == {"code": "UNAVAILABLE", "retryAfterSeconds": 1}
        await installation.switch.send(installation.switch.start("live-2"))
        await until(lambda: _is(True, lambda: _value(2 in installation.pushes)))
        await end(installation)
        await until(lambda: _is((200, []), installation.ready))
        await delivering
        following.cancel()
        assert await installation.stored() == BATCHES * SIZE
        names = await installation.ask(VIEWER)
        assert "New" not in json.dumps(names)
        answer = (await installation.ask(CREATE))["data"]["createCustomer"]
        assert answer["__typename"] == "Customer"
        assert set(installation.statuses) == {200, 503}
        assert lines(installation.log, "database available again") >= 1
        assert lines(installation.log, "READ_ONLY") <= 2
        assert lines(installation.log, "database unavailable") <= 4


async def test_a_standby_serves_queries_and_stores_records_once_it_is_promoted(
    urls: embedded.Urls,
) -> None:
    seeded = await seed(urls.database_url)
    with standby(urls.database_url) as url:
        await until(lambda: _answers(url))
        async with running(urls, seeded, url) as installation:
            code, problems = await installation.ready()
            assert code == 503
            assert any("read-only" in problem for problem in problems)
            delivering = asyncio.create_task(installation.deliver(range(3)))
            await until(lambda: _is(True, lambda: _value(installation.statuses.count(503) > 2)))
            async with administrator(url) as conn:
                assert await conn.fetchval("SELECT pg_promote()")
            await delivering
            await until(lambda: _is((200, []), installation.ready))
            async with administrator(url) as conn:
                assert await conn.fetchval("SELECT count(*) FROM call_records") == 3 * SIZE


async def test_terminating_database_sessions_during_ingest_loses_no_record(
    urls: embedded.Urls,
) -> None:
    async with running(urls, await seed(urls.database_url)) as installation:
        parts = [range(n, BATCHES, 3) for n in range(3)]
        delivering = asyncio.gather(*(installation.deliver(part) for part in parts))
        async with administrator(urls.database_url) as conn:
            while not delivering.done():
                await conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " AND random() < 0.5"
                )
                await asyncio.sleep(0.1)
        await delivering
        assert await installation.stored() == BATCHES * SIZE


async def test_exhausted_connections_lose_no_record(urls: embedded.Urls) -> None:
    seeded = await seed(urls.database_url)
    async with administrator(urls.database_url) as conn:
        await conn.execute("CREATE ROLE callboard LOGIN SUPERUSER")
        await conn.execute("GRANT postgres TO callboard")
        await conn.execute("ALTER ROLE callboard NOSUPERUSER")
        await conn.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO callboard")
        await conn.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO callboard")
        url = urls.database_url.replace("postgres@", "callboard@")
        async with running(urls, seeded, url) as installation:
            await installation.deliver(range(1))
            await conn.execute("ALTER ROLE callboard CONNECTION LIMIT 0")
            await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'callboard' AND pid <> pg_backend_pid()"
            )
            delivering = asyncio.create_task(installation.deliver(range(1, 3)))
            await until(lambda: _is(503, lambda: _first(installation.ready())))
            await until(lambda: _is(True, lambda: _value(503 in installation.statuses)))
            await conn.execute("ALTER ROLE callboard CONNECTION LIMIT -1")
            await delivering
            await until(lambda: _is((200, []), installation.ready))
            assert await installation.stored() == 3 * SIZE


@contextmanager
def small_disk() -> Iterator[Path]:
    """A folder of 64 MB that the user of the embedded servers owns."""
    folder = Path(tempfile.mkdtemp(prefix="cb-disk-", dir="/tmp"))
    mounted = _mounted_by_root if os.geteuid() == 0 else _mounted_in_namespace
    try:
        with mounted(folder) as disk:
            yield disk
    finally:
        folder.rmdir()


@contextmanager
def _mounted_by_root(folder: Path) -> Iterator[Path]:
    options = f"size=64m,uid={pwd.getpwnam('nobody').pw_uid},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def _mounted_in_namespace(folder: Path) -> Iterator[Path]:
    """Where an ordinary user may mount: other processes reach it through the process that did."""
    mount = f"mount -t tmpfs -o size=64m,mode=700 tmpfs {folder} && echo mounted && exec cat"
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mounted\n", "allow user namespaces, or run as root"
        yield Path(f"/proc/{holder.pid}/root{folder}")
        holder.stdin.close()


async def test_a_full_disk_loses_no_record(urls: embedded.Urls) -> None:
    with small_disk() as disk:
        async with administrator(urls.database_url) as conn:
            await conn.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
            await conn.execute("CREATE DATABASE small TABLESPACE small")
        url = urls.database_url.replace("/callboard", "/small")
        small = embedded.Urls(url, urls.redis_url)
        try:
            async with running(small, await seed(url)) as installation:
                await sign_in(installation)
                await until(lambda: _is((200, []), installation.ready))
                await installation.deliver(range(1))
                with (disk / "other").open("wb", buffering=0) as other:
                    try:
                        while other.write(b"x" * 4096):
                            pass
                    except OSError:
                        pass
                numbers = range(1, BATCHES)
                delivering = asyncio.create_task(installation.deliver(numbers))
                await until(lambda: _is(True, lambda: _value(503 in installation.statuses)))
                code, problems = await installation.ready()
                assert code == 503
                assert any("disk" in problem for problem in problems)
                assert "errors" not in await installation.ask(VIEWER)
                (disk / "other").unlink()
                await delivering
                await until(lambda: _is((200, []), installation.ready))
                assert await installation.stored() == BATCHES * SIZE
                assert set(installation.statuses) == {200, 503}
                assert 1 <= lines(installation.log, "DISK_FAILED") <= 3
        finally:
            async with administrator(urls.database_url) as conn:
                await conn.execute("DROP DATABASE small WITH (FORCE)")
                await conn.execute("DROP TABLESPACE small")


async def _is(expected: object, ask: Callable[[], Awaitable[Any]]) -> bool:
    return bool(await ask() == expected)


async def _first(pair: Awaitable[tuple[int, list[str]]]) -> int:
    return (await pair)[0]


async def _value(value: Any) -> Any:
    return value


async def _answers(url: str) -> bool:
    try:
        async with administrator(url):
            return True
    except Exception:
        return False
