"""GraphQL over HTTP: reads the parameters of requests and writes responses.

https://graphql.github.io/graphql-over-http/draft/
"""

import json
from email.message import Message
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from strawberry.types.execution import ExecutionResult

from domain import refusals
from domain.identity import callers
from domain.messaging import texts
from schema.engine import errors
from server import auth
from server.graphql import requests

MAX_BATCH = 10  # operations

_JSON = "application/json"
_RETRYABLE_CODES = {"BUSY", "UNAVAILABLE"}
_UTF_8 = ("utf-8", "utf8")
_RESPONSE_JSON = "application/graphql-response+json"

_BODY_NOT_JSON = texts.mark_text("The body is not valid JSON. Send a JSON object.")
_NOT_JSON = texts.mark_text("`{name}` is not valid JSON. Send a JSON object.")


class Refused(Exception):  # noqa: N818 - a response, not an internal error
    """A request that is refused before GraphQL, with its HTTP status."""

    def __init__(self, status: int, refusal: refusals.Refusal) -> None:
        super().__init__(status, refusal)
        self.status = status
        self.refusal = refusal


def bad_request(template: str, **values: object) -> Refused:
    return Refused(400, refusals.Refusal("BAD_REQUEST", template, None, **values))


async def parameters(request: Request) -> requests.Parameters | list[requests.Parameters]:
    """The parameters of one operation or of a batch."""
    if request.method == "GET":
        return _check(_read_url(request))
    if request.method != "POST":
        refusal = refusals.Refusal(
            "METHOD_NOT_ALLOWED", "This method is not allowed. Send a POST, or a query with GET."
        )
        raise Refused(405, refusal)
    _check_media_type(request)
    value = _json(await _body(request), _BODY_NOT_JSON)
    if not isinstance(value, list):
        return _check(value)
    if not 1 <= len(value) <= MAX_BATCH:
        raise bad_request(
            "The batch has {count} operations. Send 1 to {most}.", most=MAX_BATCH, count=len(value)
        )
    return [_check(item) for item in value]


def _read_url(request: Request) -> requests.Parameters:
    parts: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in parts:
            parts[name] = _json(parts[name].encode(), _NOT_JSON, name=name) if parts[name] else None
    return parts


def _check_media_type(request: Request) -> None:
    header = Message()
    header["content-type"] = request.headers.get("content-type", "")
    if header.get_content_type() != _JSON or header.get_content_charset("utf-8") not in _UTF_8:
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
                "TOO_LARGE",
                "The body is larger than {most} bytes. Send less at a time.",
                most=requests.MAX_BYTES,
            )
            raise Refused(413, refusal)
    return body


def _json(text: bytes, template: str, **values: object) -> Any:
    try:
        return requests.read(text)
    except ValueError:
        raise bad_request(template, **values) from None
    except refusals.Refusal as refusal:
        raise Refused(413, refusal) from None


def _check(value: Any) -> requests.Parameters:
    try:
        return requests.parameters(value)
    except refusals.Refusal as refusal:
        raise Refused(400, refusal) from None


# Answers -------------------------------------------------------------------------------------


def answer(
    request: Request, results: list[ExecutionResult], payloads: list[bytes], *, batch: bool
) -> Response:
    """The response with the results; `payloads` are the results as JSON."""
    body = b"[" + b",".join(payloads) + b"]" if batch else payloads[0]
    status = 200
    if not batch and accepts_own_type(request) and errors.not_executed(results[0]):
        status = _status(results[0])
    return _response(request, body, status, results)


def refused(request: Request, rejection: Refused) -> Response:
    error = as_error(request, rejection)
    response = _response(request, json.dumps({"errors": [error]}).encode(), rejection.status, [])
    if rejection.status == 405:
        response.headers["allow"] = "GET, POST"
    if (seconds := rejection.refusal.retry_after_seconds) is not None:
        response.headers["retry-after"] = str(seconds)
    if rejection.status == 401:
        response.headers["www-authenticate"] = auth.CHALLENGE
    return response


def as_error(request: Request, rejection: Refused) -> dict[str, Any]:
    message = rejection.refusal.translate(language(request))
    return {"message": message, "extensions": errors.of_refusal(rejection.refusal)}


def language(request: Request, caller: callers.Caller | None = None) -> str:
    """The language of the caller; for an unauthenticated request, the one that it accepts."""
    if caller is not None:
        request.state.language = caller.language
    elif not hasattr(request.state, "language"):
        request.state.language = texts.preferred_language(request.headers.get("accept-language"))
    preferred: str = request.state.language
    return preferred


def accepts_own_type(request: Request) -> bool:
    return _RESPONSE_JSON in request.headers.get("accept", "").lower()


def _status(result: ExecutionResult) -> int:
    codes = {(error.extensions or {}).get("code") for error in result.errors or ()}
    if "RATE_LIMITED" in codes:
        return 429
    if codes & _RETRYABLE_CODES:
        return 503
    return 500 if "INTERNAL" in codes else 400


def _response(
    request: Request, body: bytes, status: int, results: list[ExecutionResult]
) -> Response:
    media_type = _RESPONSE_JSON if accepts_own_type(request) else _JSON
    response = Response(
        body, status, {"vary": "Accept, Accept-Language"}, f"{media_type}; charset=utf-8"
    )
    errors_of_all = [error for result in results for error in result.errors or ()]
    delays = [(error.extensions or {}).get("retryAfterSeconds") for error in errors_of_all]
    if longest_delay := max((seconds for seconds in delays if seconds is not None), default=None):
        response.headers["retry-after"] = str(longest_delay)
    return response
