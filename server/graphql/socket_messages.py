"""The texts of the messages that a socket sends about an operation."""

import json
from collections.abc import Sequence
from typing import Any

from domain.messaging import texts
from server.graphql import protocol
from server.graphql.protocol import Message
from server.websocket_protocol import MAX_MESSAGE_BYTES


def next_prefix(id: str) -> bytes:
    """The text of a `next` message up to its payload; the caller adds the payload and `}`."""
    return b'{"id":' + json.dumps(id).encode() + b',"type":"next","payload":'


def complete_message(id: str) -> bytes:
    return protocol.text_of({"id": id, "type": "complete"})


def error_message(id: str, faults: Sequence[Any]) -> bytes:
    text = protocol.text_of({"id": id, "type": "error", "payload": faults})
    return (
        text
        if len(text) <= MAX_MESSAGE_BYTES
        else error_message(id, [size_error(len(text), texts.DEFAULT)])
    )


def size_error(size: int, language: str) -> Message:
    message = texts.translate(
        language,
        "The response has {size} bytes; the limit of a WebSocket message is {limit}. Request less,"
        " or use HTTP.",
        {"size": size, "limit": MAX_MESSAGE_BYTES},
    )
    return {
        "message": message,
        "extensions": {"code": "TOO_LARGE", "limit": MAX_MESSAGE_BYTES, "requested": size},
    }
