"""Raw graphql-transport-ws sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

INIT = {"type": "connection_init"}
ACK = {"type": "connection_ack"}
LIVE = "subscription { liveChannels { sequence inUse } }"


@asynccontextmanager
async def open_socket(
    url: str, protocol: str = "graphql-transport-ws", **more: Any
) -> AsyncIterator[ClientConnection]:
    address = url.replace("http", "ws") + "/graphql"
    async with connect(address, subprotocols=[Subprotocol(protocol)], **more) as socket:
        yield socket


@asynccontextmanager
async def signed_in(url: str, token: str | None, **more: Any) -> AsyncIterator[ClientConnection]:
    """A socket whose init has been acknowledged."""
    async with open_socket(url, **more) as socket:
        await say(socket, INIT if token is None else with_token(token))
        assert await hear(socket) == ACK
        yield socket


def with_token(token: str) -> dict[str, Any]:
    return INIT | {"payload": {"authorization": f"Bearer {token}"}}


@asynccontextmanager
async def acknowledged(url: str) -> AsyncIterator[ClientConnection]:
    """An unauthenticated socket whose init has been acknowledged."""
    async with open_socket(url) as socket:
        await say(socket, INIT)
        assert await hear(socket) == ACK
        yield socket


async def say(socket: ClientConnection, *messages: Any) -> None:
    for message in messages:
        await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))


async def hear(socket: ClientConnection) -> Any:
    """The next message: text, and JSON as its standard has it."""
    async with asyncio.timeout(15):
        text = await socket.recv()
    assert isinstance(text, str)
    return json.loads(text, parse_constant=_no_json)


def _no_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


async def until_pong(socket: ClientConnection) -> list[Any]:
    """The messages before the answer to this function's ping."""
    ours = {"asked": "last"}
    await say(socket, {"type": "ping", "payload": ours})
    messages = [await hear(socket)]
    while messages[-1] != {"type": "pong", "payload": ours}:
        messages.append(await hear(socket))
    return messages[:-1]


async def until_told(socket: ClientConnection, id: str) -> list[Any]:
    """The messages of an operation to its end, and after that until a ping is answered."""
    messages: list[Any] = []
    while not messages or messages[-1]["type"] == "next":
        message = await hear(socket)
        if message["id"] == id:
            messages.append(message)
    return messages + [more for more in await until_pong(socket) if more["id"] == id]


async def closed(socket: ClientConnection) -> int | None:
    """The code of the close, after any other messages."""
    with suppress(ConnectionClosed):
        async with asyncio.timeout(20):
            while True:
                await socket.recv()
    return socket.close_code


def subscribe(id: str, query: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "subscribe", "payload": {"query": query} | more}
