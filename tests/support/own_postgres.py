"""A PostgreSQL of one test, which changes its settings and stops it."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from models import db
from runtime import embedded, embedded_processes, unprivileged


@contextmanager
def own_servers() -> Iterator[embedded.Urls]:
    with (
        tempfile.TemporaryDirectory(prefix="cb-own-", ignore_cleanup_errors=True) as folder,
        embedded.servers(Path(folder), durable=False) as urls,
    ):
        yield urls


@asynccontextmanager
async def administrator(url: str) -> AsyncIterator[Any]:
    """A connection outside all pools of Callboard."""
    credentials = db.config(url)["connections"]["default"]["credentials"]
    names = ("host", "port", "user", "password", "database")
    connection = await asyncpg.connect(**{name: credentials[name] for name in names})
    try:
        yield connection
    finally:
        await connection.close()


@contextmanager
def standby(primary_url: str) -> Iterator[str]:
    """A hot standby of the server; yields the URL of the same database there."""
    host = db.config(primary_url)["connections"]["default"]["credentials"]["host"]
    data_dir, sockets = Path(tempfile.mkdtemp(prefix="cb-")), Path(tempfile.mkdtemp(prefix="cb-"))
    server = embedded_processes.Postgres(data_dir, sockets, durable=False)
    user = unprivileged.user_for(data_dir) or (os.getuid(), os.getgid())
    for folder in (data_dir, sockets):
        os.chown(folder, *user)
    try:
        copy = ["-h", host, "-U", "postgres", "-D", str(server.folder), "-R", "-c", "fast"]
        server.run([str(server.bin / "pg_basebackup"), *copy])
        server.start()
        yield primary_url.replace(host, str(sockets))
    finally:
        server.stop()
        shutil.rmtree(data_dir)
        shutil.rmtree(sockets)
