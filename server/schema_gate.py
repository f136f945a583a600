"""Refuses all requests except health checks until the database has the schema of this release."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from models import faults, schema_version

_CHECK_INTERVAL_SECONDS = 1.0
_TIMEOUT_SECONDS = 3.0
_RETRY_SECONDS = 5
_TRY_AGAIN_LATER = 1013  # close code of a WebSocket
_HEALTH = ("/healthz", "/readyz")

_log = structlog.get_logger("server")


class SchemaGate:
    """`problem` names both versions; None if the schema is usable or has not been checked yet."""

    def __init__(self) -> None:
        self.is_open = False
        self.problem: str | None = None
        self._checking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Checks once, and then every second until the schema is usable."""
        await self._check()
        if not self.is_open:
            self._checking = asyncio.create_task(self._check_until_open(), name="schema gate")

    async def close(self) -> None:
        if self._checking is not None:
            self._checking.cancel()
            with suppress(asyncio.CancelledError):
                await self._checking

    async def _check_until_open(self) -> None:
        while not self.is_open:
            await asyncio.sleep(_CHECK_INTERVAL_SECONDS)
            await self._check()

    async def _check(self) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                problem = (await schema_version.read()).problem
        except faults.UNAVAILABLE_ERRORS:
            return
        if problem is not None and problem != self.problem:
            _log.warning("schema not usable", problem=problem)
        if problem is None and self.problem is not None:
            _log.warning("schema usable", schema=schema_version.REQUIRED)
        self.problem, self.is_open = problem, problem is None


class Gated:
    """The middleware that applies the SchemaGate in `scope["app"].state.schema`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in _HEALTH:
            await self.app(scope, receive, send)
            return
        gate: SchemaGate = scope["app"].state.schema
        if gate.is_open:
            await self.app(scope, receive, send)
            return
        message = gate.problem or (
            "The database is temporarily unavailable. Try again in a moment."
        )
        if scope["type"] == "websocket":
            await receive()
            close = {"code": _TRY_AGAIN_LATER, "reason": "The database is not ready"}
            await send({"type": "websocket.close", **close})
            return
        await send(
            {
                "type": "http.response.start",
                "status": 503,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"retry-after", b"%d" % _RETRY_SECONDS),
                ],
            }
        )
        await send({"type": "http.response.body", "body": _body(scope["path"], message)})


def _body(path: str, message: str) -> bytes:
    """The error in the format of the interface at `path`."""
    refusal: dict[str, Any] = {"code": "UNAVAILABLE", "message": message}
    if path == "/graphql":
        extensions = {"code": "UNAVAILABLE", "retryAfterSeconds": _RETRY_SECONDS}
        refusal = {"errors": [{"message": message, "extensions": extensions}]}
    return json.dumps(refusal).encode()
