"""graphql-transport-ws: one socket, its operations, and firmness against odd messages.

Protocol: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. It takes the place of
Strawberry's handler, which ends the socket on a syntax error and keeps one context for its life.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, cast

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.execution import ExecutionResult
from strawberry.utils.aio import aclosing

from domain import callers, refusals
from models import faults
from schema import base, errors
from server import auth

INIT_WITHIN = 10.0  # seconds
WRITE_WITHIN = 30.0  # seconds; a reader that stalls longer is given up
MAX_MESSAGE = 1_000_000  # characters
MAX_OPERATIONS = 100  # at once on a socket
# A socket's token is asked about anew when it is this old and there is something to push.
RECHECK_AFTER = timedelta(seconds=2)

_log = structlog.get_logger("server")

Context = Callable[[callers.Caller | None], base.Context]


class Close(IntEnum):
    """The protocol's close codes."""

    TRY_AGAIN = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    BAD_SUBPROTOCOL = 4406
    INIT_TIMEOUT = 4408
    SUBSCRIBER_EXISTS = 4409
    TOO_MANY_INITS = 4429


class Closed(Exception):  # noqa: N818 - how a socket ends, not an error
    def __init__(self, code: Close, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Handler:
    """Serves one socket until either side closes it. `context` makes an operation's context."""

    def __init__(
        self,
        socket: WebSocket,
        schema: errors.Schema,
        context: Context,
        clock: Callable[[], datetime],
    ) -> None:
        self.socket = socket
        self.schema = schema
        self.context = context
        self.clock = clock
        self.initialised = False
        self.acknowledged = False
        self.authorization: str | None = None
        self.caller: callers.Caller | None = None
        self.checked_at = clock()
        self.operations: dict[str, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        if GRAPHQL_TRANSPORT_WS_PROTOCOL not in self.socket.scope["subprotocols"]:
            await self.socket.accept()
            await self._close(Closed(Close.BAD_SUBPROTOCOL, "Subprotocol not acceptable"))
            return
        await self.socket.accept(GRAPHQL_TRANSPORT_WS_PROTOCOL)
        try:
            await self._initialise()
            while True:
                await self._take(await self._receive())
        except Closed as closed:
            await self._close(closed)
        except (WebSocketDisconnect, TimeoutError):
            pass
        finally:
            await self._cancel_operations()

    # Messages in ---------------------------------------------------------------------------------

    async def _initialise(self) -> None:
        """Up to and with the first `connection_init`."""
        try:
            async with asyncio.timeout(INIT_WITHIN):
                while not self.initialised:
                    await self._take(await self._receive())
        except TimeoutError:
            raise Closed(Close.INIT_TIMEOUT, "Connection initialisation timeout") from None

    async def _receive(self) -> dict[str, Any]:
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)
        text = message.get("text")
        if text is None:
            raise Closed(Close.BAD_REQUEST, "Messages must be text")
        if len(text) > MAX_MESSAGE:
            raise Closed(Close.BAD_REQUEST, f"Messages have at most {MAX_MESSAGE} characters")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise Closed(Close.BAD_REQUEST, "Messages must be JSON") from None
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            raise Closed(Close.BAD_REQUEST, "Messages must be objects with a type")
        return value

    async def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "connection_init":
                await self._connection_init(_payload(message))
            case "ping":
                await self._pong(_payload(message))
            case "pong":
                _payload(message)
            case "subscribe":
                self._subscribe(_id(message), _payload(message))
            case "complete":
                self._cancel(_id(message))
            case _:
                raise Closed(Close.BAD_REQUEST, "Unknown message type")

    async def _pong(self, payload: dict[str, Any] | None) -> None:
        try:
            await self.send({"type": "pong"} | ({} if payload is None else {"payload": payload}))
        except RecursionError:  # it could just be read
            raise Closed(Close.BAD_REQUEST, "The payload is nested too deeply") from None

    async def _connection_init(self, payload: dict[str, Any] | None) -> None:
        if self.initialised:
            raise Closed(Close.TOO_MANY_INITS, "Too many initialisation requests")
        self.initialised = True
        authorization = (payload or {}).get("authorization")
        if authorization is not None:
            if not isinstance(authorization, str):
                raise Closed(Close.BAD_REQUEST, "authorization must be a string")
            self.authorization = authorization
            await self._check()
        self.acknowledged = True
        await self.send({"type": "connection_ack"})

    def _subscribe(self, id: str, payload: dict[str, Any] | None) -> None:
        if not self.acknowledged:
            raise Closed(Close.UNAUTHORIZED, "Unauthorized")
        if id in self.operations:
            raise Closed(Close.SUBSCRIBER_EXISTS, f"Subscriber for {id} already exists")
        request = payload or {}
        if not (
            isinstance(request.get("query"), str)
            and isinstance(request.get("variables"), dict | None)
            and isinstance(request.get("operationName"), str | None)
            and isinstance(request.get("extensions"), dict | None)
        ):
            raise Closed(Close.BAD_REQUEST, "A subscribe's payload is a GraphQL request")
        self.operations[id] = asyncio.create_task(self._operate(id, request))

    # Operations ----------------------------------------------------------------------------------

    async def _operate(self, id: str, request: dict[str, Any]) -> None:
        try:
            if len(self.operations) > MAX_OPERATIONS:
                raise refusals.Refusal(
                    "TOO_MANY_OPERATIONS", f"A socket has at most {MAX_OPERATIONS} at once."
                )
            await self._recheck(timedelta(seconds=1))
            last = await self._stream(id, request)
        except asyncio.CancelledError:
            raise
        except Closed as closed:
            await self._close(closed)
            return
        except (WebSocketDisconnect, TimeoutError):
            return
        except refusals.Refusal as refusal:
            last = _error(id, refusal.message, errors.of_refusal(refusal))
        except Exception as error:
            last = _error(id, *errors.masked(error))
        if self.operations.pop(id, None) is not None:
            with suppress(WebSocketDisconnect, TimeoutError):
                await self.send(last)

    async def _stream(self, id: str, request: dict[str, Any]) -> dict[str, Any]:
        """Sends the operation's results; returns its last message, `complete` or `error`."""
        results = cast(
            "AsyncGenerator[ExecutionResult, None]",
            await self.schema.stream(
                request["query"],
                variable_values=request.get("variables"),
                context_value=self.context(self.caller),
                operation_name=request.get("operationName"),
                operation_extensions=request.get("extensions"),
            ),
        )
        async with aclosing(results):
            async for result in results:
                if errors.not_executed(result):
                    told = [error.formatted for error in result.errors or ()]
                    return {"id": id, "type": "error", "payload": told}
                await self._recheck(RECHECK_AFTER)
                await self.send({"id": id, "type": "next", "payload": _formatted(result)})
        return {"id": id, "type": "complete"}

    def _cancel(self, id: str) -> None:
        task = self.operations.pop(id, None)
        if task is not None:
            task.cancel()

    async def _cancel_operations(self) -> None:
        tasks = list(self.operations.values())
        self.operations.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # The caller ----------------------------------------------------------------------------------

    async def _recheck(self, after: timedelta) -> None:
        if self.authorization is not None and self.clock() - self.checked_at >= after:
            await self._check()

    async def _check(self) -> None:
        """Whether the token is in force. Without a database, who was believed stays believed."""
        now = self.clock()
        try:
            self.caller = await auth.authenticate(self.authorization, now)
        except refusals.Refusal as refusal:
            raise Closed(Close.FORBIDDEN, "Forbidden: " + refusal.message) from refusal
        except faults.AWAY as error:
            if self.caller is None:
                raise Closed(Close.TRY_AGAIN, "The database is away; try again") from error
        self.checked_at = now

    # Messages out --------------------------------------------------------------------------------

    async def send(self, message: dict[str, Any]) -> None:
        if self.socket.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnect(1006)
        text = json.dumps(message, separators=(",", ":"))
        async with asyncio.timeout(WRITE_WITHIN):
            await self.socket.send({"type": "websocket.send", "text": text})

    async def _close(self, closed: Closed) -> None:
        if self.socket.application_state is WebSocketState.CONNECTED:
            reason = closed.reason.encode()[:120].decode(errors="ignore")
            with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
                async with asyncio.timeout(WRITE_WITHIN):
                    await self.socket.close(closed.code, reason)


def _id(message: dict[str, Any]) -> str:
    id = message.get("id")
    if not isinstance(id, str) or not id or len(id) > 200:
        raise Closed(Close.BAD_REQUEST, "The id must be a string of 1 to 200 characters")
    return id


def _payload(message: dict[str, Any]) -> dict[str, Any] | None:
    payload = message.get("payload")
    if payload is not None and not isinstance(payload, dict):
        raise Closed(Close.BAD_REQUEST, "The payload must be an object")
    return payload


def _formatted(result: ExecutionResult) -> dict[str, Any]:
    payload: dict[str, Any] = {"data": result.data}
    if result.errors:
        payload["errors"] = [error.formatted for error in result.errors]
    if result.extensions:
        payload["extensions"] = result.extensions
    return payload


def _error(id: str, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": id,
        "type": "error",
        "payload": [{"message": message, "extensions": extensions}],
    }
