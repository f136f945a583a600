"""A server in this process whose socket operations raise unexpected errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from runtime import clock
from server import connection_monitor
from server.cli import serve
from server.graphql import handler
from server.http_protocol import HttpProtocol
from server.websocket_protocol import WebSocketProtocol


class Broken:
    """A runner whose operations fail with an internal error."""

    async def read(
        self, request: Any, caller: Any, language: str, address: str | None = None
    ) -> Any:
        return self

    is_subscription = False
    language = "en"

    async def execute(self, operation: Any, caller: Any, exchange: Any) -> Any:
        raise RuntimeError("what no client may see")


@asynccontextmanager
async def broken(
    protocol: type[WebSocketProtocol] = WebSocketProtocol,
    **more: Any,
) -> AsyncIterator[str]:
    """The address of a server in this process."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        connections = connection_monitor.ConnectionMonitor(clock.now, 1)
        socket = WebSocket(scope, receive, send)
        await handler.Handler(socket, Broken(), connections, clock.now, 1).serve()  # type: ignore[arg-type]

    config = uvicorn.Config(
        app,
        port=0,
        http=HttpProtocol,
        ws=protocol,
        lifespan="off",
        log_config=None,
        **more,
    )
    server = serve.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        for listener in server.servers:
            listener.close()
