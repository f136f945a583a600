"""GraphQL over HTTP: a request's parameters in, an answer of the right type and status out.

https://graphql.github.io/graphql-over-http/draft/
"""

import json
from email.message import Message
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from strawberry.types.execution import ExecutionResult

from domain import callers, refusals, texts
from schema import errors
from server import auth
from server.graphql import requests, shared

MAX_BATCH = 10  # operations

_JSON = "application/json"
_UTF_8 = ("utf-8", "utf8")
_RESPONSE_JSON = "application/graphql-response+json"

_BODY_NOT_JSON = texts.marked("Could not read the body: it is not JSON.")
_NOT_JSON = texts.marked("Could not read `{name}`: it is not JSON.")


class Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request that is not answered as GraphQL, with the status that says so."""

    def __init__(self, status: int, refusal: refusals.Refusal) -> None:
        super().__init__(status, refusal)
        self.status = status
        self.refusal = refusal


def bad_request(template: str, **values: object) -> Refused:
    return Refused(400, refusals.Refusal("BAD_REQUEST", template, None, **values))


async def parameters(request: Request) -> requests.Parameters | list[requests.Parameters]:
    """What is asked for: the parameters of one operation, or those of a batch."""
    if request.method == "GET":
        return _checked(_of_url(request))
    if request.method != "POST":
        refusal = refusals.Refusal("METHOD_NOT_ALLOWED", "Send a POST, or a query by GET.")
        raise Refused(405, refusal)
    _check_media_type(request)
    said = _json(await _body(request), _BODY_NOT_JSON)
    if not isinstance(said, list):
        return _checked(said)
    if not 1 <= len(said) <= MAX_BATCH:
        raise bad_request(
            "A batch has 1 to {most} operations, not {count}.", most=MAX_BATCH, count=len(said)
        )
    return [_checked(one) for one in said]


def _of_url(request: Request) -> requests.Parameters:
    said: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in said:
            said[name] = _json(said[name].encode(), _NOT_JSON, name=name) if said[name] else None
    return said


def _check_media_type(request: Request) -> None:
    said = Message()
    said["content-type"] = request.headers.get("content-type", "")
    if said.get_content_type() != _JSON or said.get_content_charset("utf-8") not in _UTF_8:
        raise Refused(
            415,
            refusals.Refusal(
                "UNSUPPORTED_MEDIA_TYPE", "Send the request as {type}, in UTF-8.", type=_JSON
            ),
        )


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > requests.MAX_BYTES:
            refusal = refusals.Refusal(
                "TOO_LARGE", "The body is larger than {most} bytes.", most=requests.MAX_BYTES
            )
            raise Refused(413, refusal)
    return body


def _json(text: bytes, template: str, **values: object) -> Any:
    try:
        return requests.read(text)
    except ValueError:
        raise bad_request(template, **values) from None


def _checked(said: Any) -> requests.Parameters:
    try:
        return requests.parameters(said)
    except refusals.Refusal as refusal:
        raise Refused(400, refusal) from None


# Answers -------------------------------------------------------------------------------------


def answer(request: Request, results: list[ExecutionResult], *, batch: bool) -> Response:
    payloads = [shared.encoded(result) for result in results]
    body = b"[" + b",".join(payloads) + b"]" if batch else payloads[0]
    status = 200
    if not batch and accepts_own_type(request) and errors.not_executed(results[0]):
        status = _status(results[0])
    return _response(request, body, status, results)


def refused(request: Request, fault: Refused) -> Response:
    told = as_error(request, fault)
    response = _response(request, json.dumps({"errors": [told]}).encode(), fault.status, [])
    if fault.status == 405:
        response.headers["allow"] = "GET, POST"
    if fault.status == 401:
        response.headers["www-authenticate"] = auth.CHALLENGE
    return response


def as_error(request: Request, fault: Refused) -> dict[str, Any]:
    message = fault.refusal.said(language(request))
    return {"message": message, "extensions": errors.of_refusal(fault.refusal)}


def language(request: Request, caller: callers.Caller | None = None) -> str:
    """Of the caller, once it is known; until then what the request accepts."""
    if caller is not None:
        request.state.language = caller.language
    elif not hasattr(request.state, "language"):
        request.state.language = texts.accepted(request.headers.get("accept-language"))
    known: str = request.state.language
    return known


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
    response = Response(
        body, status, {"vary": "Accept, Accept-Language"}, f"{media_type}; charset=utf-8"
    )
    for result in results:
        for error in result.errors or ():
            seconds = (error.extensions or {}).get("retryAfterSeconds")
            if seconds is not None:
                response.headers["retry-after"] = str(seconds)
    return response
