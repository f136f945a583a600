"""A WebSocket: its messages, its operations, its end."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from typing import Any

from graphql import GraphQLError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.execution import ExecutionResult

from domain import callers, refusals, texts
from models import faults
from schema import errors
from server import auth, watch
from server.graphql import operations, protocol, requests, shared
from server.graphql.protocol import Close, Closed, Message
from server.wire import EXTENSION, MAX_SENT, Wire

INIT_WITHIN = 10.0  # seconds


class Handler:
    """Serves one socket until either side closes it."""

    def __init__(
        self,
        socket: WebSocket,
        runner: operations.Runner,
        watched: watch.Watch,
        clock: Callable[[], datetime],
        most_operations: int,
    ) -> None:
        self.socket = socket
        self.wire: Wire = socket.scope["extensions"][EXTENSION]["wire"]
        self.runner = runner
        self.watched = watched
        self.clock = clock
        self.most_operations = most_operations
        self.initialised = self.acknowledged = False
        self.caller: callers.Caller | None = None
        self.held = ExitStack()  # its place among those `watched`
        self.running: dict[str, asyncio.Task[None] | Listening] = {}
        self.behind: dict[Listening, None] = {}
        self.closing: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        with self.held:
            self.held.enter_context(self.watched.stranger(self._make_room))
            await self._serve()

    async def _serve(self) -> None:
        if GRAPHQL_TRANSPORT_WS_PROTOCOL not in self.socket.scope["subprotocols"]:
            await self.socket.accept()
            await self._close(Closed(Close.BAD_SUBPROTOCOL, "Subprotocol not acceptable"))
            return
        await self.socket.accept(GRAPHQL_TRANSPORT_WS_PROTOCOL)
        self.wire.on_writable = self._catch_up
        try:
            await self._initialise()
            while True:
                await self._take(await self._receive())
        except Closed as closed:
            await self._close(closed)
        except WebSocketDisconnect:
            pass
        except Exception as error:
            await self._close(Closed(Close.INTERNAL, errors.masked(error, self.language)[0]))
        finally:
            await self._end()

    # Messages in ---------------------------------------------------------------------------------

    async def _initialise(self) -> None:
        """Up to and with the first `connection_init`."""
        try:
            async with asyncio.timeout(INIT_WITHIN):
                while not self.initialised:
                    await self._take(await self._receive())
        except TimeoutError:
            raise Closed(Close.INIT_TIMEOUT, "Connection initialisation timeout") from None

    async def _receive(self) -> Message:
        await asyncio.sleep(0)  # a burst of one socket leaves a turn to the others
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
        except (RecursionError, ValueError):  # it could just be read
            raise Closed(Close.BAD_REQUEST, "The payload cannot be sent back") from None
        if len(text) > MAX_SENT:
            raise Closed(Close.BAD_REQUEST, f"A ping's payload has at most {MAX_SENT} bytes")
        await self._write(text)

    async def _connection_init(self, payload: Message | None) -> None:
        if self.initialised:
            raise Closed(Close.TOO_MANY_INITS, "Too many initialisation requests")
        self.initialised = True
        authorization = (payload or {}).get("authorization")
        if not isinstance(authorization, str | None):
            raise Closed(Close.BAD_REQUEST, "authorization must be a string")
        await self._authenticate(authorization)
        self.acknowledged = True
        await self._write(protocol.text_of({"type": "connection_ack"}))

    async def _authenticate(self, said: str | None) -> None:
        try:
            self.caller = await auth.identified(self.socket, self.clock(), said)
        except refusals.Refusal as refusal:
            raise Closed(Close.FORBIDDEN, "Forbidden: " + refusal.message) from refusal
        except faults.AWAY as error:
            raise Closed(Close.TRY_AGAIN, "The database is away; try again") from error
        if self.caller is None:
            return
        self.held.close()  # a stranger no more: it is known, or closed
        token = auth.bearer(said or auth.authorization(self.socket))
        try:
            self.held.enter_context(self.watched.hold(token, self.caller, self._forbid))
        except refusals.Refusal as refusal:
            raise Closed(Close.TRY_AGAIN, refusal.message) from refusal
        self.wire.is_stranger = False

    # Operations ----------------------------------------------------------------------------------

    @property
    def language(self) -> str:
        if self.caller is not None:
            return self.caller.language
        return texts.accepted(self.socket.headers.get("accept-language"))

    async def _subscribe(self, id: str, request: requests.Parameters) -> None:
        if not self.acknowledged:
            raise Closed(Close.UNAUTHORIZED, "Unauthorized")
        if id in self.running:
            raise Closed(Close.SUBSCRIBER_EXISTS, f"Subscriber for {id} already exists")
        try:
            asked = self._read(request)
        except GraphQLError as error:
            await self._write(_error(id, [error.formatted]))
            return
        if asked.is_subscription:
            await self._listen(id, asked)
        else:
            self.running[id] = asyncio.create_task(self._execute(id, asked))

    async def _listen(self, id: str, asked: operations.Operation) -> None:
        listening = Listening(self, id)
        try:
            self.runner.subscribe(asked, self.caller, listening)
        except refusals.Refusal as refusal:
            message = refusal.said(asked.language)
            told = {"message": message, "extensions": errors.of_refusal(refusal)}
            await self._write(_error(id, [told]))
            return
        self.running[id] = listening
        listening.wake()

    def _read(self, request: requests.Parameters) -> operations.Operation:
        if len(self.running) >= self.most_operations:
            refusal = refusals.Refusal(
                "TOO_MANY_OPERATIONS",
                "A socket runs at most {most} operations at once.",
                most=self.most_operations,
            )
            error = errors.refused(refusal, limit=self.most_operations)
            raise errors.told(error, self.language)
        return self.runner.read(request, self.caller, self.language)

    async def _execute(self, id: str, asked: operations.Operation) -> None:
        """Sends the one result of a query or mutation."""
        try:
            exchange = auth.exchange(self.socket)
            result = await self.runner.execute(asked, self.caller, exchange)
            last = await self._tell(id, result, asked.language)
        except WebSocketDisconnect:
            return
        except Exception as error:
            message, extensions = errors.masked(error, self.language)
            last = _error(id, [{"message": message, "extensions": extensions}])
        if self.running.pop(id, None) is not None:  # else the client has completed it
            with suppress(WebSocketDisconnect):
                await self._write(last)

    async def _tell(self, id: str, result: ExecutionResult, language: str) -> bytes:
        """Sends what there is before the operation's last message, and returns that."""
        if errors.not_executed(result):
            return _error(id, [one.formatted for one in result.errors or ()])
        text = _next(id) + shared.encoded(result) + b"}"
        if len(text) > MAX_SENT:
            return _error(id, [_too_large(len(text), language)])
        await self._write(text)
        return _complete(id)

    def _stop(self, id: str) -> None:
        stopped = self.running.pop(id, None)
        if isinstance(stopped, Listening):
            stopped.leave()
        elif stopped is not None:
            stopped.cancel()

    def _catch_up(self) -> None:
        """The peer has read: what waited for that goes on."""
        behind, self.behind = self.behind, {}
        for listening in behind:
            if self.running.get(listening.id) is listening:
                listening.wake()

    # Messages out --------------------------------------------------------------------------------

    async def _write(self, text: bytes) -> None:
        if not await self.wire.until_writable():
            raise WebSocketDisconnect(1006)
        self.wire.write(text)

    # Its end -------------------------------------------------------------------------------------

    def _forbid(self, refusal: refusals.Refusal) -> None:
        self._close_at_once(Closed(Close.FORBIDDEN, "Forbidden: " + refusal.message))

    def _make_room(self) -> None:
        message = "Too many sockets have not signed in; come again later"
        self._close_at_once(Closed(Close.TRY_AGAIN, message))

    def _close_at_once(self, closed: Closed) -> None:
        """What was not read yet is not for this peer any more."""
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
        self.held.close()
        dropped, self.running = self.running, {}
        for one in dropped.values():
            one.leave() if isinstance(one, Listening) else one.cancel()
        return [one for one in dropped.values() if not isinstance(one, Listening)]

    async def _end(self) -> None:
        self.wire.on_writable = None
        await asyncio.gather(*self._drop(), return_exceptions=True)


