"""The course of a graphql-transport-ws socket: start, interleaved operations and end."""

import asyncio
import json
import socket as plain
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from live import topics
from tests.support.api.callers import Carrier
from tests.support.api.sockets import (
    ACK,
    INIT,
    LIVE,
    acknowledged,
    closed,
    hear,
    open_socket,
    say,
    signed_in,
    subscribe,
    until_pong,
    until_told,
)
from tests.support.api.switches import Calls, number
from tests.support.programs import Program

pytestmark = pytest.mark.once

NAME = "{ __typename }"
BOARD = "subscription B($of: ID) { liveChannels(customerId: $of) { sequence inUse } }"


@pytest.mark.parametrize(
    ("offered", "chosen", "code"),
    [
        (["graphql-transport-ws"], "graphql-transport-ws", None),
        (["graphql-ws", "graphql-transport-ws"], "graphql-transport-ws", None),
        (["graphql-ws"], None, 4406),
        (["graphql-transport-ws-2"], None, 4406),
        (["GRAPHQL-TRANSPORT-WS"], None, 4406),
        (None, None, 4406),
    ],
)
async def test_the_only_subprotocol_is_graphql_transport_ws(
    api: Program, offered: list[str] | None, chosen: str | None, code: int | None
) -> None:
    address = api.url.replace("http", "ws") + "/graphql"
    names = None if offered is None else [Subprotocol(name) for name in offered]
    async with connect(address, subprotocols=names) as socket:
        assert socket.subprotocol == chosen
        if code is None:
            await say(socket, INIT)
            assert await hear(socket) == ACK
        else:
            assert await closed(socket) == code


@pytest.mark.parametrize("payload", [{}, {"payload": None}, {"payload": {}}, {"payload": {"a": 1}}])
async def test_an_init_needs_no_payload(api: Program, payload: dict[str, Any]) -> None:
    async with open_socket(api.url) as socket:
        await say(socket, INIT | payload)
        assert await hear(socket) == ACK


async def test_a_client_without_an_init_in_time_is_closed_with_4408(
    api: Program,
) -> None:
    async def pinging() -> int | None:
        async with open_socket(api.url) as socket:
            while True:
                try:
                    await until_pong(socket)
                    await asyncio.sleep(0.5)
                except ConnectionClosed:
                    return socket.close_code

    async def silent() -> int | None:
        async with open_socket(api.url) as socket:
            return await closed(socket)

    async with acknowledged(api.url) as accepted:
        assert await asyncio.gather(pinging(), silent()) == [4408, 4408]
        assert await until_pong(accepted) == []


@pytest.mark.parametrize("id", ["1", "ä🏃", "\ud800", "\x00", '"', "i" * 200])
async def test_a_duplicate_id_closes_with_4409_and_names_it(carrier: Carrier, id: str) -> None:
    """For every kind of second operation."""
    for query in (LIVE, NAME, "mutation { logout { __typename } }"):
        async with signed_in(carrier.url, carrier.owner.token) as socket:
            await say(socket, subscribe(id, LIVE))
            assert (await hear(socket))["id"] == id
            await say(socket, subscribe(id, query))
            assert await closed(socket) == 4409
            assert socket.close_reason
            assert socket.close_reason.startswith("Subscriber for ")


async def test_an_operation_can_be_subscribed_together_with_the_init(carrier: Carrier) -> None:
    """Messages are processed in order, so that the ack is still first."""
    async with open_socket(carrier.url) as socket:
        init = INIT | {"payload": {"authorization": f"Bearer {carrier.owner.token}"}}
        await say(socket, init, subscribe("1", LIVE))
        assert await hear(socket) == ACK
        assert (await hear(socket))["type"] == "next"


