"""`migrate`: the database at the current schema."""

import asyncio
from pathlib import Path

import typer

from models import db
from server import cli

commands = typer.Typer()


@commands.command()
def migrate(data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR) -> None:
    """Brings the database to the current schema; safe when many start at once.

    The database is that of CALLBOARD_DATABASE_URL, else the data folder's own.

    Example: ./callboard migrate
    """
    asyncio.run(_migrate(data_dir))
    typer.echo("The database is at the current schema.")


async def _migrate(data_dir: Path) -> None:
    async with cli.opened(data_dir):
        await db.migrate()