class Listening(shared.Subscription):
    """A subscription on a socket. It is written to as its peer reads, and holds nothing itself."""

    __slots__ = ("_handler", "_prefix", "_wire", "id")

    def __init__(self, handler: Handler, id: str) -> None:
        self.id = id
        self._handler = handler
        self._wire = handler.wire
        self._prefix = _next(id)

    def wake(self) -> None:
        wire = self._wire
        try:
            while wire.is_writable:
                event = self.take()
                if event is None:
                    self._finish(self.faults)
                    return
                text = self._prefix + event.payload + b"}"
                if len(text) > MAX_SENT:
                    self._finish([_too_large(len(text), self.share.asked.language)])
                    return
                wire.write(text)
                if self.is_told_all:
                    return
        except shared.FellBehindError:
            self._finish([operations.fell_behind(self)])
            return
        self._handler.behind[self] = None

    def leave(self) -> None:
        self._handler.behind.pop(self, None)  # a peer that reads nothing may come again
        self._handler.runner.hub.leave(self)

    def _finish(self, faults: list[Message] | None) -> None:
        """Its last message, where there is one: it was completed, or could not go on."""
        if faults is None or self._handler.running.pop(self.id, None) is None:
            return
        self.leave()
        self._wire.write(_error(self.id, faults) if faults else _complete(self.id))


def _next(id: str) -> bytes:
    return b'{"id":' + json.dumps(id).encode() + b',"type":"next","payload":'


def _complete(id: str) -> bytes:
    return protocol.text_of({"id": id, "type": "complete"})


def _error(id: str, faults: Sequence[Any]) -> bytes:
    text = protocol.text_of({"id": id, "type": "error", "payload": faults})
    return text if len(text) <= MAX_SENT else _error(id, [_too_large(len(text), texts.DEFAULT)])


def _too_large(size: int, language: str) -> Message:
    message = texts.say(
        language,
        "The answer has {size} bytes; a socket takes {limit} at once. Ask for less, or over HTTP.",
        {"size": size, "limit": MAX_SENT},
    )
    return {
        "message": message,
        "extensions": {"code": "TOO_LARGE", "limit": MAX_SENT, "requested": size},
    }
