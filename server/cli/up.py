"""`up`: the whole of Callboard on one machine."""

import asyncio
import time
import urllib.error
import urllib.request

import typer

from models import db
from runtime import logs
from runtime.settings import Settings
from server import cli
from server.cli.parts import Part, Parts, require_free_port

commands = typer.Typer()


@commands.command()
def up(
    port: int = typer.Option(8000, min=1, max=65_535, help="TCP port of the web process."),
    host: str = typer.Option("127.0.0.1", help="Address to listen on; 0.0.0.0 for all."),
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
) -> None:
    """Runs web and worker, on embedded servers unless URLs are configured. Ctrl-C stops all.

    Example: ./callboard up --port 8000
    """
    began = time.monotonic()
    require_free_port(host, port)
    with cli.configured(data_dir) as settings:
        settings = cli.reached_at(settings, f"http://127.0.0.1:{port}")
        logs.configure(settings.log_level)
        asyncio.run(migrated(settings))
        with Parts(settings.environment()) as parts:
            parts.add(Part("web", ["serve", "--host", host, "--port", str(port)]))
            parts.add(Part("worker", ["worker"]))
            url = f"http://127.0.0.1:{port}"
            if parts.watch(until=lambda: answers(url)):
                typer.echo(f"Callboard answers at {url} after {time.monotonic() - began:.1f} s.")
                typer.echo("Ctrl-C stops it.")
                parts.watch()
            typer.echo("Stopping.")


async def migrated(settings: Settings) -> None:
    """Brings the database of the settings to the current schema."""
    async with cli.reached(settings, pool=2):
        await db.migrate()


def answers(url: str) -> bool:
    """Whether the web process of that URL is there."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=1):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
