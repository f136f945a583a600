"""Concurrent runs of `./callboard migrate` on one database."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from models import db, schema_version
from runtime.settings import ROOT

_AT_ONCE = 8


@pytest.fixture
async def empty(database: str) -> AsyncIterator[str]:
    """The URL of a database without a table, beside the test's own."""
    parts = urlsplit(database)
    name = f"{parts.path.lstrip('/')}_empty"
    async with db.connection() as conn:
        await conn.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        await _reopen(database)
        async with db.connection() as conn:
            await conn.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


async def test_eight_concurrent_migrations_of_one_empty_database_all_succeed(
    empty: str, tmp_path: Path
) -> None:
    servers = {"CALLBOARD_DATABASE_URL": empty, "CALLBOARD_REDIS_URL": "redis://127.0.0.1:9"}
    ended = await asyncio.gather(*(_migrate(tmp_path, servers) for _ in range(_AT_ONCE)))
    assert (
        ended
        == [(0, f"The database has the current schema, {schema_version.REQUIRED}.\n")] * _AT_ONCE
    )
    await _reopen(empty)
    assert await db.pending_migrations() == []
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM accounts") == 0


async def _migrate(data_dir: Path, servers: dict[str, str]) -> tuple[int | None, str]:
    """Exit code and output of `./callboard migrate`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "callboard"), "migrate", "--data-dir", str(data_dir)),
        env=os.environ | servers,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def _reopen(url: str) -> None:
    await db.close_database()
    await db.open_database(url)


def test_migrations_are_numbered_without_gaps_and_depend_on_earlier_ones() -> None:
    folder = ROOT / "models/migrations"
    names = sorted(path.stem for path in folder.glob("[0-9]*.py"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    for name in names[1:]:
        text = (folder / f"{name}.py").read_text()
        [before] = re.findall(r'dependencies = \[\("models", "(\w+)"\)\]', text)
        assert before in names[: names.index(name)], name
