"""graphql-transport-ws: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from callers import Carrier
from programs import Program
from redis.asyncio import Redis
from switches import Calls
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from models import db

INIT = {"type": "connection_init"}
ACK = {"type": "connection_ack"}


@asynccontextmanager
async def _socket(
    url: str, protocol: str = "graphql-transport-ws"
) -> AsyncIterator[ClientConnection]:
    address = url.replace("http", "ws") + "/graphql"
    async with connect(address, subprotocols=[Subprotocol(protocol)]) as socket:
        yield socket


async def _say(socket: ClientConnection, *messages: Any) -> None:
    for message in messages:
        await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))


async def _hear(socket: ClientConnection) -> Any:
    return json.loads(await socket.recv())


async def _closed(socket: ClientConnection) -> int | None:
    """The code it is closed with, after whatever else comes."""
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()
    return socket.close_code


def _subscribe(id: str, query: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "subscribe", "payload": {"query": query} | more}


async def test_a_query_is_answered_and_completed(carrier: Carrier) -> None:
    async with _socket(carrier.url) as socket:
        init = INIT | {"payload": {"authorization": f"Bearer {carrier.owner.token}"}}
        await _say(socket, init)
        assert await _hear(socket) == ACK
        await _say(socket, _subscribe("1", "{ viewer { __typename } }"))
        answer = await _hear(socket)
        assert (answer["id"], answer["type"]) == ("1", "next")
        assert answer["payload"]["data"] == {"viewer": {"__typename": "Staff"}}
        assert await _hear(socket) == {"id": "1", "type": "complete"}


async def test_a_refusal_comes_with_its_code(api: Program) -> None:
    async with _socket(api.url) as socket:
        await _say(socket, INIT)
        assert await _hear(socket) == ACK
        await _say(socket, _subscribe("1", "{ viewer { __typename } }"))
        payload = (await _hear(socket))["payload"]
        assert payload["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_a_document_at_fault_ends_the_operation_and_not_the_socket(api: Program) -> None:
    async with _socket(api.url) as socket:
        await _say(socket, INIT)
        await _hear(socket)
        for id, query in [
            ("1", "{"),
            ("2", "{ x }"),
            ("3", ""),
            ("4", "fragment A on Query { x }"),
        ]:
            await _say(socket, _subscribe(id, query))
            answer = await _hear(socket)
            assert (answer["id"], answer["type"]) == (id, "error")
            assert answer["payload"][0]["message"]
        await _say(socket, _subscribe("6", "{ __typename }"))
        assert (await _hear(socket))["payload"]["data"] == {"__typename": "Query"}


async def test_a_ping_is_answered_with_its_payload_even_before_the_init(api: Program) -> None:
    async with _socket(api.url) as socket:
        await _say(socket, {"type": "ping"}, {"type": "ping", "payload": {"a": "\ud800"}})
        await _say(socket, {"type": "pong"})
        assert await _hear(socket) == {"type": "pong"}
        assert await _hear(socket) == {"type": "pong", "payload": {"a": "\ud800"}}


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "{",
        "1",
        "null",
        "[]",
        "{}",
        b"{}",
        '{"type": 1}',
        '{"type": "unheard-of"}',
        '{"type": "ping", "payload": 1}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": 1, "payload": {"query": "{ a }"}}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{ a }"}}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": "1", "payload": {}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": 1}}',
        '{"type": "complete"}',
        "[" * 50_000,
        "1" * 5_000,
    ],
)
async def test_an_odd_message_closes_with_4400(api: Program, odd: str | bytes) -> None:
    async with _socket(api.url) as socket:
        await _say(socket, INIT, odd)
        assert await _closed(socket) == 4400


async def test_each_fault_has_its_close_code(carrier: Carrier) -> None:
    query = "subscription { liveChannels { sequence } }"
    init = INIT | {"payload": {"authorization": f"Bearer {carrier.owner.token}"}}
    for messages, code in [
        ([_subscribe("1", "{ __typename }")], 4401),
        ([INIT | {"payload": {"authorization": "Bearer x"}}], 4403),
        ([INIT | {"payload": {"authorization": 1}}], 4400),
        ([INIT, INIT], 4429),
        ([init, _subscribe("1", query), _subscribe("1", query)], 4409),
    ]:
        async with _socket(carrier.url) as socket:
            await _say(socket, *messages)
            assert await _closed(socket) == code
    async with _socket(carrier.url, "graphql-ws") as socket:
        assert await _closed(socket) == 4406


async def test_a_deeply_nested_ping_is_answered_or_refused(api: Program) -> None:
    """How deep JSON may be nested depends on the Python that runs the server."""
    async with _socket(api.url) as socket:
        await _say(socket, INIT)
        assert await _hear(socket) == ACK
        payload = '{"a": ' + "[" * 960 + "]" * 960 + "}"
        await _say(socket, f'{{"type": "ping", "payload": {payload}}}')
        closed: int | None = None
        try:
            assert (await _hear(socket))["type"] == "pong"
        except ConnectionClosed as end:
            closed = end.rcvd.code if end.rcvd else 1006
        assert closed in (None, 4400)


@pytest.mark.parametrize(
    ("query", "name"),
    [("", None), ("fragment F on Query { __typename }", None), ("query A { __typename }", "B")],
)
async def test_a_document_without_the_operation_is_refused_as_such(
    api: Program, query: str, name: str | None
) -> None:
    async with _socket(api.url) as socket:
        await _say(socket, INIT, _subscribe("1", query, operationName=name))
        await _hear(socket)
        told = await _hear(socket)
        assert told["type"] == "error"
        assert [error["extensions"]["code"] for error in told["payload"]] == ["BAD_REQUEST"]


async def test_an_id_is_free_again_after_complete(api: Program) -> None:
    async with _socket(api.url) as socket:
        await _say(socket, INIT, {"id": "none", "type": "complete"})
        assert await _hear(socket) == ACK
        for _ in range(3):
            await _say(socket, _subscribe("1", "{ __typename }"))
            assert (await _hear(socket))["type"] == "next"
            assert (await _hear(socket))["type"] == "complete"


async def test_a_login_over_the_socket_works_before_signing_in(carrier: Carrier) -> None:
    async with _socket(carrier.url) as socket:
        await _say(socket, INIT)
        await _hear(socket)
        query = "mutation { logout { __typename ... on Refusal { code } } }"
        await _say(socket, _subscribe("1", query))
        assert (await _hear(socket))["payload"]["data"]["logout"]["code"] == "UNAUTHENTICATED"


async def test_a_socket_whose_key_is_revoked_is_closed_with_its_next_push(
    carrier: Carrier, api_redis: Redis
) -> None:
    customer = await carrier.customer()
    made = await carrier.owner.do(
        "createApiKey", "CreatedApiKey", "id secret", name="a program", scopes=["LIVE_READ"]
    )
    switch = Calls(api_redis, carrier, customer)
    async with _socket(carrier.url) as socket:
        await _say(socket, INIT | {"payload": {"authorization": f"Bearer {made['secret']}"}})
        await _say(socket, _subscribe("1", "subscription { liveChannels { inUse } }"))
        assert await _hear(socket) == ACK
        assert (await _hear(socket))["type"] == "next"
        await carrier.owner.do("revokeApiKey", "ApiKey", "id", id=made["id"])
        closed = asyncio.create_task(_closed(socket))
        for number in range(100):
            await switch.start(number)
            await asyncio.wait([closed], timeout=0.1)
            if closed.done():
                break
        assert await closed == 4403


async def test_an_error_that_is_not_the_clients_business_is_masked_everywhere(
    carrier: Carrier,
) -> None:
    query = "{ customers { edges { node { balance { amount } } } } }"
    await carrier.customer()
    async with db.connection() as connection:
        await connection.execute("ALTER TABLE ledger_entries RENAME TO ledger_hidden")
    try:
        over_http = await carrier.owner.send(query)
        async with _socket(carrier.url) as socket:
            init = {"payload": {"authorization": f"Bearer {carrier.owner.token}"}}
            await _say(socket, INIT | init, _subscribe("1", query))
            await _hear(socket)
            over_socket = (await _hear(socket))["payload"]
    finally:
        async with db.connection() as connection:
            await connection.execute("ALTER TABLE ledger_hidden RENAME TO ledger_entries")
    for answer in (over_http, over_socket):
        [error] = answer["errors"]
        assert error["message"] == f"Internal error {error['extensions']['id']}"
        assert "ledger" not in json.dumps(answer)
