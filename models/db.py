"""The database: open, close, migrate, and get a connection with or without a transaction.

Queries are raw SQL on asyncpg or Tortoise models, freely mixed: inside `transaction()` both run on
the same connection and commit together.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from tortoise import Tortoise
from tortoise.connection import get_connection
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget
from tortoise.migrations.recorder import MigrationRecorder
from tortoise.migrations.schema_editor import AsyncpgSchemaEditor
from tortoise.transactions import in_transaction

from models import changes, engine
from models.faults import Condition

# asyncpg's Connection, which ships without types.
Connection: TypeAlias = Any
Isolation = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]

_APP = {
    "models": ["models.tables"],
    "default_connection": "default",
    "migrations": "models.migrations",
}
_MIGRATION_LOCK = 0x43616C6C  # an arbitrary key of an advisory lock: "Call"

_COPY_ROWS_PER_TURN = 250  # rows, 2 to 4 ms
STATEMENT_TIMEOUT_SECONDS = 60.0  # for one statement, such as a rebuild or an invoice of many rows


def config(
    url: str, *, pool: int = 10, statement_timeout: float | None = STATEMENT_TIMEOUT_SECONDS
) -> dict[str, Any]:
    """Tortoise's configuration for a `postgres://` URL; `?host=/folder` names a socket's folder."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    credentials = {
        "host": options.get("host") or parts.hostname or "127.0.0.1",
        "port": parts.port or int(options.get("port", 5432)),
        "user": unquote(parts.username or "postgres"),
        "password": unquote(parts.password) if parts.password else None,
        "database": parts.path.lstrip("/") or "callboard",
        "minsize": 1,
        "maxsize": pool,
        "timeout": engine.CONNECT_TIMEOUT_SECONDS,
        "command_timeout": statement_timeout,
        # Sums are compared and printed in UTC; a day is a UTC day.
        "server_settings": {"timezone": "UTC", "application_name": "callboard"},
        "reset": _keep_settings,
    }
    return {
        "connections": {"default": {"engine": engine.__name__, "credentials": credentials}},
        "apps": {"models": _APP},
        "use_tz": True,
        "timezone": "UTC",
    }


async def _keep_settings(_: Connection) -> None:
    """Skips RESET ALL, which costs a round trip per query: no setting outlives a transaction.

    asyncpg rolls back an open transaction before it calls this.
    """


async def open_database(
    url: str, *, pool: int = 10, statement_timeout: float | None = STATEMENT_TIMEOUT_SECONDS
) -> None:
    """Opens the process's one pool of connections; `close_database` closes it.

    A statement that takes longer than `statement_timeout` seconds raises TimeoutError (None: no
    limit).
    """
    await Tortoise.init(
        config=config(url, pool=pool, statement_timeout=statement_timeout),
        _enable_global_fallback=True,
    )


async def close_database() -> None:
    """Closes the pool within about a second; statements that still run then are aborted."""
    await Tortoise.close_connections()


async def migrate(last: str | None = None) -> None:
    """Migrates the opened database to the current schema, or only up to the migration `last`, in
    the order of their names. Several processes may call it at once."""
    client: Any = get_connection("default")
    async with client.acquire_connection() as conn:
        await conn.execute("SELECT pg_advisory_lock($1)", _MIGRATION_LOCK)
        try:
            await _migrate_once(last)
        finally:
            await conn.execute("SELECT pg_advisory_unlock($1)", _MIGRATION_LOCK)


async def _migrate_once(last: str | None) -> None:
    client: Any = get_connection("default")
    await MigrationRecorder(client).ensure_schema(AsyncpgSchemaEditor(client, atomic=False))
    targets = None
    if last is not None:
        names = [name for name in await pending_migrations() if name <= last]
        targets = [MigrationTarget("models", name) for name in names]
    # One transaction for the steps and their record: a process that is killed here leaves neither.
    async with in_transaction("default") as tx:
        await MigrationExecutor(tx, {"models": _APP}).migrate(targets, direction="forward")


async def pending_migrations() -> list[str]:
    """Names of the migrations that the opened database still lacks; changes nothing."""
    client: Any = get_connection("default")
    plan = await MigrationExecutor(client, {"models": _APP}).plan()
    return [step.migration.name for step in plan]


async def condition() -> Condition:
    """Checks whether the opened database can be used; raises nothing."""
    client: Any = get_connection("default")
    current: Condition = await client.monitor.check()
    return current


async def server_version() -> str:
    """PostgreSQL's version, such as `18.4`."""
    async with connection() as conn:
        return str(await conn.fetchval("SHOW server_version"))


@asynccontextmanager
async def connection() -> AsyncIterator[Connection]:
    """A connection for reading: that of the open `transaction()`, or else one of the pool."""
    client: Any = get_connection("default")
    async with client.acquire_connection() as conn:
        yield conn


async def copy(
    conn: Connection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """COPYs rows into a table; yields to other tasks after every 250 rows."""
    await conn.copy_records_to_table(table, records=_in_slices(rows), columns=columns)


async def _in_slices(rows: Iterable[tuple[Any, ...]]) -> AsyncIterator[tuple[Any, ...]]:
    for count, row in enumerate(rows, 1):
        yield row
        if count % _COPY_ROWS_PER_TURN == 0:
            await asyncio.sleep(0)


async def delete_rows(statement: str, *arguments: object) -> int:
    """Runs a DELETE; returns the number of deleted rows."""
    async with connection() as conn:
        tag: str = await conn.execute(statement, *arguments)
    return int(tag.removeprefix("DELETE "))


@asynccontextmanager
async def transaction(isolation: Isolation | None = None) -> AsyncIterator[Connection]:
    """One transaction, shared by raw SQL on the yielded connection and by Tortoise models.

    Work that follows its changes runs before it returns: see `models.changes`.
    """
    async with changes.collect(), in_transaction("default") as tx:
        conn: Connection = tx._connection
        if isolation is not None:
            await conn.execute(f"SET TRANSACTION ISOLATION LEVEL {isolation}")
        yield conn
