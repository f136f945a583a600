"""graphql-transport-ws: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md"""

import json

import pytest
from websockets.exceptions import ConnectionClosed

from models import db
from tests.support.api.callers import Carrier
from tests.support.api.sockets import ACK, INIT, closed, hear, open_socket, say, subscribe
from tests.support.programs import Program

pytestmark = pytest.mark.once


async def test_a_query_is_answered_and_completed(carrier: Carrier) -> None:
    async with open_socket(carrier.url) as socket:
        init = INIT | {"payload": {"authorization": f"Bearer {carrier.owner.token}"}}
        await say(socket, init)
        assert await hear(socket) == ACK
        await say(socket, subscribe("1", "{ viewer { __typename } }"))
        answer = await hear(socket)
        assert (answer["id"], answer["type"]) == ("1", "next")
        assert answer["payload"]["data"] == {"viewer": {"__typename": "Staff"}}
        assert await hear(socket) == {"id": "1", "type": "complete"}


async def test_a_refusal_contains_its_code(api: Program) -> None:
    async with open_socket(api.url) as socket:
        await say(socket, INIT)
        assert await hear(socket) == ACK
        await say(socket, subscribe("1", "{ viewer { __typename } }"))
        payload = (await hear(socket))["payload"]
        assert payload["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}


async def test_an_invalid_document_ends_the_operation_and_not_the_socket(api: Program) -> None:
    async with open_socket(api.url) as socket:
        await say(socket, INIT)
        await hear(socket)
        for id, query in [
            ("1", "{"),
            ("2", "{ x }"),
            ("3", ""),
            ("4", "fragment A on Query { x }"),
        ]:
            await say(socket, subscribe(id, query))
            answer = await hear(socket)
            assert (answer["id"], answer["type"]) == (id, "error")
            assert answer["payload"][0]["message"]
        await say(socket, subscribe("6", "{ __typename }"))
        assert (await hear(socket))["payload"]["data"] == {"__typename": "Query"}


async def test_a_ping_is_answered_with_its_payload_even_before_the_init(api: Program) -> None:
    async with open_socket(api.url) as socket:
        await say(socket, {"type": "ping"}, {"type": "ping", "payload": {"a": "\ud800"}})
        await say(socket, {"type": "pong"})
        assert await hear(socket) == {"type": "pong"}
        assert await hear(socket) == {"type": "pong", "payload": {"a": "\ud800"}}


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
async def test_an_invalid_message_closes_with_4400(api: Program, odd: str | bytes) -> None:
    async with open_socket(api.url) as socket:
        await say(socket, INIT, odd)
        assert await closed(socket) == 4400


async def test_each_protocol_error_has_its_close_code(carrier: Carrier) -> None:
    query = "subscription { liveChannels { sequence } }"
    init = INIT | {"payload": {"authorization": f"Bearer {carrier.owner.token}"}}
    for messages, code in [
        ([subscribe("1", "{ __typename }")], 4401),
        ([INIT | {"payload": {"authorization": "Bearer x"}}], 4403),
        ([INIT | {"payload": {"authorization": 1}}], 4400),
        ([INIT, INIT], 4429),
        ([init, subscribe("1", query), subscribe("1", query)], 4409),
    ]:
        async with open_socket(carrier.url) as socket:
            await say(socket, *messages)
            assert await closed(socket) == code
    async with open_socket(carrier.url, "graphql-ws") as socket:
        assert await closed(socket) == 4406


async def test_a_deeply_nested_ping_is_answered_or_refused(api: Program) -> None:
    """How deep JSON may be nested depends on the Python that runs the server."""
    async with open_socket(api.url) as socket:
        await say(socket, INIT)
        assert await hear(socket) == ACK
        payload = '{"a": ' + "[" * 960 + "]" * 960 + "}"
        await say(socket, f'{{"type": "ping", "payload": {payload}}}')
        code: int | None = None
        try:
            assert (await hear(socket))["type"] == "pong"
        except ConnectionClosed as end:
            code = end.rcvd.code if end.rcvd else 1006
        assert code in (None, 4400)


@pytest.mark.parametrize(
    ("query", "name"),
    [("", None), ("fragment F on Query { __typename }", None), ("query A { __typename }", "B")],
)
async def test_a_document_without_the_named_operation_is_refused(
    api: Program, query: str, name: str | None
) -> None:
    async with open_socket(api.url) as socket:
        await say(socket, INIT, subscribe("1", query, operationName=name))
        await hear(socket)
        message = await hear(socket)
        assert message["type"] == "error"
        assert [error["extensions"]["code"] for error in message["payload"]] == ["BAD_REQUEST"]


# A page of an origin that is not allowed cannot connect: tests/transport/test_cross_origin.py.
@pytest.mark.parametrize(("origin", "viewer"), [("ours", "Staff"), (None, None)])
async def test_a_cookie_counts_only_from_a_callboard_page(
    carrier: Carrier, origin: str | None, viewer: str | None
) -> None:
    headers = {"Cookie": f"callboard_session={carrier.owner.token}"}
    page = carrier.url if origin == "ours" else origin
    async with open_socket(carrier.url, origin=page, additional_headers=headers) as socket:
        await say(socket, INIT, subscribe("1", "{ viewer { __typename } }"))
        assert await hear(socket) == ACK
        data = (await hear(socket))["payload"]["data"]
        assert (data and data["viewer"]["__typename"]) == viewer


async def test_an_id_can_be_used_again_after_complete(api: Program) -> None:
    async with open_socket(api.url) as socket:
        await say(socket, INIT, {"id": "none", "type": "complete"})
        assert await hear(socket) == ACK
        for _ in range(3):
            await say(socket, subscribe("1", "{ __typename }"))
            assert (await hear(socket))["type"] == "next"
            assert (await hear(socket))["type"] == "complete"


async def test_a_sign_in_over_the_socket_works_without_a_session(carrier: Carrier) -> None:
    async with open_socket(carrier.url) as socket:
        await say(socket, INIT)
        await hear(socket)
        query = "mutation { logout { __typename ... on Refusal { code } } }"
        await say(socket, subscribe("1", query))
        assert (await hear(socket))["payload"]["data"]["logout"]["code"] == "UNAUTHENTICATED"


async def test_an_internal_error_is_masked_on_every_transport(
    carrier: Carrier,
) -> None:
    query = "{ customers { edges { node { balance { amount } } } } }"
    await carrier.customer()
    async with db.connection() as connection:
        await connection.execute("ALTER TABLE balances RENAME TO ledger_hidden")
    try:
        over_http = await carrier.owner.send(query)
        async with open_socket(carrier.url) as socket:
            init = {"payload": {"authorization": f"Bearer {carrier.owner.token}"}}
            await say(socket, INIT | init, subscribe("1", query))
            await hear(socket)
            over_socket = (await hear(socket))["payload"]
    finally:
        async with db.connection() as connection:
            await connection.execute("ALTER TABLE ledger_hidden RENAME TO balances")
    for answer in (over_http, over_socket):
        [error] = answer["errors"]
        assert error["message"] == f"Internal error {error['extensions']['id']}"
        assert "balances" not in json.dumps(answer)
