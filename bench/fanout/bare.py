"""The cost of the sockets alone: each message is encoded once and written to all its
subscribers.

No GraphQL, and no reads of state; the sockets are Callboard's own. `python -m bench.fanout.bare
PORT REDIS_URL`.
"""

import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from bench.fanout import python_servers
from server import wire
from server.websocket_protocol import WebSocketProtocol

_BEFORE, _AFTER = b'{"id":"1","type":"next","payload":{"data":{"liveChannels":', b"}}}"


def main(port: int, redis_url: str) -> None:
    boards: dict[str, set[WebSocketProtocol]] = defaultdict(set)

    async def hold(socket: WebSocket) -> None:
        await socket.accept("graphql-transport-ws")
        await socket.receive_json()
        await socket.send_json({"type": "connection_ack"})
        message = await socket.receive_json()
        customer = message["payload"]["variables"]["customer"]
        ours: WebSocketProtocol = socket.scope["extensions"][wire.EXTENSION]["wire"]
        boards[customer].add(ours)
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
        boards[customer].discard(ours)

    def tell(customer: str, state: bytes) -> None:
        text = _BEFORE + state + _AFTER
        for board in boards[customer]:
            if board.is_writable:
                board.write(text)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with python_servers.listen(redis_url, tell):
            yield

    app = Starlette(routes=[WebSocketRoute("/graphql", hold)], lifespan=lifespan)
    python_servers.run(app, port)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