async def test_a_completed_operation_sends_nothing_and_its_id_can_be_used_again(
    carrier: Carrier, api_redis: Redis
) -> None:
    first, other = await carrier.customer(), await carrier.customer()
    async with signed_in(carrier.url, carrier.owner.token) as socket:
        await say(socket, subscribe("1", BOARD, variables={"of": first}))
        assert (await hear(socket))["payload"]["data"]["liveChannels"]["inUse"] == 0
        await say(socket, {"type": "complete", "id": "1"})
        await say(socket, subscribe("1", BOARD, variables={"of": other}))
        assert (await hear(socket))["payload"]["data"]["liveChannels"]["inUse"] == 0
        await Calls(api_redis, carrier, first).start(1, 2, 3)
        await Calls(api_redis, carrier, other).start(4, 5)
        assert (await hear(socket))["payload"]["data"]["liveChannels"]["inUse"] == 2
        await say(socket, {"type": "complete", "id": "1"}, {"type": "complete", "id": "1"})
        await until_pong(socket)
        await Calls(api_redis, carrier, other).end(4, 5)
        await asyncio.sleep(0.3)
        assert await until_pong(socket) == []


async def test_operations_of_every_kind_are_interleaved(carrier: Carrier) -> None:
    async with signed_in(carrier.url, carrier.owner.token) as socket:
        ends: dict[str, list[str]] = {}
        for round in range(10):
            ends |= {f"{round} ask": ["next", "complete"], f"{round} fault": ["error"]}
            await say(socket, subscribe(f"{round} ask", NAME), subscribe(f"{round} fault", "{"))
            await say(socket, subscribe(f"{round} board", LIVE))
        types: dict[str, list[str]] = {}
        while not all(
            types.get(id, [""])[-1] == types_of_id[-1] for id, types_of_id in ends.items()
        ):
            message = await hear(socket)
            types.setdefault(message["id"], []).append(message["type"])
        await until_pong(socket)
        assert {id: types[id] for id in ends} == ends
        assert {
            kind for id, types_of_id in types.items() if "board" in id for kind in types_of_id
        } <= {"next"}


async def test_a_mutation_is_executed_and_completed(carrier: Carrier) -> None:
    async with signed_in(carrier.url, carrier.owner.token) as socket:
        query = 'mutation { setLanguage(input: { language: "de" }) { __typename } }'
        await say(socket, subscribe("1", query))
        assert [message["type"] for message in await until_told(socket, "1")] == [
            "next",
            "complete",
        ]


async def test_extensions_and_an_operation_name_are_accepted(api: Program) -> None:
    async with acknowledged(api.url) as socket:
        query = "query A { a: __typename } query B { b: __typename }"
        more = {"operationName": "B", "extensions": {"any": [None]}, "variables": None}
        await say(socket, subscribe("1", query, **more))
        answer, end = await until_told(socket, "1")
        assert answer["payload"]["data"] == {"b": "Query"}
        assert end == {"id": "1", "type": "complete"}


async def test_a_message_in_many_frames_is_one_message(api: Program) -> None:
    async with acknowledged(api.url) as socket:
        await socket.send(iter(json.dumps(subscribe("ä", NAME), ensure_ascii=False)))
        assert [message["type"] for message in await until_told(socket, "ä")] == [
            "next",
            "complete",
        ]
        await (await socket.ping())


async def test_a_message_that_is_too_large_ends_only_its_socket(carrier: Carrier) -> None:
    async with signed_in(carrier.url, carrier.owner.token) as other:
        async with acknowledged(carrier.url) as socket:
            await say(socket, subscribe("1", NAME + " " * 2_000_000))
            assert await closed(socket) in (1009, 4400)
        assert await until_pong(other) == []


async def test_a_message_with_too_many_values_ends_only_its_socket(carrier: Carrier) -> None:
    async with signed_in(carrier.url, carrier.owner.token) as other:
        async with signed_in(carrier.url, carrier.owner.token) as socket:
            await socket.send("[" + "[]," * 60_000 + "1]")
            assert await closed(socket) == 4400
        assert await until_pong(other) == []


async def test_text_that_is_not_utf_8_ends_only_its_socket(carrier: Carrier) -> None:
    async with acknowledged(carrier.url) as socket:
        await socket.send(b"\xff\xfe", text=True)
        assert await closed(socket) in (1007, 4400)


