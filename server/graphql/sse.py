"""GraphQL over server-sent events, one connection per operation.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md (distinct connections mode). An
event's id is the point to resume after; a browser returns it as `Last-Event-ID`.
"""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from domain import refusals
from domain.identity import callers
from schema.engine import errors
from server import auth, connection_monitor
from server.graphql import operations, shared
from server.http_protocol import HttpProtocol
from server.wire import EXTENSION

MEDIA_TYPE = "text/event-stream"
_HEARTBEAT_SECONDS = 12.0  # proxies close idle connections
_RETRY_MS = (1_000, 5_000)  # range of the random delay after which a browser reconnects
_HEADERS = {"x-accel-buffering": "no"}
_COMPLETE = b"event: complete\ndata:\n\n"


def is_requested(request: Request) -> bool:
    """Whether the client accepts an event stream and does not prefer JSON."""
    accept = request.headers.get("accept", "").lower()
    return MEDIA_TYPE in accept and "json" not in accept.partition(MEDIA_TYPE)[0]


class Streams:
    """The streams of this process."""

    def __init__(
        self, runner: operations.Runner, connections: connection_monitor.ConnectionMonitor
    ) -> None:
        self._runner = runner
        self._connections = connections
        self._open: set[_StreamSubscription] = set()
        self._is_draining = False

    def drain(self, over: float) -> None:
        """Ends all streams, spread over `over` seconds, so that their clients reconnect."""
        loop = asyncio.get_running_loop()
        self._is_draining = True
        for stream in self._open:
            loop.call_later(random.uniform(0, over), stream.end)

    def response(
        self, request: Request, operation: operations.Operation, caller: callers.Caller | None
    ) -> StreamingResponse:
        """The stream. An invalid Last-Event-ID or too many connections are refused within it."""
        if operation.is_subscription:
            events = self._subscription(request, operation, caller)
        else:
            events = self._single(request, operation, caller)
        return StreamingResponse(events, media_type=MEDIA_TYPE, headers=_HEADERS)

    async def _single(
        self, request: Request, operation: operations.Operation, caller: callers.Caller | None
    ) -> AsyncGenerator[bytes, None]:
        result = await self._runner.execute(operation, caller, auth.exchange(request))
        encoded = await self._runner.encode(result, caller, auth.address(request))
        yield _event(encoded, None)
        yield _COMPLETE

    async def _subscription(
        self,
        request: Request,
        operation: operations.Operation,
        caller: callers.Caller | None,
    ) -> AsyncGenerator[bytes, None]:
        yield f"retry: {random.randint(*_RETRY_MS)}\n\n".encode()
        stream = _StreamSubscription(request.scope["extensions"][EXTENSION]["wire"])
        try:
            async with self._join(stream, request, operation, caller):
                async for event in stream.events():
                    yield event
        except refusals.Refusal as refusal:
            message = refusal.translate(operation.language)
            yield _error_event({"message": message, "extensions": errors.of_refusal(refusal)})
            yield _COMPLETE

    @asynccontextmanager
    async def _join(
        self,
        stream: "_StreamSubscription",
        request: Request,
        operation: operations.Operation,
        caller: callers.Caller | None,
    ) -> AsyncIterator[None]:
        resume_after = last_event_id(request)
        with ExitStack() as exits:
            if caller is not None:
                token = auth.bearer(auth.authorization(request))
                exits.enter_context(self._connections.hold(token, caller, stream.refuse))
            self._runner.subscribe(operation, caller, stream, resume_after)
            exits.callback(self._runner.hub.leave, stream)
            self._open.add(stream)
            exits.callback(self._open.discard, stream)
            if self._is_draining:
                stream.end()
            yield


def refused(error: Any) -> Response:
    """The stream that refuses a request."""
    return Response(_error_event(error) + _COMPLETE, media_type=MEDIA_TYPE, headers=_HEADERS)


class _StreamSubscription(shared.Subscription):
    """The stream of a subscription; takes events as fast as its peer reads."""

    def __init__(self, wire: HttpProtocol) -> None:
        self._connection = wire
        self._changed = asyncio.Event()
        self._refusal: refusals.Refusal | None = None
        self._has_ended = False

    def wake(self) -> None:
        self._changed.set()

    def end(self) -> None:
        self._has_ended = True
        self._changed.set()

    def refuse(self, refusal: refusals.Refusal) -> None:
        """Ends the stream. Aborts a peer that does not read: it may not see buffered events."""
        self._refusal = refusal
        self._changed.set()
        if not self._connection.is_writable:
            self._connection.abort()

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The events until `end`. Raises a Refusal if the caller may no longer see them."""
        while not self._has_ended:
            try:
                event = self.take() if self._refusal is None else None
            except shared.FellBehindError:
                yield _error_event(operations.fell_behind(self)) + _COMPLETE
                return
            if self._refusal is not None:
                raise self._refusal
            if event is not None:
                yield _event(event.payload, event.mark)
            elif self.faults is not None:
                yield b"".join(map(_error_event, self.faults)) + _COMPLETE
                return
            elif not await self._wait_for_change():
                yield b":\n\n"

    async def _wait_for_change(self) -> bool:
        """Waits for a change. Returns False if a heartbeat is due first."""
        try:
            async with asyncio.timeout(_HEARTBEAT_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True


def last_event_id(request: Request) -> int | None:
    """The number in the Last-Event-ID header. Refuses BAD_AFTER."""
    text = request.headers.get("last-event-id")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise refusals.Refusal(
            "BAD_AFTER", "The server has not sent this Last-Event-ID. Leave it out."
        )
    return int(text)


def _event(payload: bytes, mark: int | None) -> bytes:
    id = b"" if mark is None else b"id: %d\n" % mark
    return b"event: next\n" + id + b"data: " + payload + b"\n\n"


def _error_event(error: dict[str, Any]) -> bytes:
    return _event(json.dumps({"errors": [error]}).encode(), None)
