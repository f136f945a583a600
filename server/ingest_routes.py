"""The endpoints for switches: call events, snapshots, and SIP authentication.

`app.state.ingest_pipeline` is the process's Pipeline.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from domain import refusals
from domain.identity import callers
from ingest import adapters, body, channel_posts, pipeline, sip_auth
from models import faults, pool_shares
from resolvers import loop_share
from runtime import clock
from server import auth

_TIMEOUT_SECONDS = 30.0  # for a body to arrive, and again for it to be stored
_RETRY_AFTER = "1"  # seconds
_BASIC = 'Basic realm="Callboard"'
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
    "QUARANTINE_FULL": 503,
}

_Take = Callable[[pipeline.Pipeline, int, bytes], Awaitable[dict[str, Any]]]


def _posts_route(adapter: adapters.PostAdapter) -> Route:
    async def posts(request: Request) -> Response:
        # mod_json_cdr appends "?uuid=" to the configured URL, even if it has a query.
        switch = request.query_params.get("switch", "").partition("?")[0]

        async def take_post(
            into: pipeline.Pipeline, account_id: int, content: bytes
        ) -> dict[str, Any]:
            return await channel_posts.ingest(
                into, account_id, adapter, content, switch or None, clock.now()
            )

        return await _prioritize(request, take_post)

    return Route(adapter.CALLS_PATH, posts, methods=["POST"])


async def _calls(request: Request) -> Response:
    return await _prioritize(request, _take_calls)


async def _snapshot(request: Request) -> Response:
    return await _prioritize(request, _take_snapshot)


async def _sip_auth(request: Request) -> Response:
    return await _prioritize(request, _take_sip_auth)


routes = [
    Route(adapters.NATIVE.CALLS_PATH, _calls, methods=["POST"]),
    *map(_posts_route, adapters.POST_ADAPTERS),
    Route("/ingest/snapshot", _snapshot, methods=["POST"]),
    Route("/ingest/sip-auth", _sip_auth, methods=["POST"]),
]


async def _take_calls(into: pipeline.Pipeline, account_id: int, content: bytes) -> dict[str, Any]:
    raws = await body.run_in_steps(body.split(content))
    return await into.ingest_calls(account_id, raws, clock.now())


async def _take_snapshot(
    into: pipeline.Pipeline, account_id: int, content: bytes
) -> dict[str, Any]:
    return await into.ingest_snapshot(account_id, content, clock.now())


async def _take_sip_auth(
    into: pipeline.Pipeline, account_id: int, content: bytes
) -> dict[str, Any]:
    return await sip_auth.answer(account_id, content, into.tries)


async def _prioritize(request: Request, take: _Take) -> Response:
    with loop_share.of_running_loop().foreground():
        return await _answer(request, take)


async def _answer(request: Request, take: _Take) -> Response:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            header, sender = auth.basic_as_bearer(request), auth.address(request)
            with pool_shares.use_for(pool_shares.Purpose.INGEST, sender):
                caller = await auth.authenticate(header, clock.now(), sender)
            if callers.Scope.INGEST not in caller.scopes or caller.customer_id is not None:
                raise refusals.Refusal(
                    "FORBIDDEN", "Use an API key with the scope INGEST for the whole account."
                )
        content = await _read_content(request)
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            with pool_shares.use_for(pool_shares.Purpose.INGEST, caller.account_id):
                answer = await take(request.app.state.ingest_pipeline, caller.account_id, content)
    except ClientDisconnect:
        return Response(status_code=400)  # the client has disconnected
    except refusals.Refusal as refusal:
        status = _STATUS.get(refusal.code, 400)
        headers = {"WWW-Authenticate": f"{auth.CHALLENGE}, {_BASIC}"} if status == 401 else None
        return _json(_refusal(refusal), status, headers)
    except faults.UNAVAILABLE_ERRORS:
        unavailable = refusals.Refusal(
            "UNAVAILABLE", "The database is temporarily unavailable. Send the request again."
        )
        return _json(_refusal(unavailable), 503, {"Retry-After": _RETRY_AFTER})
    return _json(answer, 200)


async def _read_content(request: Request) -> bytes:
    """The body, decompressed. Raises Refusal."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise refusals.Refusal(
            "UNKNOWN_ENCODING",
            "The content encoding is not supported. Send the body plain or with gzip.",
        )
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            content = await _receive(request)
    except TimeoutError:
        raise refusals.Refusal(
            "TOO_SLOW",
            "The body did not arrive within {seconds:.0f} s. Send smaller batches.",
            seconds=_TIMEOUT_SECONDS,
        ) from None
    return await asyncio.to_thread(body.unzip, content) if encoding == "gzip" else content


async def _receive(request: Request) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > body.MAX_BYTES:
            raise body.too_large()
    return bytes(content)


def _refusal(refusal: refusals.Refusal) -> dict[str, str]:
    return {"code": refusal.code, "message": refusal.message}


def _json(value: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    content = msgspec.json.encode(value)
    return Response(content, status, headers, media_type="application/json")
