"""Processes wait for the schema that they need, and only three commands migrate it."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2
import pytest

from models import db, schema_version
from runtime.settings import ROOT
from server.cli.main import COMMANDS
from tests.support import databases
from tests.support.own_postgres import administrator
from tests.support.programs import Program, free_port
from tests.support.service_urls import TestServices

FUTURE = "9999_future"
OLDER = schema_version.MIGRATIONS[-2]
MAY_MIGRATE = {"migrate", "up", "demo"}
ACCOUNT = ["create", "Example", "--email", "ops@voice.example", "--password", "correct horse 7"]
PERIOD = ["--from", "2026-11-01", "--to", "2026-11-02"]
URL = "http://127.0.0.1:9"
# Arguments with which a command reaches its database, if it uses one.
ARGUMENTS = {
    "demo": ["--port", "{port}", "--records", "100"],
    "test": ["--version"],
    "up": ["--port", "{port}"],
    "serve": ["--port", "{port}"],
    "worker": [],
    "migrate": [],
    "account": ACCOUNT,
    "key": ["create", "edge-1", "--account", "1", "--scope", "INGEST"],
    "simulate": ["--url", URL, "--key", "cb_1_k1_x", "--duration", "0.1"],
    "watch": ["--url", URL, "--key", "cb_1_k1_x"],
    "reconcile": ["--account", "1", *PERIOD],
    "doctor": [],
    "bench": [],
}
# The log of a long-running command while it waits
WAITS = {"serve": "schema not usable", "worker": "waits for the schema", "simulate": "trying again"}
NO_DATA_DIR = {"test", "simulate", "watch", "bench"}


@pytest.mark.parametrize(
    ("applied", "oldest_code", "missing", "newer"),
    [
        ([], {}, 2, ()),
        (["1"], {}, 1, ()),
        (["1", "2"], {}, 0, ()),
        (["1", "2", "3"], {}, 0, ("3",)),
        (["1", "2", "3"], {"3": "2"}, 0, ()),
        (["1", "2", "3"], {"3": "1"}, 0, ()),
        (["1", "2", "3", "4"], {"3": "1"}, 0, ("4",)),
        (["1", "2", "3", "4"], {"3": "1", "4": "3"}, 0, ("4",)),
        (["1", "3"], {"3": "1"}, 1, ()),
    ],
)
def test_a_schema_is_usable_with_all_migrations_and_only_compatible_newer_ones(
    applied: Sequence[str], oldest_code: dict[str, str], missing: int, newer: tuple[str, ...]
) -> None:
    schema = schema_version.compare(applied, oldest_code, ["1", "2"])
    assert (schema.missing, schema.newer) == (missing, newer)
    assert schema.is_usable == (not missing and not newer)
    assert (schema.problem is None) == schema.is_usable


def test_every_migration_comes_before_the_one_that_names_the_schema() -> None:
    names = schema_version.MIGRATIONS
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    modules = [import_module(f"models.migrations.{name}") for name in names]
    earlier = {name for module in modules for _, name in module.Migration.dependencies}
    last = set(names) - earlier - {"0003_ended"}  # released so
    assert last == {schema_version.REQUIRED}


@asynccontextmanager
async def new_database(services: TestServices, last: str | None) -> AsyncIterator[str]:
    """Without a table, or migrated as far as `last`."""
    name = f"callboard_schema_{os.getpid()}"
    async with databases.create(services.database_url, name) as url:
        if last is not None:
            await db.open_database(url)
            try:
                await db.migrate(last)
            finally:
                await db.close_database()
        yield url


@pytest.fixture
def environment(services: TestServices) -> dict[str, str]:
    return {
        "CALLBOARD_REDIS_URL": urlunsplit(urlsplit(services.redis_url)),
        "CALLBOARD_SECRET_KEY": "a key for tests alone, long enough to sign with",
    }


async def command(name: str, *arguments: str, **environment: str) -> tuple[int | None, str]:
    """Exit code and output of a command that ends by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "server.cli", name, *arguments),
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "400"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@contextmanager
def logged(program: Program) -> Iterator[Program]:
    """Started, with its output in its log."""
    with tempfile.TemporaryDirectory() as folder:
        program.log = Path(folder) / "log"
        with program:
            yield program


def log_of(program: Program) -> str:
    assert program.log is not None
    return program.log.read_text()


