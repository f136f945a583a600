"""uvicorn's WebSocket protocol with limits (`paced_connections`) and a gradual shutdown.

A message can be written to a WebSocket directly, without a task of its own.
"""

import logging
import math
import random
import struct
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import SecurityError
from websockets.frames import CloseCode, Frame
from websockets.http11 import MAX_LINE_LENGTH, MAX_NUM_HEADERS

from server import answers, paced_connections, wire

MAX_MESSAGE_BYTES = 190_000  # sent; with its unread data, a socket buffers less than 256 KiB
MESSAGE_TIMEOUT_SECONDS = 10.0  # for a message to arrive
MAX_MESSAGE_FRAMES = 1_000
MAX_UNAUTHENTICATED_BYTES = 65_536  # received from an unauthenticated socket
PING_INTERVAL_SECONDS = 13.0  # pings detect lost peers of idle sockets
PONG_TIMEOUT_SECONDS = 10.0
PING_BATCH_SECONDS = 0.1  # pings that are due within this time are sent together
# A push within this share of the interval before a ping is due includes the ping.
PING_PIGGYBACK_SHARE = 0.15

# uvicorn and websockets log the URLs and headers of handshakes, which may contain a token.
_LOG = logging.getLogger("callboard.socket")
_LOG.setLevel(logging.WARNING)

_TEXT = 0x81  # the last frame of a text message
_MEDIUM, _LONG = struct.Struct("!BBH"), struct.Struct("!BBQ")


class TooLongError(Exception):
    """A message of more than MAX_MESSAGE_BYTES bytes."""


