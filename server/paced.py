"""A connection that takes no more of a process than its turns, and no longer than its time.

What is received is handed on a slice a turn of the loop, and none while its owner has enough; what
has begun to arrive has to arrive in time, and what was sent has to be read in time.
"""

import asyncio
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

SLICE = 4_096  # bytes; of the smallest frames there are, what takes about 4 ms
READ_WITHIN = 20.0  # seconds a peer may leave what was sent to it unread
KERNEL_WITHIN = 25  # seconds, likewise, of what is closed: later, as it tells the peer nothing

_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: what is not sent yet is dropped


class Timer:
    """Calls once, some seconds from now, unless it is stopped before."""

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


class Paced(asyncio.Protocol, ABC):
    """What the protocols of `wire` share; goes before one of uvicorn's among the bases."""

    transport: asyncio.Transport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_paused = False  # the peer has not read enough for more to be sent
        self._unfed = bytearray()
        self._turn: asyncio.Handle | None = None
        self._unread, self._arrival, self._end = Timer(), Timer(), Timer()

    # What a protocol says of itself ---------------------------------------------------------------

    @abstractmethod
    def has_enough(self) -> bool:
        """Whether nothing more is to be handed on for now; `go_on` has to follow."""

    def slice(self) -> int:
        """How many bytes are handed on at once."""
        return SLICE

    @abstractmethod
    def feed(self, data: bytes) -> None:
        """Takes a slice of what was received."""

    def too_late(self) -> None:
        """What began to arrive has not arrived in time."""
        self.abort()

    # Receiving ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        wire = transport.get_extra_info("socket")
        if hasattr(socket, "TCP_USER_TIMEOUT") and wire.family != socket.AF_UNIX:
            # Else a peer that reads nothing would keep what is closed already in the kernel.
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, KERNEL_WITHIN * 1_000)

    def data_received(self, data: bytes) -> None:
        if self._unfed or len(data) > self.slice() or self.has_enough():
            self._unfed += data
            self.transport.pause_reading()
            self.go_on()
        else:
            self.feed(data)

    def go_on(self) -> None:
        """Hands on more of what was received, or receives more, where it may."""
        if self.transport.is_closing():
            self._unfed.clear()
        elif self.has_enough():
            pass
        elif not self._unfed:
            self.transport.resume_reading()
        elif self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        if self.transport.is_closing() or self.has_enough():
            return
        size = self.slice()
        data = bytes(self._unfed[:size])
        del self._unfed[:size]
        self.feed(data)
        self.go_on()

    def expect_rest(self, seconds: float) -> None:
        """Of what arrives now; `too_late` otherwise. Keeps the time that runs already."""
        if not self._arrival.is_running:
            self._arrival.start(seconds, lambda: self._late(seconds))

    def _late(self, seconds: float) -> None:
        if self._unfed or self.has_enough():  # it is we who have not taken it
            self.expect_rest(seconds)
        else:
            self.too_late()

    # Sending and ending ---------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        self.is_paused = True
        if not self._unread.is_running:
            self._unread.start(READ_WITHIN, self.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.is_paused = False
        self._unread.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self.let_go()
        self._unfed.clear()
        super().connection_lost(exc)

    def abort_in(self, seconds: float) -> None:
        """Unless it has ended by then."""
        self._end.start(seconds, self.abort)

    def abort(self) -> None:
        """Ends it now. Merely closed, the kernel would hold what is unread for longer."""
        with suppress(OSError):  # it is closed already
            wire = cast("socket.socket", self.transport.get_extra_info("socket"))
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.transport.abort()

    def let_go(self) -> None:
        """The connection is lost, or another's."""
        for timer in (self._unread, self._arrival, self._end):
            timer.stop()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
