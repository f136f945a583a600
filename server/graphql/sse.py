"""GraphQL over server-sent events, a connection an operation.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md (distinct connections mode). An
event's id is where it may be resumed: a browser sends it back as `Last-Event-ID`.
"""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from domain import callers, refusals
from schema import errors
from server import auth, watch
from server.graphql import operations, shared
from server.wire import EXTENSION, Http

MEDIA_TYPE = "text/event-stream"
_HEARTBEAT = 12.0  # seconds: proxies cut a connection that says nothing
_RETRY = (1_000, 5_000)  # ms: a browser comes back after such a time, not all at the same
_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
_COMPLETE = b"event: complete\ndata:\n\n"


def is_asked_for(request: Request) -> bool:
    """Whether the answer may be a stream of events, and nothing of JSON is preferred to it."""
    accept = request.headers.get("accept", "").lower()
    return MEDIA_TYPE in accept and "json" not in accept.partition(MEDIA_TYPE)[0]


class Streams:
    """The streams of this process."""

    def __init__(self, runner: operations.Runner, watched: watch.Watch) -> None:
        self._runner = runner
        self._watched = watched
        self._open: set[_Listening] = set()
        self._is_draining = False

    def drain(self, over: float) -> None:
        """Ends all of them, spread over so many seconds: their clients come again."""
        loop = asyncio.get_running_loop()
        self._is_draining = True
        for listening in self._open:
            loop.call_later(random.uniform(0, over), listening.end)

    def response(
        self, request: Request, operation: operations.Operation, caller: callers.Caller | None
    ) -> StreamingResponse:
        """What is resumed after no number, and a connection too many, are refused in the stream."""
        if operation.is_subscription:
            events = self._subscription(request, operation, caller)
        else:
            events = self._single(request, operation, caller)
        return StreamingResponse(events, media_type=MEDIA_TYPE, headers=_HEADERS)

    async def _single(
        self, request: Request, operation: operations.Operation, caller: callers.Caller | None
    ) -> AsyncGenerator[bytes, None]:
        result = await self._runner.execute(operation, caller, auth.exchange(request))
        yield _event(shared.encoded(result), None)
        yield _COMPLETE

    async def _subscription(
        self,
        request: Request,
        operation: operations.Operation,
        caller: callers.Caller | None,
    ) -> AsyncGenerator[bytes, None]:
        yield f"retry: {random.randint(*_RETRY)}\n\n".encode()
        listening = _Listening(request.scope["extensions"][EXTENSION]["wire"])
        try:
            async with self._joined(listening, request, operation, caller):
                async for event in listening.events():
                    yield event
        except refusals.Refusal as refusal:
            message = refusal.said(operation.language)
            yield _fault({"message": message, "extensions": errors.of_refusal(refusal)})
            yield _COMPLETE

    @asynccontextmanager
    async def _joined(
        self,
        listening: "_Listening",
        request: Request,
        operation: operations.Operation,
        caller: callers.Caller | None,
    ) -> AsyncIterator[None]:
        resume_after = last_event_id(request)
        with ExitStack() as held:
            if caller is not None:
                token = auth.bearer(auth.authorization(request))
                held.enter_context(self._watched.hold(token, caller, listening.refuse))
            self._runner.subscribe(operation, caller, listening, resume_after)
            held.callback(self._runner.hub.leave, listening)
            self._open.add(listening)
            held.callback(self._open.discard, listening)
            if self._is_draining:
                listening.end()
            yield


def refused(error: Any) -> Response:
    """The stream of a request that is at fault."""
    return Response(_fault(error) + _COMPLETE, media_type=MEDIA_TYPE, headers=_HEADERS)


class _Listening(shared.Subscription):
    """A subscription's stream; it takes what is there as fast as its peer reads."""

    def __init__(self, wire: Http) -> None:
        self._wire = wire
        self._changed = asyncio.Event()
        self._refusal: refusals.Refusal | None = None
        self._ended = False

    def wake(self) -> None:
        self._changed.set()

    def end(self) -> None:
        self._ended = True
        self._changed.set()

    def refuse(self, refusal: refusals.Refusal) -> None:
        """Ends it; at once where its peer does not read, for whom what waits is no more."""
        self._refusal = refusal
        self._changed.set()
        if not self._wire.is_writable:
            self._wire.abort()

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Raises the Refusal of a caller that may see it no more. Cut off by `end`."""
        while not self._ended:
            try:
                event = self.take() if self._refusal is None else None
            except shared.FellBehindError:
                yield _fault(operations.fell_behind(self)) + _COMPLETE
                return
            if self._refusal is not None:
                raise self._refusal
            if event is not None:
                yield _event(event.payload, event.mark)
            elif self.faults is not None:
                yield b"".join(map(_fault, self.faults)) + _COMPLETE
                return
            elif not await self._news():
                yield b":\n\n"

    async def _news(self) -> bool:
        """False where there was none for the length of a heartbeat."""
        try:
            async with asyncio.timeout(_HEARTBEAT):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True


def last_event_id(request: Request) -> int | None:
    """BAD_AFTER where it is none of ours."""
    text = request.headers.get("last-event-id")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise refusals.Refusal(
            "BAD_AFTER", "The Last-Event-ID is none that was sent; leave it out."
        )
    return int(text)


def _event(payload: bytes, mark: int | None) -> bytes:
    id = b"" if mark is None else b"id: %d\n" % mark
    return b"event: next\n" + id + b"data: " + payload + b"\n\n"


def _fault(error: dict[str, Any]) -> bytes:
    return _event(json.dumps({"errors": [error]}).encode(), None)
