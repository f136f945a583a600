"""The command line: `./callboard COMMAND`, one module per command or group of commands.

A module has `commands = typer.Typer()` with its commands (a group: `typer.Typer(name="account")`)
and is listed in `server.cli.main.COMMANDS`. A command obtains the services that it needs from
`open_services` or `prepare_settings`.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from redis.asyncio import Redis

from models import db, schema_version
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


def _account_id(text: str) -> int:
    """A number as Callboard prints it."""
    if not re.fullmatch("[1-9][0-9]{0,17}", text):
        raise typer.BadParameter("Enter the number that `account create` printed, such as 1.")
    return int(text)


AccountId = Annotated[
    int, typer.Option(parser=_account_id, metavar="NUMBER", help="The account's id.")
]


@dataclass(frozen=True, slots=True)
class Services:
    """The services of a command: Redis, the settings, and the database behind `models.db`."""

    settings: Settings
    redis: Redis


@contextmanager
def prepare_settings(data_dir: Path = DEFAULT_DATA_DIR) -> Iterator[Settings]:
    """`services.complete_settings`; ends the command with one line if it fails."""
    try:
        with services.complete_settings(data_dir) as settings:
            yield settings
    except (ServerError, SettingsError) as error:
        raise failure(str(error)) from error


def with_public_url(settings: Settings, url: str) -> Settings:
    """The settings with `url` as the public URL, the target of links, if none is set."""
    if "public_url" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"public_url": url})


def failure(reason: str) -> typer.Exit:
    """Prints why the command fails, in one line; returns the exception to raise."""
    typer.secho(f"callboard: {reason}", err=True, fg="red")
    return typer.Exit(1)


@asynccontextmanager
async def connect(settings: Settings, *, pool: int) -> AsyncIterator[Redis]:
    """Opens the configured services; ends the command if PostgreSQL is unavailable."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    async with services.open_services(
        settings.database_url,
        settings.redis_url,
        pool=pool,
        statement_timeout=None,  # a migration may take long; the user can end it
    ) as opened_services:
        try:
            await db.server_version()
        except Exception as error:  # every error of the driver is a reason
            reason = f"no connection to PostgreSQL: {error}. Run ./callboard doctor for details"
            raise failure(reason) from error
        yield opened_services.redis


async def apply_migrations() -> None:
    """Migrates the opened database to the current schema; ends the command if it is newer."""
    await require_not_newer()
    await db.migrate()


async def require_not_newer() -> None:
    """Ends the command with one line if the opened database is newer than this code."""
    try:
        await schema_version.require_not_newer()
    except schema_version.NewerSchemaError as error:
        raise failure(str(error)) from error


@asynccontextmanager
async def open_services(data_dir: Path = DEFAULT_DATA_DIR) -> AsyncIterator[Services]:
    """Opens the configured or embedded services for a command that does not migrate.

    Ends the command with one line if the database does not have the schema that it needs.
    """
    with prepare_settings(data_dir) as settings:
        async with connect(settings, pool=settings.database_pool) as redis:
            problem = (await schema_version.read()).problem
            if problem is not None:
                raise failure(problem)
            yield Services(settings, redis)
