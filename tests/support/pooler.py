"""A pooler in front of PostgreSQL that assigns a session to each transaction."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from tests.support.silent_network import Wire

_SSL_REQUEST = (80877103).to_bytes(4, "big")
_IDLE = b"I"  # of ReadyForQuery: in no transaction
_NO_SSL = b"N"


@dataclass
class _Session:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Pooler(Wire):
    """As PgBouncer with `pool_mode = transaction`: reuses the session that was used last."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.sessions: list[_Session] = []
        self._free: list[_Session] = []
        self._greeting = b""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers: asyncio.Task[None] | None = None
        try:
            with suppress(asyncio.IncompleteReadError, OSError):
                startup = await _startup(reader, writer)
                session = await self._taken(startup)
                self._free.append(session)
                writer.write(self._greeting)
                while (message := await _message(reader))[:1] != b"X":
                    if answers is None or answers.done():
                        session = await self._taken(startup)
                        answers = asyncio.create_task(self._answer(session, writer))
                    session.writer.write(message)
        finally:
            if answers is not None:
                answers.cancel()
            writer.close()

    async def _taken(self, startup: bytes) -> _Session:
        if self._free:
            return self._free.pop()
        session = _Session(*await self._server())
        self.sessions.append(session)
        session.writer.write(startup)
        greeting = b""
        while (message := await _message(session.reader))[:1] != b"Z":
            greeting += message
        self._greeting = greeting + message
        return session

    async def _answer(self, session: _Session, writer: asyncio.StreamWriter) -> None:
        """Until the transaction has ended; then others may have the session."""
        message = b""
        while message[:1] != b"Z" or message[-1:] != _IDLE:
            writer.write(message)
            message = await _message(session.reader)
        self._free.append(session)
        writer.write(message)


async def _startup(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    while True:
        size = await reader.readexactly(4)
        body = await reader.readexactly(int.from_bytes(size, "big") - 4)
        if body != _SSL_REQUEST:
            return size + body
        writer.write(_NO_SSL)


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


@asynccontextmanager
async def pooler(url: str) -> AsyncIterator[Pooler]:
    proxy = Pooler(url)
    try:
        async with proxy.open():
            yield proxy
    finally:
        for session in proxy.sessions:
            session.writer.close()
