"""graphql-transport-ws: its close codes and incoming messages.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import json
from enum import IntEnum
from typing import Any, TypeAlias

from domain import refusals
from server.graphql import requests

MAX_ID_CHARACTERS = 200

Message: TypeAlias = dict[str, Any]


class Close(IntEnum):
    INTERNAL = 1011
    TRY_AGAIN = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    BAD_SUBPROTOCOL = 4406
    INIT_TIMEOUT = 4408
    SUBSCRIBER_EXISTS = 4409
    TOO_MANY_INITS = 4429


class Closed(Exception):  # noqa: N818 - how a socket ends, not an error
    def __init__(self, code: Close, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def read(text: str | None) -> Message:
    """Parses a message with a `type`. Raises Closed (4400), also for binary messages (None)."""
    if text is None:
        raise Closed(Close.BAD_REQUEST, "Messages must be text")
    try:
        value = requests.read(text)
    except ValueError:
        raise Closed(Close.BAD_REQUEST, "Messages must be JSON") from None
    except refusals.Refusal as refusal:
        raise Closed(Close.BAD_REQUEST, refusal.message) from None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise Closed(Close.BAD_REQUEST, "Messages must be objects with a type")
    return value


def id_of(message: Message) -> str:
    id = message.get("id")
    if not isinstance(id, str) or not id or len(id) > MAX_ID_CHARACTERS:
        raise Closed(
            Close.BAD_REQUEST, f"The id must be a string of 1 to {MAX_ID_CHARACTERS} characters"
        )
    return id


def payload_of(message: Message) -> Message | None:
    payload = message.get("payload")
    if payload is not None and not isinstance(payload, dict):
        raise Closed(Close.BAD_REQUEST, "The payload must be an object")
    return payload


def request_of(message: Message) -> requests.Parameters:
    """The payload of a `subscribe` message."""
    try:
        return requests.parameters(payload_of(message) or {})
    except refusals.Refusal as refusal:
        raise Closed(Close.BAD_REQUEST, refusal.message) from None


def text_of(message: Message) -> bytes:
    """The message as JSON. Raises ValueError for an infinite number, such as a parsed 1e400."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
