"""Applies to every HTTP response: headers, compression, and the origins that may read it.

Compression reveals no secret here: docs/decisions/0014-answers-are-compressed.md says why.
"""

from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain.identity.origins import AllowedOrigins

# Responses are private to their caller: no cache stores them, and no browser guesses their type.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

COMPRESSED_FROM = 1_025  # bytes
_LEVEL = 5  # of zlib: about 0.3 ms for an answer of 40 KB
_IN_THREAD_FROM = 65_536  # bytes: shorter answers take under 1 ms of the event loop

_METHODS = ("GET", "POST")
_REQUEST_HEADERS = ("Authorization", "Last-Event-ID")  # besides those that CORS always permits
_RESPONSE_HEADERS = ("Retry-After", "WWW-Authenticate")
_PREFLIGHT_SECONDS = 600


def plain(status: HTTPStatus, message: str) -> bytes:
    """The complete last response of a connection, for errors before the application is called."""
    headers = {
        **HEADERS,
        "Vary": "Accept-Encoding, Origin",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(message)),
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", message)).encode("ascii")


class Application(Starlette):
    """Starlette with these headers on all responses, including those for unexpected errors."""

    allowed_origins = AllowedOrigins()

    def build_middleware_stack(self) -> ASGIApp:
        compressed = GZipMiddleware(
            super().build_middleware_stack(),
            minimum_size=COMPRESSED_FROM,
            compresslevel=_LEVEL,
            thread_minimum_size=_IN_THREAD_FROM,
        )
        return _Headers(_Cors(compressed, self.allowed_origins))


class _Cors(CORSMiddleware):
    """Starlette's CORS, with the same rule as for WebSocket handshakes.

    Credentials are never allowed, because the cookie is for pages of Callboard itself.
    """

    def __init__(self, app: ASGIApp, allowed_origins: AllowedOrigins) -> None:
        super().__init__(
            app,
            allow_methods=_METHODS,
            allow_headers=_REQUEST_HEADERS,
            expose_headers=_RESPONSE_HEADERS,
            allow_private_network=True,
            max_age=_PREFLIGHT_SECONDS,
        )
        self._allowed_origins = allowed_origins

    def is_allowed_origin(self, origin: str) -> bool:
        return self._allowed_origins.allow(origin)


class _Headers:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.add_vary_header("Accept-Encoding")
            await send(message)

        await self.app(scope, receive, send_with_headers)
