"""uvicorn's protocols, bounded: a peer that does not read is cut off, an ending is spread out.

uvicorn closes politely, which waits for ever for a peer that reads nothing; here what was sent has
to be read in time. A WebSocket can also be written to at once, without a task for each message.
"""

import asyncio
import random
import socket
import struct
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

EXTENSION = "callboard.wire"  # of a scope: the `Http` or `Wire` it came by

READ_WITHIN = 20.0  # seconds a peer may leave what was sent to it unread
PING_EVERY, PONG_WITHIN = 15.0, 10.0  # seconds: finds a peer that is gone where little is sent
CLOSE_WITHIN = 2.0  # seconds for its answer to our close
DRAIN_OVER = 5.0  # seconds over which the peers of an ending server are sent away


_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: what is not sent yet is dropped


class _CutOff(asyncio.Protocol):
    """Cuts the connection unless what was written to it is read in time."""

    transport: asyncio.Transport
    _timer: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._timer is None:
            self.abort_in(READ_WITHIN)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def abort_in(self, seconds: float) -> None:
        """Unless it has ended, or been read, by then."""
        self._stop()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def abort(self) -> None:
        """Ends it now. Merely closed, the kernel would hold what is unread for minutes more."""
        if not self.transport.is_closing():
            wire = self.transport.get_extra_info("socket")
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Http(_CutOff, HttpToolsProtocol):
    """HTTP, server-sent events among it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"wire": self}}

    @property
    def is_writable(self) -> bool:
        return not self.flow.write_paused


class Wire(_CutOff, WebSocketsSansIOProtocol):
    """A WebSocket. Its owner sets `on_writable`, called when it can be written to again."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_writable: Callable[[], None] | None = None

    async def run_asgi(self) -> None:
        self.scope["extensions"][EXTENSION] = {"wire": self}
        await super().run_asgi()

    @property
    def is_open(self) -> bool:
        return not (self.disconnected or self.close_sent or self.transport.is_closing())

    @property
    def is_writable(self) -> bool:
        """Whether the peer has read enough for more to be sent."""
        return self.writable.is_set() and self.is_open

    async def until_writable(self) -> bool:
        """Waits for the peer to read; False where the socket is closed."""
        while not self.writable.is_set():  # another writer may have been faster
            await self.writable.wait()
        return self.is_open

    def write(self, text: bytes) -> None:
        """Sends a text message now; only while `is_writable`."""
        self.conn.send_text(text)
        self.transport.write(b"".join(self.conn.data_to_send()))

    async def send(self, message: Any) -> None:
        """As uvicorn does; but a peer that does not answer our close is reset."""
        await super().send(message)
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(CLOSE_WITHIN, self.abort)

    # What uvicorn calls --------------------------------------------------------------------------

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.on_writable is not None:
            self.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self.on_writable = None
        super().connection_lost(exc)

    def handle_ping(self) -> None:
        """Answers, unless the peer asks without reading the answers."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def keepalive_timeout(self) -> None:
        """No close first, as uvicorn does: it would wait for a peer that is not there."""
        self.stop_keepalive()
        self.abort()

    def shutdown(self) -> None:
        """The server ends: the peers are sent away one after the other, to come back so."""
        self.loop.call_later(random.uniform(0, DRAIN_OVER), self._go_away)

    def _go_away(self) -> None:
        if self.transport.is_closing():
            return
        if self.writable.is_set():
            super().shutdown()
            self.abort_in(CLOSE_WITHIN)
        else:
            self.abort()
