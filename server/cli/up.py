"""`up`: runs all of Callboard on one machine."""

import asyncio
import time
import urllib.error
import urllib.request

import typer

from models.identity import accounts
from runtime import logs
from runtime.settings import Settings
from server import cli
from server.cli import up_text
from server.cli.parts import Part, Parts, require_free_port

commands = typer.Typer()


@commands.command()
def up(
    port: int = typer.Option(8000, min=1, max=65_535, help="TCP port of the web process."),
    host: str = typer.Option("127.0.0.1", help="Address to listen on; 0.0.0.0 for all."),
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
) -> None:
    """Runs web and worker, on embedded servers unless URLs are set. Ctrl-C stops everything.

    Example: ./callboard up --port 8000
    """
    began = time.monotonic()
    require_free_port(host, port)
    with cli.prepare_settings(data_dir) as settings:
        url = url_of(host, port)
        settings = cli.with_public_url(settings, url)
        logs.configure(settings.log_level)
        has_account = asyncio.run(migrate_database(settings))
        with Parts(settings.environment()) as parts:
            parts.add(Part("web", ["serve", "--host", host, "--port", str(port)]))
            parts.add(Part("worker", ["worker"]))
            if parts.watch(until=lambda: is_answering(url)):
                seconds = time.monotonic() - began
                option = "" if data_dir == cli.DEFAULT_DATA_DIR else f" --data-dir {data_dir}"
                typer.echo(
                    up_text.ready(
                        settings, url, data_dir, seconds, has_account=has_account, option=option
                    )
                )
                parts.watch()
            typer.echo("Stopping.")


def url_of(host: str, port: int) -> str:
    """The URL at which this machine reaches a web process that listens on `host`."""
    if host in ("0.0.0.0", "::", ""):
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def migrate_database(settings: Settings) -> bool:
    """Migrates the database to the current schema; returns whether it has an account."""
    async with cli.connect(settings, pool=2):
        await cli.apply_migrations()
        return bool(await accounts.ids())


def is_answering(url: str) -> bool:
    """Whether the web process at `url` responds."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=1):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
