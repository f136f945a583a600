"""`serve`: runs only the web process."""

import asyncio
import socket
from contextlib import suppress
from types import FrameType

import typer
import uvicorn

from models import db, faults
from runtime import garbage, logs
from runtime.settings import Settings
from server import cli, websocket_protocol, wire
from server.cli import up
from server.http_protocol import HttpProtocol
from server.websocket_protocol import WebSocketProtocol

commands = typer.Typer()

_CHECK_SECONDS = 3.0
_TICK_SECONDS = 1.0  # between two updates of the Date header


@commands.command()
def serve(
    port: int = typer.Option(8000, min=0, max=65_535, help="TCP port; 0 selects a free one."),
    host: str = typer.Option("127.0.0.1", help="Address to listen on; 0.0.0.0 for all."),
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
) -> None:
    """Runs only the web process: GraphQL, ingest and health.

    Example: ./callboard serve --host 0.0.0.0 --port 8000
    """
    with cli.prepare_settings(data_dir) as settings:
        settings = cli.with_public_url(settings, up.url_of(host, port))
        logs.configure(settings.log_level)
        asyncio.run(_refuse_newer_schema(settings))
        Server(config(settings, host=host, port=port)).run()


async def _refuse_newer_schema(settings: Settings) -> None:
    """Ends the command if the database can be read and is newer than this code.

    If it cannot be read, the web process checks again later (`server/schema_gate.py`).
    """
    assert settings.database_url is not None
    await db.open_database(settings.database_url, pool=1, statement_timeout=_CHECK_SECONDS)
    try:
        with suppress(*faults.UNAVAILABLE_ERRORS):
            await cli.require_not_newer()
    finally:
        await db.close_database()


class Server(uvicorn.Server):
    """Ends within `wire.SHUTDOWN_TIMEOUT_SECONDS`; closes connections over `wire.DRAIN_SECONDS`."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state = self._shutdown_state = wire.ShutdownState()
        self._exit_requested = asyncio.Event()
        self._waiting_loop: asyncio.AbstractEventLoop | None = None  # of the main loop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._waiting_loop is not None:  # otherwise the main loop sees it before it waits
            self._waiting_loop.call_soon_threadsafe(self._exit_requested.set)

    async def main_loop(self) -> None:
        """Replaces uvicorn's loop, which wakes ten times a second to check for an exit.

        Excludes the objects of start-up, such as schema and modules, from garbage collection. This
        is not done earlier, because a test may start a server in a process with other work.
        """
        garbage.configure()
        self._waiting_loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._exit_requested.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._shutdown_state.is_shutting_down = True
        if self.started:
            self.config.app.state.streams.drain(wire.DRAIN_SECONDS)  # type: ignore[union-attr]
        await super().shutdown(sockets)


def config(settings: Settings, *, host: str, port: int) -> uvicorn.Config:
    """One process with one loop. No per-message deflate: it costs more than it saves on pushes."""
    from schema import root
    from server import app
    from server.graphql import requests

    root.api.prepare()

    return uvicorn.Config(
        app.create_app(settings),
        host=host,
        port=port,
        loop="uvloop",
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=requests.MAX_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=websocket_protocol.PING_INTERVAL_SECONDS,
        ws_ping_timeout=websocket_protocol.PONG_TIMEOUT_SECONDS,
        timeout_graceful_shutdown=int(wire.GRACE_SECONDS),
        log_config=None,
        access_log=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        server_header=False,
        workers=1,
    )
