"""Authenticates requests: the caller of a bearer token or of a browser's cookie."""

import base64
import hmac
from datetime import datetime

from starlette.requests import HTTPConnection

from domain import refusals
from domain.identity import callers, networks, tokens
from models.identity import credentials
from resolvers import access
from resolvers.identity import sign_in
from schema.engine import exchange as exchanges
from server import cookies, credential_lookup, token_usage

CHALLENGE = 'Bearer realm="Callboard"'  # WWW-Authenticate of every 401: RFC 9110, 15.5.2

_lookup = credential_lookup.CredentialLookup()


async def identify(
    connection: HTTPConnection, now: datetime, init_authorization: str | None = None
) -> callers.Caller | None:
    """The caller of a request; None without credentials.

    `init_authorization` is that of a socket's first message. Refuses UNAUTHENTICATED and
    ADDRESS_NOT_ALLOWED. An invalid cookie counts as none, so that its page can sign in again.
    """
    header = init_authorization or authorization(connection)
    if header is None:
        return None
    is_cookie = not init_authorization and not connection.headers.get("authorization")
    try:
        return await authenticate(header, now, address(connection))
    except refusals.Refusal:
        if is_cookie:
            return None
        raise


async def authenticate(
    authorization: str | None, now: datetime, address: str | None = None
) -> callers.Caller:
    """The caller of `Authorization: Bearer <token>` at that address.

    Refuses UNAUTHENTICATED if the token is invalid, ADDRESS_NOT_ALLOWED if the address is not
    allowed.
    """
    token = bearer(authorization)
    credential = await _lookup.get(token, now)
    if (
        credential is None
        or not has_secret(token, credential)
        or not access.may_act(credential.caller)
    ):
        raise invalid_token()
    caller = credential.caller.with_address(address)
    if caller.staff_id is None and not networks.is_allowed(caller.networks, address):
        raise sign_in.not_allowed()
    token_usage.record(token, now)
    return caller


async def require_unchanged(token: tokens.Token, caller: callers.Caller, now: datetime) -> None:
    """Checks a connection that was authenticated earlier. Refuses as `refusal_of`."""
    refusal = refusal_of(token, caller, await _lookup.get(token, now))
    if refusal is not None:
        raise refusal


def refusal_of(
    token: tokens.Token, caller: callers.Caller, credential: credentials.Credential | None
) -> refusals.Refusal | None:
    """UNAUTHENTICATED if the token is invalid, RIGHTS_CHANGED if its caller differs."""
    if (
        credential is None
        or not has_secret(token, credential)
        or not access.may_act(credential.caller)
    ):
        return invalid_token()
    if credential.caller.with_address(caller.address) != caller:
        return refusals.Refusal(
            "RIGHTS_CHANGED", "The rights of this login or key have changed. Connect again."
        )
    return None


def authorization(connection: HTTPConnection) -> str | None:
    """The header; otherwise the cookie, if a page of Callboard sends it."""
    header = connection.headers.get("authorization")
    if header:
        return header
    cookie = cookies.token(connection)
    return None if cookie is None else f"Bearer {cookie}"


def basic_as_bearer(connection: HTTPConnection) -> str | None:
    """The Authorization header. Basic credentials (RFC 7617) become a bearer token: the password.

    Switches that cannot send a bearer token use them. The user is ignored.
    """
    header = connection.headers.get("authorization")
    scheme, _, text = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return header
    try:
        credentials = base64.b64decode(text.strip(), validate=True).decode()
    except ValueError:
        return header
    return f"Bearer {credentials.partition(':')[2]}"


def address(connection: HTTPConnection) -> str | None:
    """The IP address of the client as the trusted proxies report it; None on a Unix socket."""
    return networks.parse_address(connection.client.host if connection.client else None)


def exchange(connection: HTTPConnection, *, takes_cookie: bool = False) -> exchanges.Exchange:
    """The request as an operation sees it. It can set a cookie only if a page requests one."""
    client = callers.Client(address(connection), connection.headers.get("user-agent"))
    return exchanges.Exchange(client, takes_cookie and cookies.is_wanted(connection))


def bearer(authorization: str | None) -> tokens.Token:
    """The token of an Authorization header, not yet looked up. Refuses UNAUTHENTICATED."""
    if not authorization:
        raise _unauthenticated("Send `Authorization: Bearer <token or key>`.")
    scheme, _, text = authorization.partition(" ")
    token = tokens.parse(text.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise _unauthenticated(
            "The Authorization header does not contain a token or key of Callboard. Send `Bearer"
            " <token or key>`."
        )
    return token


def has_secret(token: tokens.Token, credential: credentials.Credential) -> bool:
    return hmac.compare_digest(credential.secret_hash, tokens.digest(token.secret))


def invalid_token() -> refusals.Refusal:
    return _unauthenticated("The token or key is not valid or has expired. Sign in again.")


def _unauthenticated(template: str) -> refusals.Refusal:
    return refusals.Refusal("UNAUTHENTICATED", template)
