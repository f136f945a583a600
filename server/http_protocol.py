"""uvicorn's HTTP protocol with limits (`paced_connections`) and a gradual shutdown."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server import answers, paced_connections, wire

MAX_HEAD_BYTES = 32_768  # a request's line and headers
HEAD_TIMEOUT_SECONDS = 10.0
BODY_TIMEOUT_SECONDS = 32.0  # longer than the timeout of `ingest_routes`, which sends a response


class _FlowControl(FlowControl):
    """uvicorn's flow control; the protocol decides whether to read more."""

    def __init__(self, transport: Any, continue_reading: Callable[[], None]) -> None:
        super().__init__(transport)
        self._continue_reading = continue_reading

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self._continue_reading()


class HttpProtocol(paced_connections.PacedProtocol, HttpToolsProtocol):
    """HTTP, including server-sent events."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._is_head_too_long = False
        self._is_refused = False

    @property
    def is_writable(self) -> bool:
        return not self.flow.write_paused

    def has_enough(self) -> bool:
        waits_to_refuse = self._is_head_too_long and not self._is_refused
        return waits_to_refuse or self.flow.read_paused or bool(self.pipeline)

    def slice_bytes(self) -> int:
        """Larger for a body, because it is not parsed here."""
        return paced_connections.SLICE_BYTES if self._in_head else 4 * paced_connections.SLICE_BYTES

    def feed(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._is_idle():  # otherwise an empty line after a request would end its response
                self.set_deadline(HEAD_TIMEOUT_SECONDS)
        HttpToolsProtocol.data_received(self, data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._is_head_too_long = True
            self._refuse_head()

    def _refuse_head(self) -> None:
        """Refuses the request once the previous request has its response."""
        if self._is_idle() and not self._is_refused and not self.transport.is_closing():
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._send_last_response(
                status, f"A request's head has at most {MAX_HEAD_BYTES} bytes."
            )

    def _send_last_response(self, status: HTTPStatus, message: str) -> None:
        """Sends the last response, then reads for a moment: closing with unread bytes would reset
        the connection and lose the response."""
        self._is_refused = True
        self.transport.write(answers.plain(status, message))
        self.transport.write_eof()
        self.abort_in(wire.CLOSE_TIMEOUT_SECONDS)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    # What uvicorn calls --------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.flow = _FlowControl(transport, self.continue_reading)
        self.set_deadline(HEAD_TIMEOUT_SECONDS)
        if wire.is_shutting_down(self.server_state):
            self.shutdown()

    def handle_websocket_upgrade(self) -> None:
        self.stop_timers()
        self._pending.clear()  # sent before the handshake ended; not part of the WebSocket
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {wire.EXTENSION: {"wire": self}}
        self.set_deadline(HEAD_TIMEOUT_SECONDS)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._arrival_timer.stop()
        self.set_deadline(BODY_TIMEOUT_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head, self._head_bytes = True, 0
        self._arrival_timer.stop()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_head_too_long:
            self._refuse_head()
        self.continue_reading()

    def send_400_response(self, msg: str) -> None:
        if self._is_idle():
            self._send_last_response(HTTPStatus.BAD_REQUEST, msg)
        else:
            super().send_400_response(msg)

    def shutdown(self) -> None:
        """Lets running requests finish; does not wait for requests that have not arrived."""
        super().shutdown()
        waits = self.transport.is_closing() or self._arrival_timer.is_running
        self.abort_in(
            wire.CLOSE_TIMEOUT_SECONDS if waits else wire.DRAIN_SECONDS + wire.CLOSE_TIMEOUT_SECONDS
        )
