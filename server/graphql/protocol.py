"""graphql-transport-ws: its close codes, and messages as they come in.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import json
from enum import IntEnum
from typing import Any, TypeAlias

from domain import refusals
from server.graphql import requests

LONGEST_ID = 200  # characters

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
    """A message with a `type`; Closed (4400) of anything else, binary messages (None) too."""
    if text is None:
        raise Closed(Close.BAD_REQUEST, "Messages must be text")
    try:
        value = requests.read(text)
    except ValueError:
        raise Closed(Close.BAD_REQUEST, "Messages must be JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise Closed(Close.BAD_REQUEST, "Messages must be objects with a type")
    return value


def id_of(message: Message) -> str:
    id = message.get("id")
    if not isinstance(id, str) or not id or len(id) > LONGEST_ID:
        raise Closed(Close.BAD_REQUEST, f"The id must be a string of 1 to {LONGEST_ID} characters")
    return id


def payload_of(message: Message) -> Message | None:
    payload = message.get("payload")
    if payload is not None and not isinstance(payload, dict):
        raise Closed(Close.BAD_REQUEST, "The payload must be an object")
    return payload


def request_of(message: Message) -> requests.Parameters:
    """A subscribe's payload."""
    try:
        return requests.parameters(payload_of(message) or {})
    except refusals.Refusal as refusal:
        raise Closed(Close.BAD_REQUEST, refusal.message) from None


def text_of(message: Message) -> bytes:
    """ValueError of an infinite number, which 1e400 is once read."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
