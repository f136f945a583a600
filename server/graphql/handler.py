"""Serves a WebSocket: its messages, its operations and its close."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime

from graphql import GraphQLError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.execution import ExecutionResult

from domain import refusals
from domain.identity import callers, tokens
from domain.messaging import texts
from models import faults
from schema.engine import errors
from server import auth, connection_monitor
from server.graphql import operations, protocol, requests, shared
from server.graphql.protocol import Close, Closed, Message
from server.graphql.socket_messages import (
    complete_message,
    error_message,
    next_prefix,
    size_error,
)
from server.websocket_protocol import MAX_MESSAGE_BYTES, WebSocketProtocol
from server.wire import EXTENSION

INIT_TIMEOUT_SECONDS = 10.0


class Handler:
    """Serves one socket until either side closes it."""

    def __init__(
        self,
        socket: WebSocket,
        runner: operations.Runner,
        connections: connection_monitor.ConnectionMonitor,
        clock: Callable[[], datetime],
        max_operations: int,
    ) -> None:
        self.socket = socket
        self.wire: WebSocketProtocol = socket.scope["extensions"][EXTENSION]["wire"]
        self.runner = runner
        self.connections = connections
        self.clock = clock
        self.max_operations = max_operations
        self.is_initialized = self.acknowledged = False
        self.caller: callers.Caller | None = None
        self.token: tokens.Token | None = None
        self.registration = ExitStack()  # with `connections`
        self.running: dict[str, asyncio.Task[None] | SocketSubscription] = {}
        self.waiting_for_peer: dict[SocketSubscription, None] = {}
        self.closing: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        with self.registration:
            self.registration.enter_context(self.connections.hold_unauthenticated(self._evict))
            await self._serve()

    async def _serve(self) -> None:
        if GRAPHQL_TRANSPORT_WS_PROTOCOL not in self.socket.scope["subprotocols"]:
            await self.socket.accept()
            await self._close(Closed(Close.BAD_SUBPROTOCOL, "Subprotocol not acceptable"))
            return
        await self.socket.accept(GRAPHQL_TRANSPORT_WS_PROTOCOL)
        self.wire.on_writable = self._resume_subscriptions
        try:
            await self._initialize()
            while True:
                await self._take(await self._receive())
        except Closed as closed:
            await self._close(closed)
        except WebSocketDisconnect:
            pass
        except Exception as error:
            await self._close(Closed(Close.INTERNAL, errors.mask(error, self.language)[0]))
        finally:
            await self._end()

    # Messages in ---------------------------------------------------------------------------------

    async def _initialize(self) -> None:
        """Handles messages up to and including the first `connection_init`."""
        try:
            async with asyncio.timeout(INIT_TIMEOUT_SECONDS):
                while not self.is_initialized:
                    await self._take(await self._receive())
        except TimeoutError:
            raise Closed(Close.INIT_TIMEOUT, "Connection initialisation timeout") from None

    async def _receive(self) -> Message:
        await asyncio.sleep(0)  # so that a burst on one socket does not delay the others
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code") or 1005)
        return protocol.read(message.get("text"))

    async def _take(self, message: Message) -> None:
        match message["type"]:
            case "connection_init":
                await self._connection_init(protocol.payload_of(message))
            case "ping":
                await self._pong(protocol.payload_of(message))
            case "pong":
                protocol.payload_of(message)
            case "subscribe":
                await self._subscribe(protocol.id_of(message), protocol.request_of(message))
            case "complete":
                self._stop(protocol.id_of(message))
            case _:
                raise Closed(Close.BAD_REQUEST, "Unknown message type")

    async def _pong(self, payload: Message | None) -> None:
        try:
            text = protocol.text_of(
                {"type": "pong"} | ({} if payload is None else {"payload": payload})
            )
        except (RecursionError, ValueError):  # could be parsed, but cannot be encoded
            raise Closed(Close.BAD_REQUEST, "The payload cannot be sent back") from None
        if len(text) > MAX_MESSAGE_BYTES:
            raise Closed(
                Close.BAD_REQUEST, f"A ping's payload has at most {MAX_MESSAGE_BYTES} bytes"
            )
        await self._write(text)

    async def _connection_init(self, payload: Message | None) -> None:
        if self.is_initialized:
            raise Closed(Close.TOO_MANY_INITS, "Too many initialisation requests")
        self.is_initialized = True
        authorization = (payload or {}).get("authorization")
        if not isinstance(authorization, str | None):
            raise Closed(Close.BAD_REQUEST, "authorization must be a string")
        await self._authenticate(authorization)
        self.acknowledged = True
        await self._write(protocol.text_of({"type": "connection_ack"}))

    async def _authenticate(self, authorization: str | None) -> None:
        try:
            self.caller = await auth.identify(self.socket, self.clock(), authorization)
        except refusals.Refusal as refusal:
            raise Closed(Close.FORBIDDEN, "Forbidden: " + refusal.message) from refusal
        except faults.UNAVAILABLE_ERRORS as error:
            raise Closed(
                Close.TRY_AGAIN, "The database is temporarily unavailable; try again"
            ) from error
        if self.caller is None:
            return
        self.registration.close()  # no longer unauthenticated
        self.token = auth.bearer(authorization or auth.authorization(self.socket))
        try:
            self.registration.enter_context(
                self.connections.hold(self.token, self.caller, self._forbid)
            )
        except refusals.Refusal as refusal:
            raise Closed(Close.TRY_AGAIN, refusal.message) from refusal
        self.wire.is_unauthenticated = False

    # Operations ----------------------------------------------------------------------------------

    @property
    def language(self) -> str:
        if self.caller is not None:
            return self.caller.language
        return texts.preferred_language(self.socket.headers.get("accept-language"))

    async def _subscribe(self, id: str, request: requests.Parameters) -> None:
        if not self.acknowledged:
            raise Closed(Close.UNAUTHORIZED, "Unauthorized")
        if id in self.running:
            raise Closed(Close.SUBSCRIBER_EXISTS, f"Subscriber for {id} already exists")
        try:
            operation = await self._read(request)
        except GraphQLError as error:
            await self._write(error_message(id, [error.formatted]))
            return
        self.running[id] = asyncio.create_task(self._start(id, operation))

    async def _start(self, id: str, operation: operations.Operation) -> None:
        """Runs the operation. Closes the socket if the caller's rights have changed since."""
        try:
            if self.token is not None and self.caller is not None:
                await auth.require_unchanged(self.token, self.caller, self.clock())
            run = self._start_subscription if operation.is_subscription else self._execute
            await run(id, operation)
        except refusals.Refusal as refusal:
            self._forbid(refusal)
        except Exception as error:
            message, extensions = errors.mask(error, self.language)
            await self._finish(
                id, error_message(id, [{"message": message, "extensions": extensions}])
            )

    async def _start_subscription(self, id: str, operation: operations.Operation) -> None:
        subscription = SocketSubscription(self, id)
        try:
            self.runner.subscribe(operation, self.caller, subscription)
        except refusals.Refusal as refusal:
            message = refusal.translate(operation.language)
            error = {"message": message, "extensions": errors.of_refusal(refusal)}
            await self._finish(id, error_message(id, [error]))
            return
        self.running[id] = subscription
        subscription.wake()

    async def _read(self, request: requests.Parameters) -> operations.Operation:
        if len(self.running) >= self.max_operations:
            refusal = refusals.Refusal(
                "TOO_MANY_OPERATIONS",
                "A socket runs at most {most} operations at once. Complete one first.",
                most=self.max_operations,
            )
            error = errors.refusal_error(refusal, limit=self.max_operations)
            raise errors.to_client(error, self.language)
        address = auth.address(self.socket)
        return await self.runner.read(request, self.caller, self.language, address)

    async def _execute(self, id: str, operation: operations.Operation) -> None:
        """Sends the result of a query or mutation."""
        try:
            exchange = auth.exchange(self.socket)
            result = await self.runner.execute(operation, self.caller, exchange)
            last = await self._send_result(id, result, operation.language)
        except WebSocketDisconnect:
            return
        except Exception as error:
            message, extensions = errors.mask(error, self.language)
            last = error_message(id, [{"message": message, "extensions": extensions}])
        await self._finish(id, last)

    async def _finish(self, id: str, last: bytes) -> None:
        """Sends an operation's last message unless the client has completed it."""
        if self.running.pop(id, None) is not None:
            with suppress(WebSocketDisconnect):
                await self._write(last)

    async def _send_result(self, id: str, result: ExecutionResult, language: str) -> bytes:
        """Sends the result, if any, and returns the operation's last message."""
        if errors.not_executed(result):
            return error_message(id, [error.formatted for error in result.errors or ()])
        text = next_prefix(id) + await self._encode(result) + b"}"
        if len(text) > MAX_MESSAGE_BYTES:
            return error_message(id, [size_error(len(text), language)])
        await self._write(text)
        return complete_message(id)

    async def _encode(self, result: ExecutionResult) -> bytes:
        return await self.runner.encode(result, self.caller, auth.address(self.socket))

    def _stop(self, id: str) -> None:
        stopped = self.running.pop(id, None)
        if isinstance(stopped, SocketSubscription):
            stopped.leave()
        elif stopped is not None:
            stopped.cancel()

    def _resume_subscriptions(self) -> None:
        """Wakes the subscriptions that waited for the peer to read."""
        waiting_for_peer, self.waiting_for_peer = self.waiting_for_peer, {}
        for subscription in waiting_for_peer:
            if self.running.get(subscription.id) is subscription:
                subscription.wake()

    # Messages out --------------------------------------------------------------------------------

    async def _write(self, text: bytes) -> None:
        if not await self.wire.until_writable():
            raise WebSocketDisconnect(1006)
        self.wire.write(text)

    # Its end -------------------------------------------------------------------------------------

    def _forbid(self, refusal: refusals.Refusal) -> None:
        self._close_at_once(Closed(Close.FORBIDDEN, "Forbidden: " + refusal.message))

    def _evict(self) -> None:
        message = "Too many sockets have not signed in; try again later"
        self._close_at_once(Closed(Close.TRY_AGAIN, message))

    def _close_at_once(self, closed: Closed) -> None:
        """Closes now, and drops unsent messages, which the peer may no longer see."""
        if self.wire.is_writable:
            self._drop()
            self.acknowledged = False
            self.closing = asyncio.create_task(self._close(closed))
        else:
            self.wire.abort()

    async def _close(self, closed: Closed) -> None:
        if self.socket.application_state is WebSocketState.CONNECTED:
            reason = closed.reason.encode(errors="replace")[:120].decode(errors="ignore")
            with suppress(WebSocketDisconnect, RuntimeError):
                await self.socket.close(closed.code, reason)

    def _drop(self) -> list[asyncio.Task[None]]:
        self.registration.close()
        dropped, self.running = self.running, {}
        for running in dropped.values():
            running.leave() if isinstance(running, SocketSubscription) else running.cancel()
        return [
            running for running in dropped.values() if not isinstance(running, SocketSubscription)
        ]

    async def _end(self) -> None:
        self.wire.on_writable = None
        await asyncio.gather(*self._drop(), return_exceptions=True)


