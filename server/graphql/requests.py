"""What a GraphQL request is, over HTTP and over a WebSocket alike: its size, JSON, parameters."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

from domain import refusals, texts

MAX_BYTES = 1_000_000  # of a body, or of a message

Parameters: TypeAlias = Mapping[str, Any]

_STRING = texts.marked("The `{name}` must be a string or null.")
_OBJECT = texts.marked("The `{name}` must be an object or null.")
_KINDS: tuple[tuple[str, type, str], ...] = (
    ("query", str, _STRING),
    ("documentId", str, _STRING),
    ("operationName", str, _STRING),
    ("variables", dict, _OBJECT),
    ("extensions", dict, _OBJECT),
)


def read(text: str | bytes) -> Any:
    """A value of JSON, as UTF-8; ValueError of all else, NaN and what is nested too deeply too."""
    try:
        decoded = text if isinstance(text, str) else text.decode()
        return json.loads(decoded, parse_constant=_no_json)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def parameters(said: Any) -> Parameters:
    """Those of one operation; BAD_REQUEST where they are none."""
    if not isinstance(said, dict):
        raise refusals.Refusal("BAD_REQUEST", "Send a JSON object with a `query`.")
    for name, kind, template in _KINDS:
        if not isinstance(said.get(name), kind | None):
            raise refusals.Refusal("BAD_REQUEST", template, name=name)
    if said.get("query") is None and said.get("documentId") is None:
        raise refusals.Refusal("BAD_REQUEST", "Send a `query`: the operation to run.")
    return said


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
