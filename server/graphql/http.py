"""GraphQL over HTTP: a request's parameters in, an answer of the right type and status out.

https://graphql.github.io/graphql-over-http/draft/
"""

import json
from email.message import Message
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from strawberry.types.execution import ExecutionResult

from schema import errors
from server import auth
from server.graphql import requests, shared

MAX_BATCH = 10  # operations

_JSON = "application/json"
_UTF_8 = ("utf-8", "utf8")
_RESPONSE_JSON = "application/graphql-response+json"


class Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request that is none of GraphQL over HTTP, with the status that says so."""

    def __init__(self, status: int, message: str, code: str = "BAD_REQUEST") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


async def parameters(request: Request) -> requests.Parameters | list[requests.Parameters]:
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


def _of_url(request: Request) -> requests.Parameters:
    said: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in said:
            said[name] = _json(said[name].encode(), f"`{name}`") if said[name] else None
    return said


def _check_media_type(request: Request) -> None:
    said = Message()
    said["content-type"] = request.headers.get("content-type", "")
    if said.get_content_type() != _JSON or said.get_content_charset("utf-8") not in _UTF_8:
        raise Refused(415, f"Send the request as {_JSON}, in UTF-8.", "UNSUPPORTED_MEDIA_TYPE")


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > requests.MAX_BYTES:
            raise Refused(413, f"The body is larger than {requests.MAX_BYTES} bytes.", "TOO_LARGE")
    return body


def _json(text: bytes, what: str) -> Any:
    try:
        return requests.read(text)
    except ValueError:
        raise Refused(400, f"Could not read {what}: it is not JSON.") from None


def _checked(said: Any) -> requests.Parameters:
    try:
        return requests.parameters(said)
    except ValueError as error:
        raise Refused(400, str(error)) from None


# Answers -------------------------------------------------------------------------------------


def answer(request: Request, results: list[ExecutionResult], *, batch: bool) -> Response:
    payloads = [shared.encoded(result) for result in results]
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
    if fault.status == 401:
        response.headers["www-authenticate"] = auth.CHALLENGE
    return response


def accepts_own_type(request: Request) -> bool:
    return _RESPONSE_JSON in request.headers.get("accept", "").lower()


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