async def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - other processes change it
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("last", [None, OLDER])
@pytest.mark.usefixtures("redis")
async def test_web_and_worker_wait_for_the_schema_and_continue_without_a_restart(
    services: TestServices, environment: dict[str, str], last: str | None
) -> None:
    async with new_database(services, last) as url:
        environment["CALLBOARD_DATABASE_URL"] = url
        with logged(Program.web(environment)) as web, logged(Program.worker(environment)) as worker:
            pids = (web.pid, worker.pid)
            async with httpx2.AsyncClient(base_url=web.url, timeout=30) as client:
                answer = await client.get("/readyz")
                assert answer.status_code == 503
                [problem] = [text for text in answer.json()["problems"] if "schema" in text]
                assert schema_version.REQUIRED in problem
                assert (last or "empty") in problem
                viewer = await client.post("/graphql", json={"query": "{ viewer { __typename } }"})
                assert viewer.status_code == 503
                extensions = viewer.json()["errors"][0]["extensions"]
                assert extensions == {"code": "UNAVAILABLE", "retryAfterSeconds": 5}
                delivery = await client.post("/ingest/calls", content=b"[{]")
                assert (delivery.status_code, delivery.json()["code"]) == (503, "UNAVAILABLE")
                assert int(delivery.headers["retry-after"]) >= 1
                assert (await client.get("/healthz")).status_code == 200
                await until(lambda: "waits for the schema" in log_of(worker))
                code, output = await command("migrate", **environment)
                assert code == 0
                assert schema_version.REQUIRED in output
                async with asyncio.timeout(120):
                    while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
                assert (await client.post("/ingest/calls", content=b"[]")).status_code == 401
            assert (web.pid, worker.pid) == pids
            assert "Traceback" not in log_of(web) + log_of(worker)


async def set_newer(url: str, oldest_code: str | None = None) -> None:
    """As a newer Callboard's migrate leaves it."""
    async with administrator(url) as conn:
        await conn.execute(
            "INSERT INTO tortoise_migrations (app, name, applied_at) VALUES ('models', $1, now())",
            FUTURE,
        )
        if oldest_code is not None:
            mark = schema_version.mark_compatible(FUTURE, oldest_code=oldest_code)
            await conn.execute(mark.sql)


@pytest.mark.usefixtures("redis")
async def test_no_command_starts_on_a_newer_schema_and_each_names_both_versions(
    services: TestServices, environment: dict[str, str], tmp_path: Path
) -> None:
    async with new_database(services, schema_version.REQUIRED) as url:
        await set_newer(url)
        environment["CALLBOARD_DATABASE_URL"] = url
        folder = ["--data-dir", str(tmp_path)]
        for name in ("serve", "worker", "migrate", "up", "demo", "account", "reconcile", "doctor"):
            arguments = [part.format(port=free_port()) for part in ARGUMENTS[name]]
            async with asyncio.timeout(180):
                code, output = await command(name, *arguments, *folder, **environment)
            assert code == 1, (name, output)
            assert FUTURE in output, (name, output)
            assert schema_version.REQUIRED in output, (name, output)
            assert "Traceback" not in output, (name, output)


@pytest.mark.usefixtures("redis")
async def test_a_newer_schema_that_is_marked_compatible_is_used(
    services: TestServices, environment: dict[str, str]
) -> None:
    async with new_database(services, schema_version.REQUIRED) as url:
        await set_newer(url, oldest_code=schema_version.REQUIRED)
        environment["CALLBOARD_DATABASE_URL"] = url
        code, output = await command("migrate", **environment)
        assert code == 0
        assert FUTURE in output
        with logged(Program.web(environment)) as web, logged(Program.worker(environment)):
            async with httpx2.AsyncClient(base_url=web.url, timeout=30) as client:
                async with asyncio.timeout(120):
                    while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110
                        await asyncio.sleep(0.1)


@pytest.mark.parametrize("last", [None, OLDER])
async def test_doctor_fails_on_an_outdated_schema(
    services: TestServices, environment: dict[str, str], tmp_path: Path, last: str | None
) -> None:
    async with new_database(services, last) as url:
        environment["CALLBOARD_DATABASE_URL"] = url
        code, output = await command("doctor", "--data-dir", str(tmp_path), **environment)
        assert code == 1
        [line] = [line for line in output.splitlines() if "database" in line and "schema" in line]
        assert line.startswith("bad")
        assert schema_version.REQUIRED in line
        assert "./callboard migrate" in line


async def tables(url: str) -> int:
    async with administrator(url) as conn:
        count: int = await conn.fetchval(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )
    return count


def test_these_tests_run_every_command() -> None:
    assert set(ARGUMENTS) == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
@pytest.mark.usefixtures("redis")
async def test_only_migrate_up_and_demo_migrate(
    services: TestServices, environment: dict[str, str], tmp_path: Path, name: str
) -> None:
    async with new_database(services, None) as url:
        environment["CALLBOARD_DATABASE_URL"] = url
        arguments = [part.format(port=free_port()) for part in ARGUMENTS[name]]
        if name not in NO_DATA_DIR:
            arguments += ["--data-dir", str(tmp_path)]
        program = Program([name, *arguments], environment, None)
        with logged(program):
            process: subprocess.Popen[Any] | None = program.process
            assert process is not None
            async with asyncio.timeout(90):
                while process.poll() is None and WAITS.get(name, "\0") not in log_of(program):
                    if name in MAY_MIGRATE and await tables(url):
                        break
                    await asyncio.sleep(0.05)
            output = log_of(program)
        assert bool(await tables(url)) == (name in MAY_MIGRATE), output
        if name in ("account", "key", "reconcile"):
            assert process.returncode == 1, output
            assert "./callboard migrate" in output
