"""Unusual contents of SIP messages, and their repetition."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

import pytest

from tests.support.programs import Program
from tests.support.switch.callboard import CARRIERS, Callboard, until
from tests.support.switch.comparison import check_nothing_is_doubted
from tests.support.switch.traffic import BUSY, Load, Site, site

pytestmark = pytest.mark.switch

LINE = Load("by hand", "", "", 0, 0)


@contextmanager
def caller(place: Site) -> Iterator[socket]:
    with socket(AF_INET, SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", place.ports[LINE.name]))
        line.connect(("127.0.0.1", place.switch.port))
        line.settimeout(5)
        yield line


def request(method: bytes, port: int, user: bytes, call_id: bytes) -> bytes:
    return (
        b"%s sip:%s@127.0.0.1 SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK-%s\r\n"
        b"From: <sip:%s@127.0.0.1>;tag=one\r\nTo: <sip:%s@127.0.0.1>\r\nCall-ID: %s\r\n"
        b"CSeq: 1 %s\r\nContact: <sip:127.0.0.1:%d>\r\nMax-Forwards: 9\r\nContent-Length: 0\r\n\r\n"
    ) % (
        *(method, BUSY.encode(), port, sha256(call_id).hexdigest().encode()),
        *(user, BUSY.encode(), call_id, method, port),
    )


def busy_call(line: socket, user: bytes, call_id: bytes, times: int = 1) -> bytes:
    """Calls, saying each INVITE so often; the first line of the final answer."""
    port = line.getsockname()[1]
    for _ in range(times):
        line.send(request(b"INVITE", port, user, call_id))
    while (answer := line.recv(4000)).startswith(b"SIP/2.0 1"):
        pass
    line.send(request(b"ACK", port, user, call_id))
    return answer.partition(b"\r\n")[0]


async def test_unusual_bytes_arrive_and_repeated_messages_count_once(
    web: Program, worker: Program, tmp_path: Path
) -> None:
    board = await Callboard.open(web.url, {"acme": None}, CARRIERS)
    with site(tmp_path, web.url, board.token, [LINE]) as place, caller(place) as line:
        for user, call_id, times in [
            (b"caf\xe9", b"not-utf-8", 1),
            (b"plain", b'with"quote\\and-backslash', 1),
            (b"plain", b"not-utf-8-\xe9", 1),
            (b"1" * 300, b"long", 1),
            (b"plain", b"a" * 300, 1),
            (b"plain", b"repeated", 3),
        ]:
            reply = await asyncio.to_thread(busy_call, line, user, call_id, times)
            assert reply == b"SIP/2.0 486 Busy Here"
        await until(board.attempts, 6, 30)
        await until(board.in_use, 0, 5)
    finals = await board.finals()
    assert finals["not-utf-8;one"]["source"] == "caf?"
    assert finals["long;one"]["source"] == "1" * 128
    odd = [b'with"quote\\and-backslash;one', b"not-utf-8-\xe9;one", b"a" * 300 + b";one"]
    digests = {f"sha256:{sha256(id).hexdigest()}" for id in odd}
    assert finals.keys() == digests | {"not-utf-8;one", "long;one", "repeated;one"}
    await check_nothing_is_doubted(board)


async def test_an_incomplete_message_is_refused_and_not_reported(
    web: Program, worker: Program, tmp_path: Path
) -> None:
    board = await Callboard.open(web.url, {"acme": None}, CARRIERS)
    with site(tmp_path, web.url, board.token, [LINE]) as place, caller(place) as line:
        for user, call_id in [(b"cut\0short", b"one"), (b"plain", b"cut\0short")]:
            answer = await asyncio.to_thread(busy_call, line, user, call_id)
            assert answer.startswith(b"SIP/2.0 400")
        reply = await asyncio.to_thread(busy_call, line, b"plain", b"good")
        assert reply == b"SIP/2.0 486 Busy Here"
        await until(board.attempts, 1, 30)
    await check_nothing_is_doubted(board)
