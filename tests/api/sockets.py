"""Raw graphql-transport-ws sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

INIT = {"type": "connection_init"}
ACK = {"type": "connection_ack"}
LIVE = "subscription { liveChannels { sequence inUse } }"


@asynccontextmanager
async def opened(
    url: str, protocol: str = "graphql-transport-ws", **more: Any
) -> AsyncIterator[ClientConnection]:
    address = url.replace("http", "ws") + "/graphql"
    async with connect(address, subprotocols=[Subprotocol(protocol)], **more) as socket:
        yield socket


@asynccontextmanager
async def signed_in(url: str, token: str | None, **more: Any) -> AsyncIterator[ClientConnection]:
    """A socket whose init has been acknowledged."""
    async with opened(url, **more) as socket:
        await say(socket, INIT | {"payload": {"authorization": f"Bearer {token}"}})
        assert await hear(socket) == ACK
        yield socket


async def say(socket: ClientConnection, *messages: Any) -> None:
    for message in messages:
        await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))


async def hear(socket: ClientConnection) -> Any:
    async with asyncio.timeout(15):
        return json.loads(await socket.recv())


async def closed(socket: ClientConnection) -> int | None:
    """The code it is closed with, after whatever else comes."""
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()
    return socket.close_code


def subscribe(id: str, query: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "subscribe", "payload": {"query": query} | more}
