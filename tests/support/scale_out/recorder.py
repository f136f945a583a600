"""Records the statements that the product runs in this process, each once, with where it is run.

A file of the folder `STATEMENTS_FOLDER` for each process: lines of JSON, complete even after a
kill -9.
"""

import json
import os
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models import engine

FOLDER = "STATEMENTS_FOLDER"
ROOT = Path(__file__).resolve().parents[3]
_SITE = Path(__file__).with_name("site")
_PREFIX = f"{ROOT}{os.sep}"
# These run statements for others.
_CARRIERS = {"models/db.py", "models/engine.py", "tests/support/scale_out/recorder.py"}


@dataclass(frozen=True, slots=True)
class Statement:
    sql: str
    function: str  # such as `models.messaging.outbox.claim`
    line: str  # such as `models/messaging/outbox.py:58`


class Connection(engine.Connection):
    """asyncpg passes every prepared statement to `_get_statement`, the others to `execute`."""

    is_copying = False  # asyncpg then prepares a SELECT of its own to learn the columns' types

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        _record(query)
        _sent.append(query)
        tag: str = await super().execute(query, *args, **options)
        return tag

    async def _get_statement(self, query: str, *args: Any, **options: Any) -> Any:
        if not self.is_copying:
            _record(query)
            _sent.append(query)
        return await super()._get_statement(query, *args, **options)

    async def copy_records_to_table(
        self, table_name: str, *, columns: Sequence[str] | None = None, **options: Any
    ) -> str:
        names = f" ({', '.join(columns)})" if columns else ""
        _record(f"COPY {table_name}{names} FROM STDIN")
        self.is_copying = True
        try:
            tag: str = await super().copy_records_to_table(table_name, columns=columns, **options)
        finally:
            self.is_copying = False
        return tag


# Of no table, and savepoints have a name of their own each time.
_OF_TRANSACTIONS = ("BEGIN", "COMMIT", "SAVEPOINT", "ROLLBACK", "RELEASE")
# asyncpg's own look-up of types, once for a connection.
_OF_CONNECTIONS = (*_OF_TRANSACTIONS, "WITH RECURSIVE typeinfo_tree")
_recorded: set[str] = set()
_sent: deque[str] = deque(maxlen=10_000)
_file: int | None = None


def begin(folder: Path) -> None:
    """From now on, in this process and in those that it starts."""
    os.environ[FOLDER] = str(folder)
    inherited = os.environ.get("PYTHONPATH", str(ROOT)).split(os.pathsep)
    if str(_SITE) not in inherited:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(_SITE), *inherited])
    engine.Client.connection_class = Connection


def statements(folder: Path, files: str = "*.jsonl") -> list[Statement]:
    """What all processes recorded; `files`: a pattern of the names of their files."""
    return [
        Statement(**json.loads(line))
        for file in sorted(folder.glob(files))
        for line in file.read_text("utf-8").splitlines()
    ]


async def sent(work: Callable[[], Awaitable[object]]) -> list[str]:
    """The statements that this process sends while the work runs, without those of transactions."""
    _sent.clear()
    await work()
    return [sql for sql in _sent if not sql.lstrip().startswith(_OF_CONNECTIONS)]


def _record(sql: str) -> None:
    if sql in _recorded or sql.startswith(_OF_TRANSACTIONS):
        return
    place = _place()
    if place is not None:
        _recorded.add(sql)
        _write(Statement(sql, *place))


def _place() -> tuple[str, str] | None:
    """The function and the line that run the statement. None: a test, a measurement or a migration,
    which runs before tables are distributed."""
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename.removeprefix(_PREFIX)
        if path not in _CARRIERS:
            if path.startswith(("tests/", "bench/")) or "tortoise/migrations/" in path:
                return None
            if not path.startswith(("/", "<", ".venv/")):
                function = f"{frame.f_globals['__name__']}.{frame.f_code.co_qualname}"
                return function, f"{path}:{frame.f_lineno}"
        frame = frame.f_back
    return None


def _write(statement: Statement) -> None:
    global _file
    if _file is None:
        path = Path(os.environ[FOLDER], f"{os.getpid()}.jsonl")
        _file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(_file, json.dumps(asdict(statement)).encode() + b"\n")
