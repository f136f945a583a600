"""Who sent this request: a bearer token, or a browser's cookie, to a caller."""

import hmac
from datetime import datetime, timedelta

from starlette.requests import HTTPConnection

from domain import callers, networks, refusals, tokens
from models import credentials
from resolvers import access, sign_in
from schema import exchange as exchanges
from server import cookies, uses

CHALLENGE = 'Bearer realm="Callboard"'  # WWW-Authenticate of every 401: RFC 9110, 15.5.2

# A caller found is believed for this long, so that ingest at a high rate asks the database a few
# times a second for each key. With `watch.EVERY` it is why a revocation takes effect in a second.
BELIEVED_FOR = timedelta(milliseconds=400)
_MOST_BELIEVED = 10_000

_believed: dict[tuple[tokens.Token, bytes], tuple[datetime, callers.Caller]] = {}


async def identified(
    connection: HTTPConnection, now: datetime, said: str | None = None
) -> callers.Caller | None:
    """The caller of a request, None of nobody's; `said` is what a socket's first message has.

    UNAUTHENTICATED, ADDRESS_NOT_ALLOWED. A cookie that is not in force is nobody's: a page that
    was signed in has to be able to sign in again.
    """
    authorized = said or authorization(connection)
    if authorized is None:
        return None
    is_cookie = not said and not connection.headers.get("authorization")
    try:
        return await authenticate(authorized, now, address(connection))
    except refusals.Refusal:
        if is_cookie:
            return None
        raise


async def authenticate(
    authorization: str | None, now: datetime, address: str | None = None
) -> callers.Caller:
    """The caller of `Authorization: Bearer <token>`, sending from that address.

    UNAUTHENTICATED where the token is not in force, ADDRESS_NOT_ALLOWED from where it is not.
    """
    token = bearer(authorization)
    found = (await _found(token, now)).at(address)
    if not access.may_act(found):
        raise not_in_force()
    if found.staff_id is None and not networks.allow(found.networks, address):
        raise sign_in.not_allowed()
    uses.note(token, now)
    return found


async def _found(token: tokens.Token, now: datetime) -> callers.Caller:
    key = (token, tokens.digest(token.secret))
    believed = _believed.get(key)
    if believed is not None and now < believed[0]:
        return believed[1]
    known = await credentials.known(token, now)
    if known is None or not is_secret(token, known):
        _believed.pop(key, None)
        raise not_in_force()
    if len(_believed) >= _MOST_BELIEVED:
        _believed.clear()
    _believed[key] = (now + BELIEVED_FOR, known.caller)
    return known.caller


def authorization(connection: HTTPConnection) -> str | None:
    """The header; else the cookie, if it is a page of ours that sends it."""
    header = connection.headers.get("authorization")
    if header:
        return header
    cookie = cookies.token(connection)
    return None if cookie is None else f"Bearer {cookie}"


def address(connection: HTTPConnection) -> str | None:
    """The IP address of the client, as the trusted proxies say it; None on a Unix socket."""
    return networks.address(connection.client.host if connection.client else None)


def exchange(connection: HTTPConnection, *, takes_cookie: bool = False) -> exchanges.Exchange:
    """What an operation is told of its request; it can only take a cookie where one is wanted."""
    client = callers.Client(address(connection), connection.headers.get("user-agent"))
    return exchanges.Exchange(client, takes_cookie and cookies.is_wanted(connection))


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
