"""Who sent this request: a bearer token, or a browser's cookie, to a caller."""

import hmac
from datetime import datetime, timedelta

from starlette.requests import HTTPConnection
from strawberry.http.websocket_origin import is_same_origin, normalize_origin

from domain import callers, refusals, tokens
from models import credentials

COOKIE = "callboard_session"
CSRF_HEADER = "x-callboard-csrf"  # any value: a page of another origin cannot send it

# A caller found is believed for this long, so that ingest at a high rate asks the database a few
# times a second for each key. With `watch.EVERY` it is why a revocation takes effect in a second.
BELIEVED_FOR = timedelta(milliseconds=400)
_MOST_BELIEVED = 10_000

_believed: dict[tuple[tokens.Token, bytes], tuple[datetime, callers.Caller]] = {}


async def authenticate(authorization: str | None, now: datetime) -> callers.Caller:
    """The caller of `Authorization: Bearer <token>`; UNAUTHENTICATED where it is not in force."""
    token = bearer(authorization)
    key = (token, tokens.digest(token.secret))
    believed = _believed.get(key)
    if believed is not None and now < believed[0]:
        return believed[1]
    known = (await credentials.known([token], now)).get(token)
    if known is None or not is_secret(token, known):
        _believed.pop(key, None)
        raise not_in_force()
    if len(_believed) >= _MOST_BELIEVED:
        _believed.clear()
    _believed[key] = (now + BELIEVED_FOR, known.caller)
    return known.caller


def authorization(request: HTTPConnection) -> str | None:
    """The header; else the cookie, if it is a page of ours that sends it.

    A page of another origin can make a browser send the cookie along, but no header of its own, and
    no handshake that hides where it is from.
    """
    header = request.headers.get("authorization")
    cookie = request.cookies.get(COOKIE)
    if header or not cookie:
        return header
    is_socket = request.scope["type"] == "websocket"
    ours = _is_from_our_page(request) if is_socket else CSRF_HEADER in request.headers
    return f"Bearer {cookie}" if ours else None


def _is_from_our_page(socket: HTTPConnection) -> bool:
    origin = socket.headers.get("origin")
    if origin is None:
        return False
    public: str = socket.app.state.settings.public_url
    host = socket.headers.get("host")
    return is_same_origin(origin, host) or normalize_origin(origin) == normalize_origin(public)


def bearer(authorization: str | None) -> tokens.Token:
    """The token of an Authorization header, not yet looked up; UNAUTHENTICATED without one."""
    if not authorization:
        raise _unauthenticated("Send `Authorization: Bearer <token or key>`.")
    scheme, _, text = authorization.partition(" ")
    token = tokens.parse(text.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise _unauthenticated("The Authorization header holds no token or key of Callboard.")
    return token


def is_secret(token: tokens.Token, known: credentials.Known) -> bool:
    return hmac.compare_digest(known.secret_hash, tokens.digest(token.secret))


def not_in_force() -> refusals.Refusal:
    return _unauthenticated("This token or key is not in force; sign in again.")


def _unauthenticated(template: str) -> refusals.Refusal:
    return refusals.Refusal("UNAUTHENTICATED", template)