async def test_a_number_too_large_for_json_is_refused_or_answered_in_json(api: Program) -> None:
    """1e400 is valid JSON, and not a number in Python: its text would not be valid JSON."""
    async with acknowledged(api.url) as socket:
        await say(socket, '{"type": "ping", "payload": {"a": 1e400}}')
        try:
            assert (await hear(socket))["type"] == "pong"
        except ConnectionClosed:
            assert socket.close_code == 4400


@pytest.mark.parametrize("depth", [50, 300, 900, 940, 960, 975, 985, 995, 2_000])
async def test_deeply_nested_variables_do_not_break_the_socket(
    carrier: Carrier, depth: int
) -> None:
    async with signed_in(carrier.url, carrier.owner.token) as socket:
        deep = '{"of": ' + "[" * depth + "]" * depth + "}"
        payload = f'{{"query": "{BOARD}", "variables": {deep}}}'
        await say(socket, f'{{"type": "subscribe", "id": "1", "payload": {payload}}}')
        try:
            message = await hear(socket)
            assert (message["id"], message["type"]) == ("1", "error")
        except ConnectionClosed:
            assert socket.close_code == 4400


@pytest.mark.parametrize(
    "of", ["\ud800", "\x00", "", "x" * 10_000, 1, 1e400, 2**70, [], {}, True, -0.0]
)
async def test_an_invalid_variable_ends_only_its_operation(carrier: Carrier, of: Any) -> None:
    async with signed_in(carrier.url, carrier.owner.token) as socket:
        message = json.dumps(subscribe("1", BOARD, variables={"of": of}))
        await say(socket, message.replace("Infinity", "1e400"))
        stream = (await until_told(socket, "1"))[0]
        [error] = stream["payload"] if stream["type"] == "error" else stream["payload"]["errors"]
        assert error["extensions"]["code"] != "INTERNAL"
        assert "Internal error" not in error["message"]


@pytest.mark.parametrize("directive", ["@skip(if: true)", "@include(if: false)"])
async def test_a_subscription_whose_fields_are_all_skipped_ends_only_its_operation(
    carrier: Carrier, directive: str
) -> None:
    async with signed_in(carrier.url, carrier.owner.token) as socket:
        await say(
            socket, subscribe("1", f"subscription {{ liveChannels {directive} {{ inUse }} }}")
        )
        message = (await until_told(socket, "1"))[-1]
        assert message["type"] in ("error", "complete")
        assert "Internal error" not in json.dumps(message)


async def test_a_client_that_leaves_or_loses_its_connection_is_unsubscribed(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    topic = topics.channels(carrier.account_id, number(customer))
    for torn in (False, True):
        async with signed_in(carrier.url, carrier.owner.token) as socket:
            await say(socket, subscribe("1", BOARD, variables={"of": customer}))
            await hear(socket)
            assert dict(await api_redis.pubsub_numsub(topic)) == {topic.encode(): 1}
            if torn:
                socket.transport.abort()
            else:
                await socket.close(1000)
                assert socket.close_code == 1000
        for _ in range(100):
            if dict(await api_redis.pubsub_numsub(topic)) == {topic.encode(): 0}:
                break
            await asyncio.sleep(0.05)
        assert dict(await api_redis.pubsub_numsub(topic)) == {topic.encode(): 0}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 100,
        b"GET /graphql HTTP/1.1\r\n\r\n",
        b"GET /graphql HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        b"POST /graphql HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: x\r\n\r\n",
    ],
)
async def test_an_invalid_handshake_does_not_affect_the_server(
    api: Program, content: bytes
) -> None:
    with plain.create_connection(("127.0.0.1", urlsplit(api.url).port or 0)) as raw:
        raw.sendall(content)
        raw.shutdown(plain.SHUT_WR)
        raw.settimeout(10)
        answer = await asyncio.to_thread(raw.recv, 65_536)
    assert b" 101 " not in answer.partition(b"\r\n")[0]
    async with acknowledged(api.url) as socket:
        assert await until_pong(socket) == []
