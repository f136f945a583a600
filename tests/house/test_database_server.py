"""The PostgreSQL server that Callboard is given: what is set there, and what `doctor` checks."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pooling import pooler

from models import db, server
from runtime.settings import ROOT
from server.cli import database_checks

POOL = 3
GOOD = server.Server(
    version="18.4",
    encoding="UTF8",
    jit="off",
    log_timezone="Europe/Berlin",
    fsync="on",
    full_page_writes="on",
    synchronous_commit="on",
    shared_buffers=128 << 20,
    database_size=1 << 30,
    max_locks_per_transaction=128,
    max_connections=100,
    max_prepared_transactions=0,
    record_indexes=3,
)


@pytest.fixture
async def reopened(database: str) -> AsyncIterator[str]:
    """The URL of the test's database, which is closed."""
    await db.close_database()
    yield database
    await db.close_database()
    await db.open_database(database)


async def test_every_connection_has_jit_off_on_a_server_whose_default_is_on(
    database: str,
) -> None:
    async with db.connection() as conn:
        await conn.execute(
            f'ALTER DATABASE "{await conn.fetchval("SELECT current_database()")}" SET jit = on'
        )
    await db.close_database()
    await db.open_database(database, pool=POOL)
    together = asyncio.Barrier(POOL)

    async def jit() -> str:
        async with db.connection() as conn:
            await together.wait()
            return str(await conn.fetchval("SHOW jit"))

    assert await asyncio.gather(*(jit() for _ in range(POOL))) == ["off"] * POOL
    assert (await server.describe()).jit == "on"


async def test_a_connection_to_the_server_keeps_its_session(database: str) -> None:
    assert await server.keeps_sessions()


async def test_behind_a_pooler_of_transactions_a_connection_does_not(reopened: str) -> None:
    async with pooler(reopened) as between:
        await db.open_database(between.url)
        assert not await server.keeps_sessions()
        await db.close_database()


async def test_doctor_says_that_a_pooler_of_transactions_cannot_be_used(
    reopened: str, tmp_path: Path
) -> None:
    async with pooler(reopened) as between:
        state, detail = (await _doctor(tmp_path, between.url))["sessions"]
    assert state == "bad"
    assert "pool_mode = session" in detail


async def test_doctor_checks_the_server_it_is_given(reopened: str, tmp_path: Path) -> None:
    found = await _doctor(tmp_path, reopened)
    assert found["sessions"][0] == found["time zone"][0] == "good"
    assert found["locks"][0] in ("good", "note")
    assert found["database"][1].endswith("current schema")
    assert {"encoding", "memory"} & set(found) == set()


async def _doctor(folder: Path, url: str) -> dict[str, tuple[str, str]]:
    """What it finds, by subject."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "server.cli", "doctor", "--json", "--data-dir", str(folder)),
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "CALLBOARD_DATABASE_URL": url}
        | {"CALLBOARD_REDIS_URL": "redis://127.0.0.1:9"},
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return {one["subject"]: (one["state"], one["detail"]) for one in json.loads(out)}


def found(days: int = 407, **changes: Any) -> dict[str, tuple[str, str]]:
    checks = database_checks.findings(replace(GOOD, **changes), days)
    return {one.subject: (one.state, one.detail) for one in checks}


def test_a_server_that_is_set_up_well_gets_no_note() -> None:
    assert {state for state, _ in found().values()} == {"good"}
    assert "Europe/Berlin" in found()["time zone"][1]


@pytest.mark.parametrize(
    ("changes", "subject", "state", "advice"),
    [
        ({"encoding": "SQL_ASCII"}, "encoding", "bad", "ENCODING 'UTF8'"),
        ({"fsync": "off"}, "durability", "bad", "Set fsync to on"),
        ({"full_page_writes": "off"}, "durability", "bad", "Set full_page_writes to on"),
        ({"synchronous_commit": "off"}, "durability", "bad", "Set synchronous_commit to on"),
        ({"synchronous_commit": "local"}, "durability", "good", "survives a crash"),
        ({"jit": "on"}, "JIT", "note", "turns it off for its own connections"),
        ({"shared_buffers": 16 << 20}, "memory", "note", "a quarter of the machine's memory"),
        ({"database_size": 9 << 30}, "memory", "note", "128 MB is little"),
        ({"max_locks_per_transaction": 64}, "locks", "note", "Set it to 128 for 8"),
        ({"max_locks_per_transaction": 64, "max_connections": 200}, "locks", "good", "room for 15"),
        ({"record_indexes": 8}, "locks", "note", "Set it to 192 for 8"),
        ({"record_indexes": 0}, "locks", "good", "407 partitions"),
    ],
)
def test_a_setting_that_matters_is_named_with_what_to_do(
    changes: dict[str, Any], subject: str, state: str, advice: str
) -> None:
    assert found(**changes)[subject][0] == state
    assert advice in found(**changes)[subject][1]


def test_room_for_locks_is_for_a_year_at_least() -> None:
    assert "365 partitions" in found(days=30)["locks"][1]
    assert "1,007 partitions" in found(days=1_007)["locks"][1]


async def test_a_statement_over_all_partitions_holds_the_locks_that_doctor_counts(
    database: str,
) -> None:
    """Each partition and each of its indexes, so that the figure is of what PostgreSQL does."""
    async with db.transaction() as conn:
        for day in range(1, 21):
            await conn.execute(
                f"CREATE TABLE day_{day} PARTITION OF call_records FOR VALUES"
                f" FROM ('2031-01-{day:02}') TO ('2031-01-{day + 1:02}')"
            )
    each = 1 + (await server.describe()).record_indexes
    async with db.transaction() as conn:
        await conn.fetch("EXPLAIN SELECT count(*) FROM call_records")
        held = await conn.fetchval(
            "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()"
            " AND relation::regclass::text LIKE 'day\\_%'"
        )
    assert held == 20 * each
