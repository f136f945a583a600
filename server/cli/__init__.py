"""The command line: `./callboard COMMAND`, one module per command or group of commands.

A module has `commands = typer.Typer()` with its commands (a group: `typer.Typer(name="account")`)
and stands in `server.cli.main.COMMANDS`. What a command needs of the services it takes from
`opened` or `configured`.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from redis.asyncio import Redis

from models import db
from runtime import services
from runtime.embedded_processes import ServerError
from runtime.settings import ROOT, Settings, SettingsError

DEFAULT_DATA_DIR = ROOT / "data" / "main"

DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        help="Folder of the embedded servers, the secret key and the logs.",
        show_default="data/main of the checkout",
    ),
]


@dataclass(frozen=True, slots=True)
class Opened:
    """A command's services: the database behind `models.db`, Redis, and where both came from."""

    settings: Settings
    redis: Redis


@contextmanager
def configured(data_dir: Path = DEFAULT_DATA_DIR) -> Iterator[Settings]:
    """`services.configured`, ending the command with one line where that cannot be."""
    try:
        with services.configured(data_dir) as settings:
            yield settings
    except (ServerError, SettingsError) as error:
        raise failed(str(error)) from error


def reached_at(settings: Settings, url: str) -> Settings:
    """The settings with that public URL, where none is configured: links in mails go there."""
    if "public_url" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"public_url": url})


def failed(why: str) -> typer.Exit:
    """Says why the command ends, in one line; to be raised."""
    typer.secho(f"callboard: {why}", err=True, fg="red")
    return typer.Exit(1)


@asynccontextmanager
async def reached(settings: Settings, *, pool: int) -> AsyncIterator[Redis]:
    """Opens what is configured, ending the command with one line where PostgreSQL is away."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    async with services.open_services(
        settings.database_url,
        settings.redis_url,
        pool=pool,
        answer_within=None,  # a migration takes what it takes; who waits can end it
    ) as found:
        try:
            await db.server_version()
        except Exception as error:  # whatever the driver says is the reason
            why = f"no connection to PostgreSQL: {error}; ./callboard doctor says more"
            raise failed(why) from error
        yield found.redis


@asynccontextmanager
async def opened(data_dir: Path = DEFAULT_DATA_DIR) -> AsyncIterator[Opened]:
    """Opens the configured or the embedded services for one command."""
    with configured(data_dir) as settings:
        async with reached(settings, pool=settings.database_pool) as redis:
            yield Opened(settings, redis)
