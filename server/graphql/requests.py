"""GraphQL requests over HTTP and WebSocket: their size, JSON and parameters."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

from domain import refusals
from domain.messaging import texts

MAX_BYTES = 1_000_000  # of a body or a message
# Of a body or a message. Parsing that many blocks the event loop for about 10 ms. The largest
# `addRates` with all fields has fewer.
MAX_VALUES = 120_000

Parameters: TypeAlias = Mapping[str, Any]

_STRING = texts.mark_text("The `{name}` must be a string or null.")
_OBJECT = texts.mark_text("The `{name}` must be an object or null.")
_PARAMETERS: tuple[tuple[str, type, str], ...] = (
    ("query", str, _STRING),
    ("documentId", str, _STRING),
    ("operationName", str, _STRING),
    ("variables", dict, _OBJECT),
    ("extensions", dict, _OBJECT),
)


def read(text: str | bytes) -> Any:
    """Parses JSON in UTF-8. Raises ValueError if it is invalid, has NaN or is nested too deeply.

    Refuses TOO_MANY_VALUES.
    """
    try:
        decoded = text if isinstance(text, str) else text.decode()
        _require_few_values(decoded)
        return json.loads(decoded, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def parameters(value: Any) -> Parameters:
    """The parameters of one operation. Refuses BAD_REQUEST."""
    if not isinstance(value, dict):
        raise refusals.Refusal("BAD_REQUEST", "Send a JSON object with a `query`.")
    for name, type_, template in _PARAMETERS:
        if not isinstance(value.get(name), type_ | None):
            raise refusals.Refusal("BAD_REQUEST", template, name=name)
    if value.get("query") is None and value.get("documentId") is None:
        raise refusals.Refusal("BAD_REQUEST", "Send a `query`: the operation to run.")
    return value


def _require_few_values(text: str) -> None:
    """Counts brackets, braces and commas, also in strings. Almost every value has one before it."""
    if len(text) > MAX_VALUES and sum(map(text.count, "[{,")) > MAX_VALUES:
        raise refusals.Refusal(
            "TOO_MANY_VALUES",
            "The request has more than {most} values. Send it in parts.",
            most=MAX_VALUES,
        )


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not valid JSON")
