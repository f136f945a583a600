"""Many wallboards in one process, which need much less CPU than any server: they count frames.

A board implements only as much of HTTP and graphql-transport-ws as it needs to subscribe. From
a push it reads only `inUse`, which identifies the push.
"""

import asyncio
import json
import socket
import time
from array import array
from collections.abc import Sequence
from typing import cast

DOCUMENT = """subscription Channels($customer: ID) { liveChannels(customerId: $customer) {
    sequence asOf inUse limit cps byCarrier { carrier { id name } inUse } } }"""

_HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A
_MARK = b'"inUse":'
_MAX_CONNECTING = 64  # sockets at the same time
_SUBSCRIBE_TIMEOUT_SECONDS = 60.0


def frame(kind: int, payload: bytes) -> bytes:
    """A client's frame, masked with zeros."""
    if len(payload) < 126:
        return bytes((kind, 0x80 | len(payload))) + bytes(4) + payload
    return bytes((kind, 0xFE)) + len(payload).to_bytes(2, "big") + bytes(4) + payload


class Board(asyncio.Protocol):
    """`last` is the newest push that it has received; -1 before any."""

    def __init__(self, crowd: "Crowd", topic: int, init: bytes, subscribe: bytes) -> None:
        self.crowd = crowd
        self.topic = topic
        self.last = -1
        self.close_code: int | None = None
        self.transport: asyncio.Transport
        self.subscribed = asyncio.get_running_loop().create_future()
        self._init = init
        self._subscribe = subscribe
        self._is_upgraded = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # not a base of uvloop's class
        self.transport.write(_HANDSHAKE)

    def connection_lost(self, error: Exception | None) -> None:
        self.crowd.boards.discard(self)
        if not self.subscribed.done():
            self.subscribed.set_exception(error or ConnectionError(f"closed: {self.close_code}"))

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if self._rest:
            data = self._rest + data
        if not self._is_upgraded:
            data = self._finish_handshake(data)
        at, end = 0, len(data)
        while end - at >= 2:
            size, head = data[at + 1], 2
            if size == 126:
                size, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
            stop = at + head + size
            if stop > end:
                break
            self._take(data[at], data, at + head, stop, now)
            at = stop
        self._rest = data[at:]

    def _finish_handshake(self, data: bytes) -> bytes:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if not separator:
            self._rest = data
            return b""
        if b" 101 " not in head:
            raise ConnectionError(head.decode())
        self._is_upgraded = True
        self.transport.write(self._init)
        return rest

    def _take(self, kind: int, data: bytes, start: int, stop: int, now: float) -> None:
        if kind == _TEXT:
            index = data.find(_MARK, start, stop)
            if index < 0:
                self._take_other(data[start:stop])
            else:
                comma = data.find(b",", index, stop)
                self.crowd.receive(self, int(data[index + len(_MARK) : comma]), now)
        elif kind == _PING:
            self.transport.write(frame(_PONG, data[start:stop]))
        elif kind == _CLOSE:
            self.close_code = int.from_bytes(data[start : start + 2], "big")
            self.crowd.closed.append(self.close_code)
            self.transport.write(frame(_CLOSE, data[start : start + 2]))

    def _take_other(self, text: bytes) -> None:
        message = json.loads(text)
        if message["type"] == "connection_ack":
            self.transport.write(self._subscribe)
            self.subscribed.set_result(None)
        elif message["type"] == "ping":
            self.transport.write(frame(_TEXT, b'{"type":"pong"}'))
        else:
            self.crowd.errors.append(text.decode()[:500])


class Crowd:
    """`latencies` are seconds from publishing to the first receipt of a push by each board."""

    def __init__(self, port: int, topics: Sequence[str], tokens: Sequence[str]) -> None:
        self._port = port
        self._tokens = tokens
        self._topics = topics
        self.boards: set[Board] = set()
        self.ignored: set[Board] = set()
        self.published: list[dict[int, float]] = [{} for _ in topics]
        self.closed: list[int] = []
        self.errors: list[str] = []
        self.messages = 0
        self.latencies = array("d")

    def reset(self) -> None:
        self.messages = 0
        self.latencies = array("d")

    def receive(self, board: Board, number: int, now: float) -> None:
        self.messages += 1
        if number > board.last:
            board.last = number
            published = self.published[board.topic].get(number)
            if published is not None and board not in self.ignored:
                self.latencies.append(now - published)

    async def open(self, count: int) -> None:
        """Connects and subscribes `count` boards, spread evenly over topics and tokens."""
        gate = asyncio.Semaphore(_MAX_CONNECTING)

        async def open_board(number: int) -> None:
            async with gate, asyncio.timeout(_SUBSCRIBE_TIMEOUT_SECONDS):
                await self._open(number)

        await asyncio.gather(*(open_board(number) for number in range(count)))

    async def _open(self, number: int) -> None:
        topic = number % len(self._topics)
        token = self._tokens[number // len(self._topics) % len(self._tokens)]
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
        variables = {"customer": self._topics[topic]}
        payload = {"query": DOCUMENT, "variables": variables}
        subscribe = {"id": "1", "type": "subscribe", "payload": payload}
        board = Board(
            self,
            topic,
            frame(_TEXT, json.dumps(init).encode()),
            frame(_TEXT, json.dumps(subscribe).encode()),
        )
        self.boards.add(board)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: board, "127.0.0.1", self._port)
        await board.subscribed

    def have_received(self, number: int) -> bool:
        """Whether every board that is not ignored has that push. Raises the first error of a
        server."""
        if self.errors:
            raise RuntimeError(f"a server answered: {self.errors[0]}")
        return all(board.last >= number for board in self.boards - self.ignored)

    def stall(self, boards: Sequence[Board]) -> None:
        """Makes these boards stop reading, with minimal kernel buffers."""
        for board in boards:
            plain: socket.socket = board.transport.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            board.transport.pause_reading()

    async def close(self) -> None:
        for board in list(self.boards):
            board.transport.abort()
        for _ in range(200):
            if not self.boards:
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(f"{len(self.boards)} sockets do not end")
