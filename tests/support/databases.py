"""Databases of the tests on their server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from models import db


@asynccontextmanager
async def create(server: str, name: str, template: str = "template0") -> AsyncIterator[str]:
    """The URL of a new database, which is dropped in the end; `server` is the URL of another."""
    await _execute(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        await _execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


@asynccontextmanager
async def open_copy(server: str, name: str, template: str) -> AsyncIterator[str]:
    """A new one, opened through `models.db`."""
    async with create(server, name, template) as url:
        await db.open_database(url)
        try:
            yield url
        finally:
            await db.close_database()


async def _execute(server: str, sql: str) -> None:
    credentials = db.config(server)["connections"]["default"]["credentials"]
    options: dict[str, Any] = {
        key: credentials[key] for key in ("host", "port", "user", "password")
    }
    connection = await asyncpg.connect(**options, database="postgres")
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
