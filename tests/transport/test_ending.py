"""Ending a web process."""

import asyncio
import gc
import signal

import uvicorn
from starlette.applications import Starlette

from server.cli import serve
from server.graphql import sse
from server.http_protocol import HttpProtocol
from server.websocket_protocol import WebSocketProtocol


async def test_a_signal_before_the_startup_ends_the_server() -> None:
    app = Starlette()
    app.state.streams = sse.Streams(None, None)  # type: ignore[arg-type] - nobody asks
    config = uvicorn.Config(
        app,
        port=0,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        log_config=None,
    )
    server = serve.Server(config)
    server.handle_exit(signal.SIGTERM, None)
    async with asyncio.timeout(10):
        await asyncio.to_thread(server.run)  # in a thread, it does not raise the signal again
    gc.unfreeze()  # otherwise plugins cannot see referrers
    assert server.started
