"""`worker`: runs only the worker process."""

from pathlib import Path
from typing import Annotated

import typer

from runtime import logs
from server import cli

commands = typer.Typer()


@commands.command()
def worker(
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
    alive_file: Annotated[
        Path | None,
        typer.Option(help="File to touch every 5 s while the schedule runs, for a health check."),
    ] = None,
) -> None:
    """Runs only the worker: rebuilds hours, sends messages and expires old data.

    Example: ./callboard worker
    """
    from workers import main

    with cli.prepare_settings(data_dir) as settings:
        logs.configure(settings.log_level)
        main.run(settings, alive_file)
