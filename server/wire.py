"""uvicorn's protocols, bounded (`paced`) and, at the end of the server, ended one after the other.

A WebSocket can also be written to at once, without a task for each message.
"""

import math
import random
import struct
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame

from server import paced

EXTENSION = "callboard.wire"  # of a scope: the `Http` or `Wire` it came by

HEAD_BYTES = 32_768  # a request's line and headers
HEAD_WITHIN = 10.0  # seconds for them to arrive
BODY_WITHIN = 32.0  # seconds for a body: more than `ingest_routes` waits, which says so

MAX_SENT = 190_000  # bytes a message may have: with what waits unread, a socket holds under 256 KiB
MESSAGE_WITHIN = 10.0  # seconds for a message to arrive
MESSAGE_FRAMES = 1_000  # it may be sent in
STRANGER_BYTES = 65_536  # from a socket that has not signed in
PING_EVERY, PONG_WITHIN = 13.0, 10.0  # seconds: finds a peer that is gone where little is sent
PINGS_EVERY = 0.1  # seconds: what is due within them goes out together
PING_RIDES = 0.15  # of PING_EVERY, before a ping is due: it goes with what is pushed then
CLOSE_WITHIN = 2.0  # seconds for its answer to our close

END_WITHIN = 9.0  # seconds from SIGTERM to the end of the process; it is killed then
GRACE = END_WITHIN - 2  # of them for connections; then the services are closed
DRAIN_OVER = GRACE - CLOSE_WITHIN - 1  # of them, over which peers are sent away


_TEXT = 0x81  # the last frame of a text message
_MEDIUM, _LONG = struct.Struct("!BBH"), struct.Struct("!BBQ")


class ServerEnding(ServerState):
    """uvicorn's, and whether the server ends: what is connected only then is sent away too."""

    is_ending = False


class TooLongError(Exception):
    """A message of more than MAX_SENT bytes."""


class _Flow(FlowControl):
    """uvicorn's, but its owner says whether more is read."""

    def __init__(self, transport: Any, go_on: Callable[[], None]) -> None:
        super().__init__(transport)
        self._go_on = go_on

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self._go_on()


