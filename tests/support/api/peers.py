"""Peers that violate the protocol: plain TCP, and WebSockets frame by frame."""

import asyncio
import contextlib
import json
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.api.sockets import ACK, INIT, with_token

HANDSHAKE = (
    "GET /graphql HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)


class Peer:
    """A TCP connection that sends exactly the given bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.began = time.monotonic()

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str) -> AsyncIterator[Self]:
        parts = urlsplit(url)
        peer = cls(*await asyncio.open_connection(parts.hostname, parts.port))
        try:
            yield peer
        finally:
            peer.writer.transport.abort()

    def say(self, data: str | bytes) -> None:
        self.writer.write(data.encode() if isinstance(data, str) else data)

    async def end(self) -> tuple[float, bytes]:
        """Seconds until the server ends the connection, and the bytes that it sent before."""
        content = b""
        with contextlib.suppress(ConnectionError):
            while more := await self.reader.read(65_536):
                content += more
        return time.monotonic() - self.began, content

    async def until_ended(self, every: float, more: bytes) -> tuple[float, bytes]:
        """The same, saying a little more all the while."""

        async def go_on() -> None:
            while True:
                self.say(more)
                await asyncio.sleep(every)

        going = asyncio.create_task(go_on())
        try:
            return await self.end()
        finally:
            going.cancel()


class Frames(Peer):
    """A WebSocket, a frame at a time."""

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, token: str | None = None) -> AsyncIterator[Self]:
        """Signed in if there is a token; otherwise nothing has been sent."""
        async with cls.connect(url) as peer:
            peer.say(HANDSHAKE)
            await peer.reader.readuntil(b"\r\n\r\n")
            if token is not None:
                peer.say(message(with_token(token)))
                head = await peer.reader.readexactly(2)
                assert json.loads(await peer.reader.readexactly(head[1])) == ACK
            peer.began = time.monotonic()
            yield peer

    async def code(self) -> int | None:
        """The code of the close, which is all that the server sends."""
        _, content = await self.end()
        return close_code(content)


def frame(first: int, payload: bytes = b"") -> bytes:
    """A masked frame, its mask of zeros."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", first, 0x80 | length)
    else:
        head = struct.pack("!BBQ", first, 0xFF, length)
    return head + bytes(4) + payload


def message(payload: Any) -> bytes:
    return frame(0x81, json.dumps(payload).encode())


def close_code(content: bytes) -> int | None:
    """The code of the close frame at the end of the server's bytes; None if the connection was
    cut off."""
    at = content.rfind(b"\x88")
    return None if at < 0 else int(struct.unpack_from("!H", content, at + 2)[0])


def post(body: str, length: int | None = None, **headers: str) -> str:
    """A GraphQL request; with another length, the part of one."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    return (
        "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body) if length is None else length}\r\n{''.join(lines)}\r\n{body}"
    )


def held_by_kernel(server: int, peer: int) -> bool:
    """Whether there still is a TCP connection between these ports, at the server's end."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        ours, theirs = line.split()[1:3]
        if (int(ours[-4:], 16), int(theirs[-4:], 16)) == (server, peer):
            return True
    return False


INIT_MESSAGE = message(INIT)
