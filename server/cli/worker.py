"""`worker`: the worker process alone."""

import typer

from runtime import logs
from server import cli

commands = typer.Typer()


@commands.command()
def worker(data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR) -> None:
    """Runs the worker alone: rebuilds hours, sends messages, closes what ran out.

    Example: ./callboard worker
    """
    from workers import main

    with cli.configured(data_dir) as settings:
        logs.configure(settings.log_level)
        main.run(settings)
