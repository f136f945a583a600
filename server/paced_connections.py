"""Connections with a limited share of the event loop, and with deadlines.

The protocol processes one slice of the received data per turn of the loop, and none while it is
full. A request has to arrive in time once it has begun, and the peer has to read sent data in time.
"""

import asyncio
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

SLICE_BYTES = 4_096  # bytes; about 4 ms of work if it holds only the smallest frames
READ_TIMEOUT_SECONDS = 20.0  # for the peer to read sent data
KERNEL_TIMEOUT_SECONDS = 25  # also of closed connections; longer, because the peer is not notified

_LINGER_ZERO = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: drops unsent data


class Timer:
    """Calls a function once after some seconds, unless it is stopped before."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        return self._handle is not None

    def start(self, seconds: float, then: Callable[[], None]) -> None:
        self.stop()
        self._handle = asyncio.get_running_loop().call_later(seconds, self._call, then)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _call(self, then: Callable[[], None]) -> None:
        self._handle = None
        then()


class PacedProtocol(asyncio.Protocol, ABC):
    """The base of the protocols of `wire`; precedes uvicorn's protocol in their bases."""

    transport: asyncio.Transport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_paused = False  # the peer has to read before more can be sent
        self._pending = bytearray()
        self._turn: asyncio.Handle | None = None
        self._unread_timer, self._arrival_timer, self._end_timer = Timer(), Timer(), Timer()

    # To be implemented by protocols ---------------------------------------------------------------

    @abstractmethod
    def has_enough(self) -> bool:
        """Whether the protocol cannot process more now. Call `continue_reading` once it can."""

    def slice_bytes(self) -> int:
        """The maximum number of bytes of a slice."""
        return SLICE_BYTES

    @abstractmethod
    def feed(self, data: bytes) -> None:
        """Processes a slice of the received data."""

    def handle_timeout(self) -> None:
        """Handles a request that did not arrive completely in time."""
        self.abort()

    # Receiving ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        wire = transport.get_extra_info("socket")
        if hasattr(socket, "TCP_USER_TIMEOUT") and wire.family != socket.AF_UNIX:
            # Otherwise a peer that reads nothing would keep closed connections in the kernel.
            wire.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, KERNEL_TIMEOUT_SECONDS * 1_000
            )

    def data_received(self, data: bytes) -> None:
        if self._pending or len(data) > self.slice_bytes() or self.has_enough():
            self._pending += data
            self.transport.pause_reading()
            self.continue_reading()
        else:
            self.feed(data)

    def continue_reading(self) -> None:
        """Processes pending data or resumes reading, unless the protocol is full."""
        if self.transport.is_closing():
            self._pending.clear()
        elif self.has_enough():
            pass
        elif not self._pending:
            self.transport.resume_reading()
        elif self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        if self.transport.is_closing() or self.has_enough():
            return
        size = self.slice_bytes()
        data = bytes(self._pending[:size])
        del self._pending[:size]
        self.feed(data)
        self.continue_reading()

    def set_deadline(self, seconds: float) -> None:
        """Sets the deadline of the arriving request, after which `handle_timeout` is called.

        Keeps a deadline that is already set.
        """
        if not self._arrival_timer.is_running:
            self._arrival_timer.start(seconds, lambda: self._check_deadline(seconds))

    def _check_deadline(self, seconds: float) -> None:
        if self._pending or self.has_enough():  # this process caused the delay
            self.set_deadline(seconds)
        else:
            self.handle_timeout()

    # Sending and ending ---------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self.is_paused = True
        if not self._unread_timer.is_running:
            self._unread_timer.start(READ_TIMEOUT_SECONDS, self.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.is_paused = False
        self._unread_timer.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_timers()
        self._pending.clear()
        super().connection_lost(exc)

    def abort_in(self, seconds: float) -> None:
        """Aborts after some seconds, unless the connection has ended by then."""
        self._end_timer.start(seconds, self.abort)

    def abort(self) -> None:
        """Ends the connection now. After a normal close, the kernel would keep unread data."""
        with suppress(OSError):  # already closed
            wire = cast("socket.socket", self.transport.get_extra_info("socket"))
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.transport.abort()

    def stop_timers(self) -> None:
        """Stops all timers, because the connection is lost or has another protocol."""
        for timer in (self._unread_timer, self._arrival_timer, self._end_timer):
            timer.stop()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
