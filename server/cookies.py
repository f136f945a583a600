"""The browser's session cookie: which requests may use it, and when it is set."""

from datetime import datetime

from starlette.requests import HTTPConnection
from starlette.responses import Response
from strawberry.http.websocket_origin import is_same_origin, normalize_origin

from schema.engine import exchange

NAME = "callboard_session"
CSRF_HEADER = "x-callboard-csrf"  # any value: a page of another origin cannot send it
# Only browsers send these values: for an address that was typed in, or from a page of Callboard.
_FETCH_SITE, _OWN_PAGES = "sec-fetch-site", {"same-origin", "none"}


def token(connection: HTTPConnection) -> str | None:
    """The cookie's token, if a page of Callboard sends it.

    A page of another origin can make a browser send the cookie. It cannot set a custom header,
    hide its origin in a handshake, or send a GET that is marked as same-origin.
    """
    cookie = connection.cookies.get(NAME)
    if not cookie:
        return None
    if connection.scope["type"] == "websocket":
        return cookie if is_from_our_page(connection) else None
    headers = connection.headers
    reads_only = connection.scope["method"] == "GET"
    is_own_page = CSRF_HEADER in headers or (reads_only and headers.get(_FETCH_SITE) in _OWN_PAGES)
    return cookie if is_own_page else None


def is_wanted(connection: HTTPConnection) -> bool:
    """Whether a page of Callboard sends the request, so that signing in sets the cookie."""
    return connection.scope["type"] == "http" and CSRF_HEADER in connection.headers


def write(response: Response, cookie: exchange.Cookie | None, now: datetime, url: str) -> None:
    """Sets or removes the cookie. SameSite=Strict: only pages at `url` use it. Secure if that is
    https."""
    if cookie is None:
        return
    max_age = 0
    if cookie.token is not None and cookie.ends_at is not None:
        max_age = int((cookie.ends_at - now).total_seconds())
    response.set_cookie(
        NAME,
        cookie.token or "",
        max_age=max_age,
        path="/",
        secure=url.startswith("https:"),
        httponly=True,
        samesite="strict",
    )


def is_from_our_page(socket: HTTPConnection) -> bool:
    origin = socket.headers.get("origin")
    if origin is None:
        return False
    public: str = socket.app.state.settings.public_url
    host = socket.headers.get("host")
    return is_same_origin(origin, host) or normalize_origin(origin) == normalize_origin(public)
