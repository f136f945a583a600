"""A network that stops responding: TCP connections to a server stay open and carry nothing."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from tests.support.programs import free_port

_AT_ONCE = 65_536  # bytes


class Wire:
    """`url` leads to the server of another URL until it is silenced."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._port = free_port()
        self._open: dict[asyncio.Event, None] = {}  # of each connection: whether it carries
        self._is_silent = self._is_cut = False
        self._last_words: bytes | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        host = f"127.0.0.1:{self._port}"
        credentials, at, _ = self._parts.netloc.rpartition("@")
        path = self._parts.path
        query = "" if self._parts.scheme.startswith("postgres") else self._parts.query
        if self._parts.scheme == "unix":
            number = dict(parse_qsl(self._parts.query)).get("db", "0")
            return f"redis://{host}/{number}"
        return urlunsplit((self._parts.scheme, credentials + at + host, path, query, ""))

    def silence(self, *, new_ones: bool = True) -> None:
        """Open connections transfer nothing any longer; neither do, with `new_ones`, later
        connections."""
        self._is_silent = new_ones
        for carries in self._open:
            carries.clear()

    def silence_at(self, words: bytes) -> None:
        """From the moment a client sends bytes that match this pattern: they do not arrive."""
        self._last_words = words

    def _said(self, data: bytes) -> None:
        if self._last_words is not None and re.search(self._last_words, data):
            self.silence()

    def cut(self) -> None:
        """Closes all open connections, and each new connection."""
        self._is_cut = True
        for task in self._tasks:
            task.cancel()

    def mend(self) -> None:
        self._is_silent = self._is_cut = False
        for carries in self._open:
            carries.set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Wire"]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carries = asyncio.Event()
        if not self._is_silent:
            carries.set()
        self._open[carries] = None
        try:
            server_reader, server_writer = await self._server()
            try:
                ways = [
                    asyncio.create_task(_pass_on(reader, server_writer, carries, self._said)),
                    asyncio.create_task(_pass_on(server_reader, writer, carries, _unheard)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
            finally:
                server_writer.close()
        finally:
            del self._open[carries]
            writer.close()

    async def _server(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts, options = self._parts, dict(parse_qsl(self._parts.query))
        if parts.scheme == "unix":
            return await asyncio.open_unix_connection(parts.path)
        folder = options.get("host", "")
        port: Any = parts.port or options.get("port") or 5432
        if folder.startswith("/"):
            return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")
        return await asyncio.open_connection(parts.hostname, port)


def _unheard(data: bytes) -> None:
    pass


async def _pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    carries: asyncio.Event,
    on_read: Callable[[bytes], None],
) -> None:
    with suppress(OSError):
        while data := await reader.read(_AT_ONCE):
            on_read(data)
            await carries.wait()
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def wire(url: str) -> AsyncIterator[Wire]:
    async with Wire(url).open() as network:
        yield network
