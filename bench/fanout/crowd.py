"""Many wallboards in one process, much cheaper than any server: they count frames.

A board speaks HTTP and graphql-transport-ws just far enough to subscribe. Of what it is pushed it
reads `inUse` alone, which says which push it is.
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

_HELLO = (
    b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A
_MARK = b'"inUse":'
_AT_ONCE = 64  # sockets that connect at the same time
_WITHIN = 60.0  # seconds for a socket to be subscribed


def frame(kind: int, payload: bytes) -> bytes:
    """A client's frame: masked, by zeros."""
    if len(payload) < 126:
        return bytes((kind, 0x80 | len(payload))) + bytes(4) + payload
    return bytes((kind, 0xFE)) + len(payload).to_bytes(2, "big") + bytes(4) + payload


class Board(asyncio.Protocol):
    """`last` is the newest push it has heard of; -1 before any."""

    def __init__(self, crowd: "Crowd", topic: int, init: bytes, subscribe: bytes) -> None:
        self.crowd = crowd
        self.topic = topic
        self.last = -1
        self.close_code: int | None = None
        self.transport: asyncio.Transport
        self.subscribed = asyncio.get_running_loop().create_future()
        self._init = init
        self._subscribe = subscribe
        self._greeted = False
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self.transport.write(_HELLO)

    def connection_lost(self, error: Exception | None) -> None:
        self.crowd.boards.discard(self)
        if not self.subscribed.done():
            self.subscribed.set_exception(error or ConnectionError(f"closed: {self.close_code}"))

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if self._rest:
            data = self._rest + data
        if not self._greeted:
            data = self._greet(data)
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

    def _greet(self, data: bytes) -> bytes:
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            self._rest = data
            return b""
        if b" 101 " not in head:
            raise ConnectionError(head.decode())
        self._greeted = True
        self.transport.write(self._init)
        return rest

    def _take(self, kind: int, data: bytes, start: int, stop: int, now: float) -> None:
        if kind == _TEXT:
            found = data.find(_MARK, start, stop)
            if found < 0:
                self._take_other(data[start:stop])
            else:
                comma = data.find(b",", found, stop)
                self.crowd.hear(self, int(data[found + len(_MARK) : comma]), now)
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
            self.crowd.complaints.append(text.decode()[:500])


class Crowd:
    """`latencies` are seconds from publish to receipt, of each push a board heard first."""

    def __init__(self, port: int, topics: Sequence[str], tokens: Sequence[str]) -> None:
        self._port = port
        self._tokens = tokens
        self._topics = topics
        self.boards: set[Board] = set()
        self.ignored: set[Board] = set()
        self.published: list[dict[int, float]] = [{} for _ in topics]
        self.closed: list[int] = []
        self.complaints: list[str] = []
        self.messages = 0
        self.latencies = array("d")

    def reset(self) -> None:
        self.messages = 0
        self.latencies = array("d")

    def hear(self, board: Board, number: int, now: float) -> None:
        self.messages += 1
        if number > board.last:
            board.last = number
            published = self.published[board.topic].get(number)
            if published is not None and board not in self.ignored:
                self.latencies.append(now - published)

    async def open(self, count: int) -> None:
        """Connects so many, spread evenly over topics and tokens, and subscribes each."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> None:
            async with gate, asyncio.timeout(_WITHIN):
                await self._open(number)

        await asyncio.gather(*(one(number) for number in range(count)))

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

    def have_heard(self, number: int) -> bool:
        """Whether every board that counts has that push; raises what a server complained of."""
        if self.complaints:
            raise RuntimeError(f"a server said: {self.complaints[0]}")
        return all(board.last >= number for board in self.boards - self.ignored)

    def stall(self, boards: Sequence[Board]) -> None:
        """Those boards read no more, and their kernel holds as little as it can for them."""
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
