"""A separate database for a measurement."""

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from models import db
from runtime import services
from runtime.settings import Settings


@asynccontextmanager
async def database(
    *, statement_timeout: float | None = db.STATEMENT_TIMEOUT_SECONDS
) -> AsyncIterator[Settings]:
    """Opened, on the server that is configured or else an embedded one; dropped at the end.

    Yields the settings with the URLs of the database and of Redis. `statement_timeout` as
    `open_database` has it.
    """
    with (
        tempfile.TemporaryDirectory(prefix="cb-bench-") as folder,
        services.complete_settings(Path(folder)) as settings,
    ):
        assert settings.database_url is not None
        name = f"callboard_bench_{os.getpid()}"
        await _execute(settings.database_url, f'CREATE DATABASE "{name}"')
        try:
            parts = urlsplit(settings.database_url)
            url = urlunsplit(parts._replace(path=f"/{name}"))
            await db.open_database(url, statement_timeout=statement_timeout)
            yield settings.model_copy(update={"database_url": url})
        finally:
            await db.close_database()
            await _execute(settings.database_url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _execute(url: str, sql: str) -> None:
    await db.open_database(url)
    try:
        async with db.connection() as conn:
            await conn.execute(sql)
    finally:
        await db.close_database()
