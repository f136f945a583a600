"""The browser's cookie: whose request may use it, and when it is set."""

from datetime import datetime

from starlette.requests import HTTPConnection
from starlette.responses import Response
from strawberry.http.websocket_origin import is_same_origin, normalize_origin

from schema import exchange

NAME = "callboard_session"
CSRF_HEADER = "x-callboard-csrf"  # any value: a page of another origin cannot send it
# What only a browser can say, of an address that was typed in or a page of ours.
_FETCH_SITE, _OURS = "sec-fetch-site", {"same-origin", "none"}


def token(connection: HTTPConnection) -> str | None:
    """The cookie's token, if it is a page of ours that sends it.

    A page of another origin can make a browser send the cookie along, but no header of its own, no
    handshake that hides where it is from, and no GET that says it comes from us.
    """
    cookie = connection.cookies.get(NAME)
    if not cookie:
        return None
    if connection.scope["type"] == "websocket":
        return cookie if _is_from_our_page(connection) else None
    headers = connection.headers
    reads_only = connection.scope["method"] == "GET"
    is_ours = CSRF_HEADER in headers or (reads_only and headers.get(_FETCH_SITE) in _OURS)
    return cookie if is_ours else None


def is_wanted(connection: HTTPConnection) -> bool:
    """Whether a page of ours asks, which is to be given a cookie where it signs in."""
    return connection.scope["type"] == "http" and CSRF_HEADER in connection.headers


def write(response: Response, cookie: exchange.Cookie | None, now: datetime, url: str) -> None:
    """SameSite=Strict: what is at `url` asks from its own pages. Secure where that is https."""
    if cookie is None:
        return
    lasts = 0
    if cookie.token is not None and cookie.ends_at is not None:
        lasts = int((cookie.ends_at - now).total_seconds())
    response.set_cookie(
        NAME,
        cookie.token or "",
        max_age=lasts,
        path="/",
        secure=url.startswith("https:"),
        httponly=True,
        samesite="strict",
    )


def _is_from_our_page(socket: HTTPConnection) -> bool:
    origin = socket.headers.get("origin")
    if origin is None:
        return False
    public: str = socket.app.state.settings.public_url
    host = socket.headers.get("host")
    return is_same_origin(origin, host) or normalize_origin(origin) == normalize_origin(public)
