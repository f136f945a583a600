"""The `/graphql` endpoint: HTTP, server-sent events and WebSockets, each to its own part."""

from collections.abc import Callable
from datetime import datetime

from graphql import GraphQLError, OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.types.execution import ExecutionResult

from domain import callers, refusals, texts
from models import faults
from schema import errors
from schema import exchange as exchanges
from server import auth, cookies
from server.graphql import graphiql, http, operations, requests, sse
from server.graphql.handler import Handler

_HOW_TO_SUBSCRIBE = texts.marked(
    "Subscribe over a WebSocket (graphql-transport-ws), or accept text/event-stream."
)
_QUERIES_ONLY = texts.marked("A GET runs queries only; send mutations by POST.")
_NO_MUTATIONS = texts.marked(
    "A GET runs queries and subscriptions only; mutations are not allowed."
)


class View:
    """What it talks to is the app's state, opened with the app."""

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
        except ClientDisconnect:  # in the middle of its body
            return
        await response(scope, receive, send)

    async def _serve_socket(self, socket: WebSocket) -> None:
        state = socket.app.state
        most = state.settings.socket_operations
        await Handler(socket, state.runner, state.watch, self.clock, most).serve()

    async def _answer(self, request: Request) -> Response:
        caller = await self._caller(request)
        http.language(request, caller)
        if graphiql.wanted(request):
            development = request.app.state.settings.development
            return graphiql.answer(sees_schema=development or caller is not None)
        try:
            said = await http.parameters(request)
        except http.Refused as fault:
            if not sse.is_asked_for(request) or fault.status != 400:
                raise
            return sse.refused(http.as_error(request, fault))
        if not isinstance(said, list) and sse.is_asked_for(request):
            return self._stream(request, said, caller)
        exchange = auth.exchange(request, takes_cookie=True)
        if isinstance(said, list):
            results = [await self._of_batch(request, one, caller, exchange) for one in said]
        else:
            results = [await self._result(request, said, caller, exchange)]
        response = http.answer(request, results, batch=isinstance(said, list))
        public_url = request.app.state.settings.public_url
        cookies.write(response, exchange.cookie, self.clock(), public_url)
        return response

    async def _caller(self, request: Request) -> callers.Caller | None:
        try:
            return await auth.identified(request, self.clock())
        except refusals.Refusal as refusal:
            status = 403 if refusal.code == "ADDRESS_NOT_ALLOWED" else 401
            raise http.Refused(status, refusal) from refusal
        except faults.AWAY as error:
            message, _ = errors.masked(error, http.language(request))
            raise http.Refused(503, refusals.Refusal("UNAVAILABLE", message)) from error

    async def _result(
        self,
        request: Request,
        said: requests.Parameters,
        caller: callers.Caller | None,
        exchange: exchanges.Exchange,
    ) -> ExecutionResult:
        runner: operations.Runner = request.app.state.runner
        try:
            operation = runner.read(said, caller, http.language(request))
        except GraphQLError as error:
            return ExecutionResult(data=None, errors=[error])
        if operation.is_subscription:
            raise http.bad_request(_HOW_TO_SUBSCRIBE)
        if request.method == "GET" and operation.definition.operation is OperationType.MUTATION:
            raise http.Refused(405, refusals.Refusal("BAD_REQUEST", _QUERIES_ONLY))
        return await runner.execute(operation, caller, exchange)

    async def _of_batch(
        self,
        request: Request,
        said: requests.Parameters,
        caller: callers.Caller | None,
        exchange: exchanges.Exchange,
    ) -> ExecutionResult:
        """One that cannot be answered over HTTP does not keep the others."""
        try:
            return await self._result(request, said, caller, exchange)
        except http.Refused as fault:
            error = errors.told(errors.refused(fault.refusal), http.language(request))
            return ExecutionResult(data=None, errors=[error])

    def _stream(
        self, request: Request, said: requests.Parameters, caller: callers.Caller | None
    ) -> Response:
        runner: operations.Runner = request.app.state.runner
        try:
            operation = runner.read(said, caller, http.language(request))
        except GraphQLError as error:
            return sse.refused(error.formatted)
        if request.method == "GET" and operation.definition.operation is OperationType.MUTATION:
            return sse.refused(http.as_error(request, http.bad_request(_NO_MUTATIONS)))
        streams: sse.Streams = request.app.state.streams
        return streams.response(request, operation, caller)
