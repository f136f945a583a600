"""GraphQL over HTTP: Strawberry's view, with our context, media types, statuses and body limit."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Any

from cross_web import AsyncHTTPRequestAdapter, HTTPException
from graphql import GraphQLError
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.http.base import BaseRequestProtocol
from strawberry.schema.exceptions import InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.execution import SubscriptionExecutionResult
from strawberry.types.graphql import OperationType

from domain import callers, refusals
from models import faults
from schema import base, errors, root
from server import auth
from server.graphql.handler import Handler

MAX_BODY = 1_000_000  # bytes
_RESPONSE_JSON = "application/graphql-response+json"
_HOW_TO_SUBSCRIBE = (
    "Subscribe over a WebSocket (graphql-transport-ws), or accept text/event-stream."
)


class View(GraphQL[base.Context, None]):
    """The `/graphql` endpoint. What it talks to is the app's state, opened with the app."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__(root.api, graphql_ide=None, subscription_protocols=(GRAPHQL_SSE_PROTOCOL,))
        self.clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._serve_socket(WebSocket(scope, receive, send))
            return
        request = Request(scope, _limited(receive))
        try:
            response = await self.run(request)
        except HTTPException as error:
            response = _refused(error.status_code, error.reason, "BAD_REQUEST")
        except refusals.Refusal as refusal:
            response = _refused(401, refusal.message, refusal.code)
        except faults.AWAY as error:
            message, _ = errors.masked(error)
            response = _refused(503, message, "UNAVAILABLE")
        await response(scope, receive, send)

    async def _serve_socket(self, socket: WebSocket) -> None:
        if not self._check_websocket_origin(socket):
            await self.reject_websocket(socket)
            return
        context = partial(self._context, socket)
        await Handler(socket, root.api, context, self.clock).serve()

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> base.Context:
        authorization = request.headers.get("authorization")
        caller = await auth.authenticate(authorization, self.clock()) if authorization else None
        return self._context(request, caller)

    def _context(self, connection: HTTPConnection, caller: callers.Caller | None) -> base.Context:
        state = connection.app.state
        return base.Context(
            caller=caller,
            clock=self.clock,
            redis=state.services.redis,
            bus=state.bus,
            feeds=state.feeds,
            development=state.development,
            bucket=state.bucket,
        )

    def should_render_graphql_ide(self, request: BaseRequestProtocol) -> bool:
        return False

    async def parse_http_body(
        self, request: AsyncHTTPRequestAdapter
    ) -> GraphQLRequestData | list[GraphQLRequestData]:
        try:
            data = await super().parse_http_body(request)
        except (AttributeError, ValueError, RecursionError) as error:
            raise HTTPException(400, "Send a JSON object with a `query`.") from error
        if isinstance(data, GraphQLRequestData) and not isinstance(data.operation_name, str | None):
            raise HTTPException(400, "The `operationName` must be a string or null.")
        return data

    async def execute_single(self, *args: Any, **kwargs: Any) -> ExecutionResult:
        try:
            return await super().execute_single(*args, **kwargs)
        except HTTPException as error:
            cause = error.__cause__
            if not isinstance(cause, InvalidOperationTypeError):
                raise
            if cause.operation_type is OperationType.SUBSCRIPTION:
                raise HTTPException(400, _HOW_TO_SUBSCRIBE) from error
            raise HTTPException(405, error.reason) from error

    async def execute_operation(self, *args: Any, **kwargs: Any) -> Any:
        result = await super().execute_operation(*args, **kwargs)
        if isinstance(result, SubscriptionExecutionResult):
            return self._while_in_force(kwargs["request"], result)
        return result

    async def _while_in_force(self, request: Request, results: Any) -> AsyncGenerator[Any, None]:
        """A stream's results, until the token it was asked for with is in force no more."""
        authorization = request.headers.get("authorization")
        async with aclosing(results):
            async for result in results:
                try:
                    if authorization:
                        await auth.authenticate(authorization, self.clock())
                except refusals.Refusal as refusal:
                    told = GraphQLError(refusal.message, extensions=errors.of_refusal(refusal))
                    yield ExecutionResult(data=None, errors=[told])
                    return
                except faults.AWAY:
                    pass  # who was believed stays believed
                yield result

    async def process_result(
        self, request: Request, result: ExecutionResult
    ) -> GraphQLHTTPResponse:
        data = await super().process_result(request, result)
        if errors.not_executed(result):
            data.pop("data", None)  # nothing was executed: there is no data, not even null
            request.state.not_executed = True
        return data

    async def run(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        response = await super().run(request, *args, **kwargs)
        if isinstance(response, Response) and not hasattr(response, "body_iterator"):
            _set_media_type(request, response)
        return response


def _set_media_type(request: Request, response: Response) -> None:
    """By GraphQL over HTTP: its own media type where accepted, with 400 for what was not run."""
    response.headers["vary"] = "Accept"
    if _RESPONSE_JSON not in request.headers.get("accept", ""):
        return
    response.headers["content-type"] = f"{_RESPONSE_JSON}; charset=utf-8"
    if getattr(request.state, "not_executed", False):
        response.status_code = 400


def _refused(status: int, message: str, code: str) -> Response:
    return JSONResponse(
        {"errors": [{"message": message, "extensions": {"code": code}}]}, status_code=status
    )


def _limited(receive: Receive) -> Receive:
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY:
            raise HTTPException(413, f"The body is larger than {MAX_BODY} bytes.")
        return message

    return limited