class Http(paced.Paced, HttpToolsProtocol):
    """HTTP, server-sent events among it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0

    @property
    def is_writable(self) -> bool:
        return not self.flow.write_paused

    def has_enough(self) -> bool:
        return self.flow.read_paused or bool(self.pipeline)

    def slice(self) -> int:
        """Of a body more, as it is not looked into."""
        return paced.SLICE if self._in_head else 4 * paced.SLICE

    def feed(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
            if self._is_idle():  # else an empty line after a request would end its answer
                self.expect_rest(HEAD_WITHIN)
        HttpToolsProtocol.data_received(self, data)
        if self._in_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            if self._is_idle():
                self.send_400_response(f"A request's head has at most {HEAD_BYTES} bytes.")
            else:
                self.abort()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    # What uvicorn calls --------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = _Flow(transport, self.go_on)
        self.expect_rest(HEAD_WITHIN)
        if _is_ending(self.server_state):
            self.shutdown()

    def handle_websocket_upgrade(self) -> None:
        self.let_go()
        self._unfed.clear()  # said before the handshake was answered: not for a WebSocket
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"wire": self}}
        self.expect_rest(HEAD_WITHIN)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._arrival.stop()
        self.expect_rest(BODY_WITHIN)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head, self._head_bytes = True, 0
        self._arrival.stop()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.go_on()

    def shutdown(self) -> None:
        """What runs may end; what has not even arrived holds up nobody."""
        super().shutdown()
        waits = self.transport.is_closing() or self._arrival.is_running
        self.abort_in(CLOSE_WITHIN if waits else DRAIN_OVER + CLOSE_WITHIN)


class Wire(paced.Paced, WebSocketsSansIOProtocol):
    """A WebSocket. Its owner sets `on_writable`, called when it can be written to again."""

    def __init__(self, config: Any, server_state: ServerState, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, server_state, *args, **kwargs)
        self.on_writable: Callable[[], None] | None = None
        self.is_stranger = True  # until it has signed in
        self._received = 0
        self._ping_due: float | None = None
        self._ping_rides = math.inf  # from when on a ping goes with what is written
        self._server_state = server_state

    async def run_asgi(self) -> None:
        self.scope["extensions"][EXTENSION] = {"wire": self}
        await super().run_asgi()

    @property
    def is_open(self) -> bool:
        return not (self.close_sent or self.transport.is_closing())

    @property
    def is_writable(self) -> bool:
        """Whether the peer has read enough for more to be sent."""
        return not (self.is_paused or self.close_sent or self.transport.is_closing())

    async def until_writable(self) -> bool:
        """Waits for the peer to read; False where the socket is closed."""
        while not self.writable.is_set():  # another writer may have been faster
            await self.writable.wait()
        return self.is_open

    def write(self, text: bytes) -> None:
        """Sends a text message now; only while `is_writable`. TooLongError beyond MAX_SENT."""
        if len(text) > MAX_SENT:
            raise TooLongError(len(text))
        rides = self.loop.time() >= self._ping_rides
        self.transport.write(_text_frame(text) + self._ping() if rides else _text_frame(text))

    async def send(self, message: Any) -> None:
        """As uvicorn does; but a peer that does not answer our close is reset."""
        await super().send(message)
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = self.loop.call_later(CLOSE_WITHIN, self.abort)
            self.go_on()

    async def receive(self) -> Any:
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self.go_on()
        return message

    # What arrives --------------------------------------------------------------------------------

    def has_enough(self) -> bool:
        return self.read_paused

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self.is_stranger and self._received > STRANGER_BYTES:
            self._refuse(CloseCode.MESSAGE_TOO_BIG, f"{STRANGER_BYTES} bytes without signing in")
        else:
            super().data_received(data)

    def feed(self, data: bytes) -> None:
        WebSocketsSansIOProtocol.data_received(self, data)

    def handle_events(self) -> None:
        ends_with_a_frame = bool(self.conn.events) and not self.conn.reader.buffer
        super().handle_events()
        if ends_with_a_frame and self.conn.current_size is None:
            self._arrival.stop()
        else:
            self.expect_rest(MESSAGE_WITHIN)

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) < MESSAGE_FRAMES:
            super().handle_cont(event)
        else:
            self._refuse(CloseCode.MESSAGE_TOO_BIG, f"A message has {MESSAGE_FRAMES} frames")

    def send_receive_event_to_app(self) -> None:
        super().send_receive_event_to_app()
        self._arrival.stop()

    def handle_ping(self) -> None:
        """Answers, unless the peer asks without reading the answers."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def too_late(self) -> None:
        self._refuse(CloseCode.POLICY_VIOLATION, f"A message has {MESSAGE_WITHIN:.0f} s to arrive")

    def _refuse(self, code: CloseCode, reason: str) -> None:
        if not self.transport.is_closing():
            self.conn.fail(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            self.close_sent = True
            self.transport.close()
            self.abort_in(CLOSE_WITHIN)

    # What uvicorn calls --------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if _is_ending(self._server_state):
            self.shutdown()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.on_writable is not None:
            self.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self.on_writable = None
        super().connection_lost(exc)

    def schedule_ping(self) -> None:
        """It goes with what is pushed shortly before it is due: to wake and write for each costs
        more than many a push. For the same reason all that are due about now are sent in one turn.

        Each keeps its place in the interval, else all that once had to wait would go out together
        for good.
        """
        assert self.ping_interval is not None
        now, every = self.loop.time(), self.ping_interval
        if self._ping_due is None:
            self._ping_due = math.ceil((now + every) / PINGS_EVERY) * PINGS_EVERY
        else:
            self._ping_due += every * max(1, math.ceil((now - self._ping_due) / every))
        self._ping_rides = self._ping_due - PING_RIDES * every
        self.ping_timer = self.loop.call_at(self._ping_due, self.send_keepalive_ping)

    def send_keepalive_ping(self) -> None:
        if self.is_open:
            self.transport.write(self._ping())

    def _ping(self) -> bytes:
        """The ping that is due, its answer awaited from now on."""
        self.stop_keepalive()
        assert self.ping_timeout is not None
        self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
        self.ping_sent_at = self.loop.time()
        self.pending_ping_payload = random.randbytes(4)  # tells its pong from others
        self.conn.send_ping(self.pending_ping_payload)
        return b"".join(self.conn.data_to_send())

    def stop_keepalive(self) -> None:
        super().stop_keepalive()
        self._ping_rides = math.inf

    def keepalive_timeout(self) -> None:
        """No close first, as uvicorn does: it would wait for a peer that is not there."""
        self.stop_keepalive()
        self.abort()

    def shutdown(self) -> None:
        """The server ends: the peers are sent away one after the other, to come back so."""
        self.loop.call_later(random.uniform(0, DRAIN_OVER), self._go_away)

    def _go_away(self) -> None:
        if self.disconnected:
            return
        if not self.writable.is_set():
            self.abort()
            return
        if not self.transport.is_closing():
            super().shutdown()
        self.abort_in(CLOSE_WITHIN)


def _text_frame(text: bytes) -> bytes:
    """RFC 6455 §5.2: whole and not masked, as a server sends it. A push is written so thousands of
    times, where `websockets` would check and copy it anew each time."""
    size = len(text)
    if size < 126:
        return bytes((_TEXT, size)) + text
    if size < 65_536:
        return _MEDIUM.pack(_TEXT, 126, size) + text
    return _LONG.pack(_TEXT, 127, size) + text


def _is_ending(state: ServerState) -> bool:
    return isinstance(state, ServerEnding) and state.is_ending
