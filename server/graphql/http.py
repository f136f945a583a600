"""GraphQL over HTTP: a request's parameters in, an answer of the right type and status out.

https://graphql.github.io/graphql-over-http/draft/
"""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from strawberry.types.execution import ExecutionResult

from domain import callers, refusals, texts
from schema import errors
from server.graphql import shared

MAX_BODY = 1_000_000  # bytes
MAX_BATCH = 10  # operations

_JSON = "application/json"
_RESPONSE_JSON = "application/graphql-response+json"

Parameters: TypeAlias = Mapping[str, Any]

_BODY_NOT_JSON = texts.marked("Could not read the body: it is not JSON.")
_NOT_JSON = texts.marked("Could not read `{name}`: it is not JSON.")
_STRING = texts.marked("The `{name}` must be a string or null.")
_OBJECT = texts.marked("The `{name}` must be an object or null.")
_PARAMETERS: tuple[tuple[str, type, str], ...] = (
    ("query", str, _STRING),
    ("documentId", str, _STRING),
    ("operationName", str, _STRING),
    ("variables", dict, _OBJECT),
    ("extensions", dict, _OBJECT),
)


class Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request that is not answered as GraphQL, with the status that says so."""

    def __init__(self, status: int, refusal: refusals.Refusal) -> None:
        super().__init__(status, refusal)
        self.status = status
        self.refusal = refusal


def bad_request(template: str, **values: object) -> Refused:
    return Refused(400, refusals.Refusal("BAD_REQUEST", template, None, **values))


async def parameters(request: Request) -> Parameters | list[Parameters]:
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


def _of_url(request: Request) -> Parameters:
    said: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in said:
            said[name] = _json(said[name].encode(), _NOT_JSON, name=name) if said[name] else None
    return said


def _check_media_type(request: Request) -> None:
    media_type, _, rest = request.headers.get("content-type", "").partition(";")
    charset = rest.replace(" ", "").replace('"', "").lower().partition("charset=")[2]
    if media_type.strip().lower() != _JSON or charset not in ("", "utf-8", "utf8"):
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
        if len(body) > MAX_BODY:
            refusal = refusals.Refusal(
                "TOO_LARGE", "The body is larger than {most} bytes.", most=MAX_BODY
            )
            raise Refused(413, refusal)
    return body


def _json(text: bytes, template: str, **values: object) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise bad_request(template, **values) from None


def _checked(said: Any) -> Parameters:
    if not isinstance(said, dict):
        raise bad_request("Send a JSON object with a `query`.")
    for name, kind, template in _PARAMETERS:
        if not isinstance(said.get(name), kind | None):
            raise bad_request(template, name=name)
    if not said.get("query") and not said.get("documentId"):
        raise bad_request("Send a `query`: the operation to run.")
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
    told = as_error(request, fault)
    response = _response(request, json.dumps({"errors": [told]}).encode(), fault.status, [])
    if fault.status == 405:
        response.headers["allow"] = "GET, POST"
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
    response = Response(
        body, status, {"vary": "Accept, Accept-Language"}, f"{media_type}; charset=utf-8"
    )
    for result in results:
        for error in result.errors or ():
            seconds = (error.extensions or {}).get("retryAfterSeconds")
            if seconds is not None:
                response.headers["retry-after"] = str(seconds)
    return response