class WebSocketProtocol(paced_connections.PacedProtocol, WebSocketsSansIOProtocol):
    """A WebSocket. Calls `on_writable` when it can be written to again."""

    def __init__(self, config: Any, server_state: ServerState, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, server_state, *args, **kwargs)
        self.on_writable: Callable[[], None] | None = None
        self.is_unauthenticated = True
        self._received = 0
        self._ping_due: float | None = None
        self._ping_allowed_from = math.inf  # from then on, a write includes the ping
        self._server_state = server_state
        self.logger = self.conn.logger = _LOG
        self.conn.debug = False

    async def run_asgi(self) -> None:
        self.scope["extensions"][wire.EXTENSION] = {"wire": self}
        await super().run_asgi()

    @property
    def is_open(self) -> bool:
        return not (self.close_sent or self.transport.is_closing())

    @property
    def is_writable(self) -> bool:
        """Whether more can be sent: the socket is open, and the peer has read enough."""
        return not (self.is_paused or self.close_sent or self.transport.is_closing())

    async def until_writable(self) -> bool:
        """Waits for the peer to read. Returns False if the socket is closed."""
        while not self.writable.is_set():  # another task may have written first
            await self.writable.wait()
        return self.is_open

    def write(self, text: bytes) -> None:
        """Sends a text message now; only while `is_writable`. Raises TooLongError."""
        if len(text) > MAX_MESSAGE_BYTES:
            raise TooLongError(len(text))
        takes_ping = self.loop.time() >= self._ping_allowed_from
        self.transport.write(_text_frame(text) + self._ping() if takes_ping else _text_frame(text))

    async def send(self, message: Any) -> None:
        """As uvicorn does, but resets a peer that does not reply to the close."""
        await super().send(message)
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(wire.CLOSE_TIMEOUT_SECONDS, self.abort)
            self.continue_reading()

    async def receive(self) -> Any:
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self.continue_reading()
        return message

    # What arrives --------------------------------------------------------------------------------

    def has_enough(self) -> bool:
        return self.read_paused

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self.is_unauthenticated and self._received > MAX_UNAUTHENTICATED_BYTES:
            self._refuse(
                CloseCode.MESSAGE_TOO_BIG, f"{MAX_UNAUTHENTICATED_BYTES} bytes without signing in"
            )
        else:
            super().data_received(data)

    def feed(self, data: bytes) -> None:
        WebSocketsSansIOProtocol.data_received(self, data)

    def handle_events(self) -> None:
        ends_with_a_frame = bool(self.conn.events) and not self.conn.reader.buffer
        super().handle_events()
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self._refuse_handshake(self.conn.handshake_exc)
        elif ends_with_a_frame and self.conn.current_size is None:
            self._arrival_timer.stop()
        else:
            self.set_deadline(MESSAGE_TIMEOUT_SECONDS)

    def _refuse_handshake(self, error: Exception) -> None:
        """Sends a response, which websockets does not. It accepts fewer and shorter headers than
        HTTP."""
        if isinstance(error.__cause__ or error, SecurityError):
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            message = (
                f"A handshake has at most {MAX_NUM_HEADERS} headers of {MAX_LINE_LENGTH} bytes."
            )
        else:
            status, message = HTTPStatus.BAD_REQUEST, "Invalid WebSocket handshake"
        if not self.transport.is_closing():
            self.transport.write(answers.plain(status, message))
            self.transport.close()
            self.abort_in(wire.CLOSE_TIMEOUT_SECONDS)

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) < MAX_MESSAGE_FRAMES:
            super().handle_cont(event)
        else:
            self._refuse(CloseCode.MESSAGE_TOO_BIG, f"A message has {MAX_MESSAGE_FRAMES} frames")

    def send_receive_event_to_app(self) -> None:
        super().send_receive_event_to_app()
        self._arrival_timer.stop()

    def handle_ping(self) -> None:
        """Sends a pong, unless the peer does not read."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_timeout(self) -> None:
        self._refuse(
            CloseCode.POLICY_VIOLATION, f"A message has {MESSAGE_TIMEOUT_SECONDS:.0f} s to arrive"
        )

    def _refuse(self, code: CloseCode, reason: str) -> None:
        if not self.transport.is_closing():
            self.conn.fail(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            self.close_sent = True
            self.transport.close()
            self.abort_in(wire.CLOSE_TIMEOUT_SECONDS)

    # What uvicorn calls --------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if wire.is_shutting_down(self._server_state):
            self.shutdown()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.on_writable is not None:
            self.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self.on_writable = None
        super().connection_lost(exc)

    def schedule_ping(self) -> None:
        """Schedules the ping. A push shortly before it is due includes it.

        A separate wake-up and write would cost more than a small push. For the same reason, pings
        that are due at about the same time are sent in one turn. Each socket keeps its offset
        within the interval; otherwise pings that were delayed once would stay together.
        """
        assert self.ping_interval is not None
        now, every = self.loop.time(), self.ping_interval
        if self._ping_due is None:
            self._ping_due = math.ceil((now + every) / PING_BATCH_SECONDS) * PING_BATCH_SECONDS
        else:
            self._ping_due += every * max(1, math.ceil((now - self._ping_due) / every))
        self._ping_allowed_from = self._ping_due - PING_PIGGYBACK_SHARE * every
        self.ping_timer = self.loop.call_at(self._ping_due, self.send_keepalive_ping)

    def send_keepalive_ping(self) -> None:
        if self.is_open:
            self.transport.write(self._ping())

    def _ping(self) -> bytes:
        """Returns the frame of a ping, and starts the timeout of its pong."""
        self.stop_keepalive()
        assert self.ping_timeout is not None
        self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
        self.ping_sent_at = self.loop.time()
        self.pending_ping_payload = random.randbytes(4)  # identifies its pong
        self.conn.send_ping(self.pending_ping_payload)
        return b"".join(self.conn.data_to_send())

    def stop_keepalive(self) -> None:
        super().stop_keepalive()
        self._ping_allowed_from = math.inf

    def keepalive_timeout(self) -> None:
        """Aborts without uvicorn's close frame, because a lost peer would not reply to it."""
        self.stop_keepalive()
        self.abort()

    def shutdown(self) -> None:
        """Closes the socket at a random time, so that clients do not reconnect all at once."""
        self.loop.call_later(random.uniform(0, wire.DRAIN_SECONDS), self._close_for_shutdown)

    def _close_for_shutdown(self) -> None:
        if self.disconnected:
            return
        if not self.writable.is_set():
            self.abort()
            return
        if not self.transport.is_closing():
            super().shutdown()
        self.abort_in(wire.CLOSE_TIMEOUT_SECONDS)


def _text_frame(text: bytes) -> bytes:
    """One unmasked frame, as servers send it (RFC 6455, 5.2). A push is written to thousands of
    sockets; `websockets` would check and copy it for each of them."""
    size = len(text)
    if size < 126:
        return bytes((_TEXT, size)) + text
    if size < 65_536:
        return _MEDIUM.pack(_TEXT, 126, size) + text
    return _LONG.pack(_TEXT, 127, size) + text
