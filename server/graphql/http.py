"""GraphQL over HTTP: a request's parameters in, an answer of the right type and status out.

https://graphql.github.io/graphql-over-http/draft/
"""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from strawberry.types.execution import ExecutionResult

from schema import errors
from server.graphql import shared

MAX_BODY = 1_000_000  # bytes
MAX_BATCH = 10  # operations

_JSON = "application/json"
_RESPONSE_JSON = "application/graphql-response+json"

Parameters: TypeAlias = Mapping[str, Any]


class Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request that is none of GraphQL over HTTP, with the status that says so."""

    def __init__(self, status: int, message: str, code: str = "BAD_REQUEST") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


async def parameters(request: Request) -> Parameters | list[Parameters]:
    """What is asked for: the parameters of one operation, or those of a batch."""
    if request.method == "GET":
        return _checked(_of_url(request))
    if request.method != "POST":
        raise Refused(405, "Send a POST, or a query by GET.", "METHOD_NOT_ALLOWED")
    _check_media_type(request)
    said = _json(await _body(request), "the body")
    if not isinstance(said, list):
        return _checked(said)
    if not 1 <= len(said) <= MAX_BATCH:
        raise Refused(400, f"A batch has 1 to {MAX_BATCH} operations, not {len(said)}.")
    return [_checked(one) for one in said]


def _of_url(request: Request) -> Parameters:
    said: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in said:
            said[name] = _json(said[name].encode(), f"`{name}`") if said[name] else None
    return said


def _check_media_type(request: Request) -> None:
    media_type, _, rest = request.headers.get("content-type", "").partition(";")
    charset = rest.replace(" ", "").replace('"', "").lower().partition("charset=")[2]
    if media_type.strip().lower() != _JSON or charset not in ("", "utf-8", "utf8"):
        raise Refused(415, f"Send the request as {_JSON}, in UTF-8.", "UNSUPPORTED_MEDIA_TYPE")


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise Refused(413, f"The body is larger than {MAX_BODY} bytes.", "TOO_LARGE")
    return body


def _json(text: bytes, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(400, f"Could not read {what}: it is not JSON.") from None


def _checked(said: Any) -> Parameters:
    if not isinstance(said, dict):
        raise Refused(400, "Send a JSON object with a `query`.")
    for name, kind, what in [
        ("query", str, "a string"),
        ("documentId", str, "a string"),
        ("operationName", str, "a string"),
        ("variables", dict, "an object"),
        ("extensions", dict, "an object"),
    ]:
        if not isinstance(said.get(name), kind | None):
            raise Refused(400, f"The `{name}` must be {what} or null.")
    if not said.get("query") and not said.get("documentId"):
        raise Refused(400, "Send a `query`: the operation to run.")
    return said


# Answers -------------------------------------------------------------------------------------


def answer(request: Request, results: list[ExecutionResult], *, batch: bool) -> Response:
    payloads = [_payload(result) for result in results]
    body = b"[" + b",".join(payloads) + b"]" if batch else payloads[0]
    status = 200
    if not batch and accepts_own_type(request) and errors.not_executed(results[0]):
        status = _status(results[0])
    return _response(request, body, status, results)


def refused(request: Request, fault: Refused) -> Response:
    told = {"message": fault.message, "extensions": {"code": fault.code}}
    response = _response(request, json.dumps({"errors": [told]}).encode(), fault.status, [])
    if fault.status == 405:
        response.headers["allow"] = "GET, POST"
    return response


def accepts_own_type(request: Request) -> bool:
    return _RESPONSE_JSON in request.headers.get("accept", "").lower()


def _payload(result: ExecutionResult) -> bytes:
    if not errors.not_executed(result):
        return shared.encoded(result)
    payload: dict[str, Any] = {"errors": [error.formatted for error in result.errors or ()]}
    if result.extensions:
        payload["extensions"] = result.extensions
    return json.dumps(payload, separators=(",", ":")).encode()


def _status(result: ExecutionResult) -> int:
    codes = {(error.extensions or {}).get("code") for error in result.errors or ()}
    if "RATE_LIMITED" in codes:
        return 429
    return 500 if "INTERNAL" in codes else 400


def _response(
    request: Request, body: bytes, status: int, results: list[ExecutionResult]
) -> Response:
    media_type = _RESPONSE_JSON if accepts_own_type(request) else _JSON
    response = Response(body, status, {"vary": "Accept"}, f"{media_type}; charset=utf-8")
    for result in results:
        for error in result.errors or ():
            seconds = (error.extensions or {}).get("retryAfterSeconds")
            if seconds is not None:
                response.headers["retry-after"] = str(seconds)
    return response
