"""The statements that are recorded, and their locations."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models import db
from tests.support.programs import Program
from tests.support.scale_out import recorder
from tests.support.scale_out.recorder import Statement

# Runs like a module of the product: only its file name differs.
_EXAMPLE = """
async def run(conn, copy, now):
    await conn.execute("SELECT 1 AS way")
    await conn.execute("DELETE FROM accounts WHERE id < $1", 0)
    await conn.fetch("SELECT id AS way FROM accounts")
    await conn.executemany("UPDATE accounts SET name = $1 WHERE id = $2", [("", 1), ("", 2)])
    async with conn.transaction():
        async for _ in conn.cursor("SELECT name AS way FROM accounts"):
            pass
    await copy(conn, "accounts", ["name", "created_at"], [("Example", now)])
"""
_NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


async def test_every_way_to_run_a_statement_is_recorded_with_its_location(database: str) -> None:
    await _run("models/way.py")

    assert _recorded("models.way.run") == [
        ("SELECT 1 AS way", "models/way.py:3"),
        ("DELETE FROM accounts WHERE id < $1", "models/way.py:4"),
        ("SELECT id AS way FROM accounts", "models/way.py:5"),
        ("UPDATE accounts SET name = $1 WHERE id = $2", "models/way.py:6"),
        ("SELECT name AS way FROM accounts", "models/way.py:8"),
        ("COPY accounts (name, created_at) FROM STDIN", "models/way.py:10"),
    ]


async def test_a_process_records_a_statement_once(database: str) -> None:
    await _run("models/way.py")
    await _run("models/way.py")

    assert len(_recorded("models.way.run")) == 6


async def test_statements_of_tests_are_not_recorded(database: str) -> None:
    await _run("tests/way.py")

    assert _recorded("tests.way.run") == []


async def test_migrations_are_not_recorded(database: str) -> None:
    assert "CREATE TABLE customers" not in "".join(statement.sql for statement in _all())


def test_a_program_records_its_own_statements(web: Program) -> None:
    statements = recorder.statements(_folder(), f"{web.pid}.jsonl")

    assert "models.schema_version.read" in {statement.function for statement in statements}


def test_a_line_names_its_file(web: Program) -> None:
    for statement in recorder.statements(_folder(), f"{web.pid}.jsonl"):
        path, line = statement.line.split(":")
        assert (recorder.ROOT / path).is_file()
        assert int(line) > 0


async def _run(path: str) -> None:
    names: dict[str, Any] = {"__name__": path.removesuffix(".py").replace("/", ".")}
    exec(compile(_EXAMPLE, str(recorder.ROOT / path), "exec"), names)
    async with db.connection() as conn:
        await names["run"](conn, db.copy, _NOW)


def _recorded(function: str) -> list[tuple[str, str]]:
    return [
        (statement.sql, statement.line) for statement in _all() if statement.function == function
    ]


def _all() -> list[Statement]:
    return recorder.statements(_folder(), f"{os.getpid()}.jsonl")


def _folder() -> Path:
    return Path(os.environ[recorder.FOLDER])
