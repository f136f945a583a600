"""What switches post: call events, snapshots, and the question whom to let in.

`app.state.ingest` is the process's Pipeline.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from domain import callers, refusals
from ingest import body, pipeline, sip_auth
from models import faults
from runtime import clock
from server import auth

T = TypeVar("T")

_SECONDS = 30.0  # for a body to arrive, and again for it to be stored: else not acknowledged
_RETRY_AFTER = "1"  # seconds
_LARGE = 500_000  # bytes of a body: what takes a few milliseconds to split
_STATUS = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "TOO_SLOW": 408,
    "TOO_LARGE": 413,
    "TOO_MANY_EVENTS": 413,
    "TOO_MANY_CALLS": 413,
    "UNKNOWN_ENCODING": 415,
    "TOO_MANY_TRIES": 429,
}

_Taken = Callable[[pipeline.Pipeline, int, bytes], Awaitable[dict[str, Any]]]


async def _calls(request: Request) -> Response:
    return await _answered(request, _take_calls)


async def _snapshot(request: Request) -> Response:
    return await _answered(request, _take_snapshot)


async def _sip_auth(request: Request) -> Response:
    return await _answered(request, _ask_sip_auth)


routes = [
    Route("/ingest/calls", _calls, methods=["POST"]),
    Route("/ingest/snapshot", _snapshot, methods=["POST"]),
    Route("/ingest/sip-auth", _sip_auth, methods=["POST"]),
]


async def _take_calls(into: pipeline.Pipeline, account_id: int, content: bytes) -> dict[str, Any]:
    raws = await _aside(body.split, content)
    return await into.take_calls(account_id, raws, clock.now())


async def _take_snapshot(
    into: pipeline.Pipeline, account_id: int, content: bytes
) -> dict[str, Any]:
    return await into.take_snapshot(account_id, content, clock.now())


async def _ask_sip_auth(into: pipeline.Pipeline, account_id: int, content: bytes) -> dict[str, Any]:
    return await sip_auth.answer(account_id, content, into.tries)


async def _answered(request: Request, take: _Taken) -> Response:
    try:
        async with asyncio.timeout(_SECONDS):
            header, sender = request.headers.get("authorization"), auth.address(request)
            caller = await auth.authenticate(header, clock.now(), sender)
            if callers.Scope.INGEST not in caller.scopes or caller.customer_id is not None:
                raise refusals.Refusal(
                    "FORBIDDEN", "This needs an API key of the scope INGEST, of the whole account."
                )
        content = await _content(request)
        async with asyncio.timeout(_SECONDS):
            answer = await take(request.app.state.ingest, caller.account_id, content)
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    except refusals.Refusal as refusal:
        status = _STATUS.get(refusal.code, 400)
        headers = {"WWW-Authenticate": auth.CHALLENGE} if status == 401 else None
        return _json(_refusal(refusal), status, headers)
    except faults.AWAY:
        away = refusals.Refusal("UNAVAILABLE", "The database cannot be reached; send it again.")
        return _json(_refusal(away), 503, {"Retry-After": _RETRY_AFTER})
    return _json(answer, 200)


async def _content(request: Request) -> bytes:
    """The body, decompressed. Raises Refusal."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise refusals.Refusal("UNKNOWN_ENCODING", "Send the body plain or with gzip.")
    try:
        async with asyncio.timeout(_SECONDS):
            received = await _received(request)
    except TimeoutError:
        raise refusals.Refusal(
            "TOO_SLOW",
            "The body did not arrive within {seconds:.0f} s; send smaller batches.",
            seconds=_SECONDS,
        ) from None
    return await asyncio.to_thread(body.unzip, received) if encoding == "gzip" else received


async def _aside(work: Callable[[bytes], T], content: bytes) -> T:
    """In a thread where there is much to do."""
    return work(content) if len(content) < _LARGE else await asyncio.to_thread(work, content)


async def _received(request: Request) -> bytes:
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > body.BYTES_MAX:
            raise body.too_large()
    return bytes(received)


def _refusal(refusal: refusals.Refusal) -> dict[str, str]:
    return {"code": refusal.code, "message": refusal.message}


def _json(value: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    content = msgspec.json.encode(value)
    return Response(content, status, headers, media_type="application/json")
