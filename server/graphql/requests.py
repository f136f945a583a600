"""What a GraphQL request is, over HTTP and over a WebSocket alike: its size, JSON, parameters."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

MAX_BYTES = 1_000_000  # of a body, or of a message

Parameters: TypeAlias = Mapping[str, Any]

_KINDS = (
    ("query", str, "a string"),
    ("documentId", str, "a string"),
    ("operationName", str, "a string"),
    ("variables", dict, "an object"),
    ("extensions", dict, "an object"),
)


def read(text: str | bytes) -> Any:
    """A value of JSON, as UTF-8; ValueError of all else, NaN and what is nested too deeply too."""
    try:
        decoded = text if isinstance(text, str) else text.decode()
        return json.loads(decoded, parse_constant=_no_json)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def parameters(said: Any) -> Parameters:
    """Those of one operation; ValueError, with a sentence for the client, where they are none."""
    if not isinstance(said, dict):
        raise ValueError("Send a JSON object with a `query`.")
    for name, kind, what in _KINDS:
        if not isinstance(said.get(name), kind | None):
            raise ValueError(f"The `{name}` must be {what} or null.")
    if said.get("query") is None and said.get("documentId") is None:
        raise ValueError("Send a `query`: the operation to run.")
    return said


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
