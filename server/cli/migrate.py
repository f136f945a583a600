"""`migrate`: migrates the database to the current schema."""

import asyncio
from pathlib import Path

import typer

from models import schema_version
from server import cli

commands = typer.Typer()


@commands.command()
def migrate(data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR) -> None:
    """Migrates the database to the current schema. Several processes may run it at once.

    The database is that of CALLBOARD_DATABASE_URL, or else the embedded one of the data folder.

    Example: ./callboard migrate
    """
    newest = asyncio.run(_migrate(data_dir)).newest
    if newest == schema_version.REQUIRED:
        typer.echo(f"The database has the current schema, {newest}.")
        return
    typer.echo(
        f"The database has the schema {newest}, which is newer than {schema_version.REQUIRED} of"
        " this release and compatible with it."
    )


async def _migrate(data_dir: Path) -> schema_version.Schema:
    with cli.prepare_settings(data_dir) as settings:
        async with cli.connect(settings, pool=2):
            await cli.apply_migrations()
            return await schema_version.read()
