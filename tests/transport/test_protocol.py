"""Every rule of PROTOCOL.md of graphql-ws on raw sockets, including invalid messages.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from typing import Any

import pytest

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
from tests.support.programs import Program

pytestmark = pytest.mark.once

NAME = "{ __typename }"
LONE = "\ud800"  # half a character: valid in JSON, invalid in UTF-8

FORBIDDEN = {
    # "Messages are represented through the JSON structure and are stringified"
    "binary": ([INIT, b'{"type": "ping"}'], 4400),
    "empty": ([INIT, ""], 4400),
    "cut off": ([INIT, '{"type": "ping"'], 4400),
    "two in one": ([INIT, '{"type": "ping"}{"type": "ping"}'], 4400),
    "a byte order mark": ([INIT, '\ufeff{"type": "ping"}'], 4400),
    "a number that JSON does not have": ([INIT, '{"type": "ping", "payload": {"a": NaN}}'], 4400),
    "not even a number": ([INIT, '{"type": "ping", "payload": {"a": -Infinity}}'], 4400),
    "a string": ([INIT, '"ping"'], 4400),
    "a number": ([INIT, "1"], 4400),
    "null": ([INIT, "null"], 4400),
    "a list": ([INIT, '[{"type": "ping"}]'], 4400),
    "before the init too": (["[]"], 4400),
    # "All messages contain the type field"
    "no type": ([INIT, {}], 4400),
    "a type that is null": ([INIT, {"type": None}], 4400),
    "a type that is a number": ([INIT, {"type": 1}], 4400),
    "a type that is a list": ([INIT, {"type": ["ping"]}], 4400),
    "an unknown type": ([INIT, {"type": "unheard-of"}], 4400),
    "an unknown type of great length": ([INIT, {"type": "ping" * 10_000}], 4400),
    "a type in capitals": ([INIT, {"type": "PING"}], 4400),
    "a type of the old protocol": ([INIT, {"type": "start", "id": "1", "payload": {}}], 4400),
    "what only servers say: next": ([INIT, {"type": "next", "id": "1", "payload": {}}], 4400),
    "what only servers say: error": ([INIT, {"type": "error", "id": "1", "payload": []}], 4400),
    "what only servers say: ack": ([INIT, ACK], 4400),
    # "Messages corresponding to operations must contain the id field"
    "a subscribe without id": ([INIT, {"type": "subscribe", "payload": {"query": NAME}}], 4400),
    "an empty id": ([INIT, subscribe("", NAME)], 4400),
    "an id that is a number": ([INIT, subscribe(1, NAME)], 4400),
    "an id that is too long": ([INIT, subscribe("i" * 201, NAME)], 4400),
    "a complete without id": ([INIT, {"type": "complete"}], 4400),
    "a complete whose id is a list": ([INIT, {"type": "complete", "id": []}], 4400),
    # ConnectionInit: payload?: Record<string, unknown> | null
    "an init with a list": ([INIT | {"payload": []}], 4400),
    "an init with a string": ([INIT | {"payload": "x"}], 4400),
    "an init with false": ([INIT | {"payload": False}], 4400),
    "an init with a token that is none": ([INIT | {"payload": {"authorization": 1}}], 4400),
    "an init with a token of nobody": ([INIT | {"payload": {"authorization": "Bearer x"}}], 4403),
    "an init with a token of half a character": (
        [INIT | {"payload": {"authorization": f"Bearer cb_1_1_{LONE}"}}],
        4403,
    ),
    "two inits": ([INIT, INIT], 4429),
    "a second init after others": ([INIT, {"type": "ping"}, subscribe("1", NAME), INIT], 4429),
    # Ping, Pong: payload?: Record<string, unknown> | null
    "a ping with a list": ([INIT, {"type": "ping", "payload": []}], 4400),
    "a ping with a number": ([{"type": "ping", "payload": 0}], 4400),
    "a pong with a string": ([INIT, {"type": "pong", "payload": ""}], 4400),
    # Subscribe
    "a subscribe before the init": ([subscribe("1", NAME)], 4401),
    "a subscribe without payload": ([INIT, {"type": "subscribe", "id": "1"}], 4400),
    "a payload of null": ([INIT, {"type": "subscribe", "id": "1", "payload": None}], 4400),
    "a payload that is a list": ([INIT, {"type": "subscribe", "id": "1", "payload": []}], 4400),
    "a payload that is a string": ([INIT, {"type": "subscribe", "id": "1", "payload": NAME}], 4400),
    "no query": ([INIT, {"type": "subscribe", "id": "1", "payload": {}}], 4400),
    "a query of null": ([INIT, subscribe("1", None)], 4400),
    "a query that is a list": ([INIT, subscribe("1", [NAME])], 4400),
    "variables that are a list": ([INIT, subscribe("1", NAME, variables=[])], 4400),
    "variables that are a string": ([INIT, subscribe("1", NAME, variables="{}")], 4400),
    "an operation name of 0": ([INIT, subscribe("1", NAME, operationName=0)], 4400),
    "extensions that are a list": ([INIT, subscribe("1", NAME, extensions=[])], 4400),
}

# Sent after the ack; the messages that follow, before the answer to the next ping.
ALLOWED = {
    "a ping": ({"type": "ping"}, [{"type": "pong"}]),
    "a ping with nothing": ({"type": "ping", "payload": None}, [{"type": "pong"}]),
    "a ping with an empty payload": (
        {"type": "ping", "payload": {}},
        [{"type": "pong", "payload": {}}],
    ),
    "a ping with all that JSON has": (
        {"type": "ping", "payload": {"a": [None, True, 1.5, "ä🏃\u2028" + LONE, {"": 2**53}]}},
        [{"type": "pong", "payload": {"a": [None, True, 1.5, "ä🏃\u2028" + LONE, {"": 2**53}]}}],
    ),
    "a ping that also has an id": ({"type": "ping", "id": 1}, [{"type": "pong"}]),
    "white space around it": (' \n{"type"\t:\r"ping"} ', [{"type": "pong"}]),
    "the last of two types": ('{"type": "x", "type": "ping"}', [{"type": "pong"}]),
    "a pong nobody asked for": ({"type": "pong"}, []),
    "a pong with a payload": ({"type": "pong", "payload": {"a": 1}}, []),
    "a complete of nothing": ({"type": "complete", "id": "none"}, []),
}

# An operation that cannot run: one `error` with its id, no `complete`, and the socket stays open.
REFUSED = {
    "a syntax error": ("{", {}),
    "no document at all": ("", {}),
    "an unknown field": ("{ x }", {}),
    "an unknown operation": ("query A { __typename }", {"operationName": "B"}),
    "one operation too many": ("query A { __typename } query B { __typename }", {}),
    "a variable that is missing": ("query ($a: Boolean!) { t: __typename @skip(if: $a) }", {}),
    "a subscription to two things": (
        "subscription { a: liveChannels { inUse } b: liveChannels { inUse } }",
        {},
    ),
    "a subscription to a name": ("subscription { __typename }", {}),
    "a subscription that runs in circles": (
        "subscription { ...F } fragment F on Subscription { ...F }",
        {},
    ),
    "an odd document": ("{ __typename(a: 1e999) }", {}),
    "half a character": (f'{{ x(a: "{LONE}") }}', {}),
}


@pytest.mark.parametrize(("messages", "code"), FORBIDDEN.values(), ids=FORBIDDEN)
async def test_a_message_that_the_protocol_forbids_closes_the_socket_with_its_code(
    api: Program, messages: list[Any], code: int
) -> None:
    async with open_socket(api.url) as socket:
        await say(socket, *messages)
        assert await closed(socket) == code
        assert socket.close_reason


@pytest.mark.parametrize(("sent_message", "answers"), ALLOWED.values(), ids=ALLOWED)
async def test_a_message_that_the_protocol_allows_is_answered(
    api: Program, sent_message: Any, answers: list[Any]
) -> None:
    async with acknowledged(api.url) as socket:
        await say(socket, sent_message)
        assert await until_pong(socket) == answers


@pytest.mark.parametrize(("query", "more"), REFUSED.values(), ids=REFUSED)
async def test_an_operation_that_cannot_run_ends_with_exactly_one_error(
    carrier: Carrier, query: str, more: dict[str, Any]
) -> None:
    async with signed_in(carrier.url, carrier.owner.token) as socket:
        await say(socket, subscribe("board", LIVE))
        assert (await hear(socket))["id"] == "board"
        await say(socket, subscribe("1", query, **more))
        [error] = await until_told(socket, "1")
        assert (error["id"], error["type"]) == ("1", "error")
        assert all(
            details["message"] and details["extensions"]["code"] for details in error["payload"]
        )
        await say(socket, subscribe("1", NAME))
        assert [message["type"] for message in await until_told(socket, "1")] == [
            "next",
            "complete",
        ]
