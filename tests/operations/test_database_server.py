"""The configured PostgreSQL server: its settings and the checks of `doctor`."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from models import database_server, db, faults
from runtime.settings import ROOT
from server.cli import database_checks
from tests.support.pooler import pooler

POOL = 3
GOOD = database_server.ServerSettings(
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
async def reopened_database(database: str) -> AsyncIterator[str]:
    """The URL of the test's database, which is closed."""
    await db.close_database()
    yield database
    await db.close_database()
    await db.open_database(database)


async def test_every_connection_disables_jit_on_a_server_that_enables_it(
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
    assert (await database_server.read_settings()).jit == "on"


def _end_session(url: str, pid: int) -> None:
    """Returns once the session has ended, which the caller's event loop cannot notice."""

    async def end() -> None:
        apart = await asyncpg.connect(url)
        assert await apart.fetchval("SELECT pg_terminate_backend($1, 20000)", pid)
        await apart.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, end()).result()


async def test_a_transaction_on_a_lost_connection_reports_unavailable(
    database: str,
) -> None:
    async with db.connection() as conn:
        pid = await conn.fetchval("SELECT pg_backend_pid()")
    _end_session(database, pid)
    with pytest.raises(faults.UnavailableError):
        async with db.transaction():
            pass
    async with db.transaction() as conn:
        assert await conn.fetchval("SELECT pg_backend_pid()") != pid


async def test_a_connection_to_the_server_keeps_its_session(database: str) -> None:
    assert await database_server.keeps_sessions()


async def test_a_connection_through_a_transaction_pooler_does_not_keep_its_session(
    reopened_database: str,
) -> None:
    async with pooler(reopened_database) as between:
        await db.open_database(between.url)
        assert not await database_server.keeps_sessions()
        await db.close_database()


async def test_doctor_reports_that_a_transaction_pooler_cannot_be_used(
    reopened_database: str, tmp_path: Path
) -> None:
    async with pooler(reopened_database) as between:
        state, detail = (await _doctor(tmp_path, between.url))["sessions"]
    assert state == "bad"
    assert "pool_mode = session" in detail


async def test_doctor_checks_the_configured_server(reopened_database: str, tmp_path: Path) -> None:
    findings = await _doctor(tmp_path, reopened_database)
    assert findings["sessions"][0] == findings["time zone"][0] == "good"
    assert findings["locks"][0] in ("good", "note")
    assert findings["database"][1].endswith("(current)")
    assert {"encoding", "memory"} & set(findings) == set()


async def _doctor(folder: Path, url: str) -> dict[str, tuple[str, str]]:
    """The findings, by subject."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "server.cli", "doctor", "--json", "--data-dir", str(folder)),
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "CALLBOARD_DATABASE_URL": url}
        | {"CALLBOARD_REDIS_URL": "redis://127.0.0.1:9"},
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return {
        finding["subject"]: (finding["state"], finding["detail"]) for finding in json.loads(out)
    }


def findings(days: int = 407, **changes: Any) -> dict[str, tuple[str, str]]:
    checks = database_checks.findings(replace(GOOD, **changes), days)
    return {finding.subject: (finding.state, finding.detail) for finding in checks}


def test_a_server_with_good_settings_has_no_finding() -> None:
    assert {state for state, _ in findings().values()} == {"good"}
    assert "Europe/Berlin" in findings()["time zone"][1]


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
        ({"database_size": 9 << 30}, "memory", "note", "128 MB is small"),
        ({"max_locks_per_transaction": 64}, "locks", "note", "Set it to 128 for 8"),
        ({"max_locks_per_transaction": 64, "max_connections": 200}, "locks", "good", "allows 15"),
        ({"record_indexes": 8}, "locks", "note", "Set it to 192 for 8"),
        ({"record_indexes": 0}, "locks", "good", "407 partitions"),
    ],
)
def test_an_unsuitable_setting_is_named_with_the_remedy(
    changes: dict[str, Any], subject: str, state: str, advice: str
) -> None:
    assert findings(**changes)[subject][0] == state
    assert advice in findings(**changes)[subject][1]


def test_the_lock_table_has_capacity_for_at_least_a_year() -> None:
    assert "365 partitions" in findings(days=30)["locks"][1]
    assert "1,007 partitions" in findings(days=1_007)["locks"][1]


async def test_a_statement_on_all_partitions_needs_the_locks_that_doctor_counts(
    database: str,
) -> None:
    """Each partition and each of its indexes, so that the figure is of what PostgreSQL does."""
    async with db.transaction() as conn:
        for day in range(1, 21):
            await conn.execute(
                f"CREATE TABLE day_{day} PARTITION OF call_records FOR VALUES"
                f" FROM ('2031-01-{day:02}') TO ('2031-01-{day + 1:02}')"
            )
    each = 1 + (await database_server.read_settings()).record_indexes
    async with db.transaction() as conn:
        await conn.fetch("EXPLAIN SELECT count(*) FROM call_records")
        locks = await conn.fetchval(
            "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()"
            " AND relation::regclass::text LIKE 'day\\_%'"
        )
    assert locks == 20 * each
