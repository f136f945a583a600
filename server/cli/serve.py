"""`serve`: the web process alone."""

import asyncio
import gc
import socket
from contextlib import suppress
from types import FrameType

import typer
import uvicorn

from runtime import logs
from runtime.settings import Settings
from server import cli, wire

commands = typer.Typer()

_TICK = 1.0  # seconds between two dates of answers


@commands.command()
def serve(
    port: int = typer.Option(8000, min=0, max=65_535, help="TCP port; 0 takes a free one."),
    host: str = typer.Option("127.0.0.1", help="Address to listen on; 0.0.0.0 for all."),
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
) -> None:
    """Runs the web process alone: GraphQL, ingest, health.

    Example: ./callboard serve --host 0.0.0.0 --port 8000
    """
    with cli.configured(data_dir) as settings:
        settings = cli.reached_at(settings, f"http://127.0.0.1:{port}")
        logs.configure(settings.log_level)
        Server(config(settings, host=host, port=port)).run()


class Server(uvicorn.Server):
    """Ends within `wire.END_WITHIN`: what is open is sent away over `wire.DRAIN_OVER` seconds."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state = self._ending = wire.ServerEnding()
        self._told_to_end = asyncio.Event()
        self._waiting: asyncio.AbstractEventLoop | None = None  # of the main loop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._waiting is not None:  # else the main loop will see it before it waits
            self._waiting.call_soon_threadsafe(self._told_to_end.set)

    async def main_loop(self) -> None:
        """uvicorn's, which wakes ten times a second to look whether it was told to end.

        What was made once, schema and modules, is looked through for garbage no more: from here on
        the process is the server's, as one that merely starts a server (a test) is not.
        """
        gc.collect()
        gc.freeze()
        self._waiting = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._told_to_end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending.is_ending = True
        if self.started:
            self.config.app.state.streams.drain(wire.DRAIN_OVER)  # type: ignore[union-attr]
        await super().shutdown(sockets)


def config(settings: Settings, *, host: str, port: int) -> uvicorn.Config:
    """One process, one loop; per-message deflate costs more than it saves on small pushes."""
    from server import app
    from server.graphql import requests

    return uvicorn.Config(
        app.create_app(settings),
        host=host,
        port=port,
        loop="uvloop",
        http=wire.Http,
        ws=wire.Wire,
        ws_max_size=requests.MAX_BYTES,
        ws_per_message_deflate=False,
        ws_ping_interval=wire.PING_EVERY,
        ws_ping_timeout=wire.PONG_WITHIN,
        timeout_graceful_shutdown=int(wire.GRACE),
        log_config=None,
        access_log=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        server_header=False,
        workers=1,
    )
