"""The `/graphql` endpoint: dispatches HTTP, server-sent events and WebSockets."""

from collections.abc import Callable
from datetime import datetime

from graphql import GraphQLError, OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.types.execution import ExecutionResult

from domain import refusals
from domain.identity import callers
from domain.messaging import texts
from models import faults
from schema.engine import errors
from schema.engine import exchange as exchanges
from server import answers, auth, cookies
from server.graphql import http, operations, requests, sse
from server.graphql.graphiql import page
from server.graphql.handler import Handler

_HOW_TO_SUBSCRIBE = texts.mark_text(
    "Subscriptions need a WebSocket (graphql-transport-ws) or `Accept: text/event-stream`."
)
_QUERIES_ONLY = texts.mark_text("A GET runs queries only. Send mutations with POST.")
_NO_MUTATIONS = texts.mark_text(
    "A GET runs queries and subscriptions only. Send mutations with POST."
)
_NOT_ALLOWED = (
    "This origin may not open a WebSocket. To allow it, add it to the server's"
    " CALLBOARD_ALLOWED_ORIGINS.\n"
)


class View:
    """Uses the services in the state of the application."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._serve_socket(WebSocket(scope, receive, send))
            return
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except http.Refused as fault:
            response = http.refused(request, fault)
        except ClientDisconnect:  # while its body was being read
            return
        await response(scope, receive, send)

    async def _serve_socket(self, socket: WebSocket) -> None:
        if not _may_connect(socket):
            await socket.send_denial_response(PlainTextResponse(_NOT_ALLOWED, 403))
            return
        state = socket.app.state
        max_operations = state.settings.socket_operations
        await Handler(socket, state.runner, state.connections, self.clock, max_operations).serve()

    async def _answer(self, request: Request) -> Response:
        if page.is_requested(request):
            return page.show()
        caller = await self._caller(request)
        http.language(request, caller)
        try:
            parameters = await http.parameters(request)
        except http.Refused as fault:
            if not sse.is_requested(request) or fault.status != 400:
                raise
            return sse.refused(http.as_error(request, fault))
        if not isinstance(parameters, list) and sse.is_requested(request):
            return await self._stream(request, parameters, caller)
        exchange = auth.exchange(request, takes_cookie=True)
        if isinstance(parameters, list):
            results = [
                await self._of_batch(request, parameter, caller, exchange)
                for parameter in parameters
            ]
        else:
            results = [await self._result(request, parameters, caller, exchange)]
        runner, address = request.app.state.runner, auth.address(request)
        payloads = [await runner.encode(result, caller, address) for result in results]
        response = http.answer(request, results, payloads, batch=isinstance(parameters, list))
        public_url = request.app.state.settings.public_url
        cookies.write(response, exchange.cookie, self.clock(), public_url)
        return response

    async def _caller(self, request: Request) -> callers.Caller | None:
        try:
            return await auth.identify(request, self.clock())
        except refusals.Refusal as refusal:
            status = 403 if refusal.code == "ADDRESS_NOT_ALLOWED" else 401
            raise http.Refused(status, refusal) from refusal
        except faults.UNAVAILABLE_ERRORS as error:
            message, _ = errors.mask(error, http.language(request))
            unavailable = refusals.TemporaryRefusal(
                "UNAVAILABLE", message, seconds=errors.RETRY_SECONDS
            )
            raise http.Refused(503, unavailable) from error

    async def _result(
        self,
        request: Request,
        parameters: requests.Parameters,
        caller: callers.Caller | None,
        exchange: exchanges.Exchange,
    ) -> ExecutionResult:
        runner: operations.Runner = request.app.state.runner
        try:
            operation = await self._read(request, parameters, caller)
        except GraphQLError as error:
            return ExecutionResult(data=None, errors=[error])
        if operation.is_subscription:
            raise http.bad_request(_HOW_TO_SUBSCRIBE)
        if request.method == "GET" and operation.definition.operation is OperationType.MUTATION:
            raise http.Refused(405, refusals.Refusal("BAD_REQUEST", _QUERIES_ONLY))
        return await runner.execute(operation, caller, exchange)

    async def _read(
        self, request: Request, parameters: requests.Parameters, caller: callers.Caller | None
    ) -> operations.Operation:
        runner: operations.Runner = request.app.state.runner
        return await runner.read(parameters, caller, http.language(request), auth.address(request))

    async def _of_batch(
        self,
        request: Request,
        parameters: requests.Parameters,
        caller: callers.Caller | None,
        exchange: exchanges.Exchange,
    ) -> ExecutionResult:
        """The result. A refusal of this operation does not affect the others of the batch."""
        try:
            return await self._result(request, parameters, caller, exchange)
        except http.Refused as fault:
            error = errors.to_client(errors.refusal_error(fault.refusal), http.language(request))
            return ExecutionResult(data=None, errors=[error])

    async def _stream(
        self, request: Request, parameters: requests.Parameters, caller: callers.Caller | None
    ) -> Response:
        try:
            operation = await self._read(request, parameters, caller)
        except GraphQLError as error:
            return sse.refused(error.formatted)
        if request.method == "GET" and operation.definition.operation is OperationType.MUTATION:
            return sse.refused(http.as_error(request, http.bad_request(_NO_MUTATIONS)))
        streams: sse.Streams = request.app.state.streams
        return streams.response(request, operation, caller)


def _may_connect(socket: WebSocket) -> bool:
    """Whether a program, a page of Callboard or a page of an allowed origin opens the socket.

    Browsers do not apply CORS to a handshake; the server has to.
    """
    origin = socket.headers.get("origin")
    if origin is None or cookies.is_from_our_page(socket):
        return True
    application: answers.Application = socket.app
    return application.allowed_origins.allow(origin)
