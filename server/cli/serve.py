"""`serve`: the web process alone."""

import gc
import socket

import typer
import uvicorn

from runtime import logs
from runtime.settings import Settings
from server import cli, wire

commands = typer.Typer()

_GRACEFUL_SECONDS = 8
MAX_MESSAGE = 1_000_000  # bytes a WebSocket's message may have


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
        if "public_url" not in settings.model_fields_set:
            settings = settings.model_copy(update={"public_url": f"http://127.0.0.1:{port}"})
        logs.configure(settings.log_level)
        Server(config(settings, host=host, port=port)).run()


class Server(uvicorn.Server):
    """Ends within 10 s: what is open is sent away over `wire.DRAIN_OVER` seconds."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """What is made once, schema and modules, is looked through for garbage no more."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.started:
            self.config.app.state.streams.drain(wire.DRAIN_OVER)  # type: ignore[union-attr]
        await super().shutdown(sockets)


def config(settings: Settings, *, host: str, port: int) -> uvicorn.Config:
    """One process, one loop; per-message deflate costs more than it saves on small pushes."""
    from server import app

    return uvicorn.Config(
        app.create_app(settings),
        host=host,
        port=port,
        loop="uvloop",
        http=wire.Http,
        ws=wire.Wire,
        ws_max_size=MAX_MESSAGE,
        ws_per_message_deflate=False,
        ws_ping_interval=wire.PING_EVERY,
        ws_ping_timeout=wire.PONG_WITHIN,
        timeout_graceful_shutdown=_GRACEFUL_SECONDS,
        log_config=None,
        access_log=False,
        server_header=False,
        workers=1,
    )