class SocketSubscription(shared.Subscription):
    """A subscription on a socket. Writes events as fast as the peer reads, and buffers none."""

    __slots__ = ("_handler", "_prefix", "_wire", "id")

    def __init__(self, handler: Handler, id: str) -> None:
        self.id = id
        self._handler = handler
        self._wire = handler.wire
        self._prefix = next_prefix(id)

    def wake(self) -> None:
        wire = self._wire
        try:
            while wire.is_writable:
                event = self.take()
                if event is None:
                    self._finish(self.faults)
                    return
                text = self._prefix + event.payload + b"}"
                if len(text) > MAX_MESSAGE_BYTES:
                    self._finish([size_error(len(text), self.execution.key.language)])
                    return
                wire.write(text)
                if self.has_taken_all:
                    return
        except shared.FellBehindError:
            self._finish([operations.fell_behind(self)])
            return
        self._handler.waiting_for_peer[self] = None

    def leave(self) -> None:
        # A peer that does not read may subscribe again and again.
        self._handler.waiting_for_peer.pop(self, None)
        self._handler.runner.hub.leave(self)

    def _finish(self, faults: list[Message] | None) -> None:
        """Sends the last message, if the subscription was completed or has failed."""
        if faults is None or self._handler.running.pop(self.id, None) is None:
            return
        self.leave()
        self._wire.write(error_message(self.id, faults) if faults else complete_message(self.id))
