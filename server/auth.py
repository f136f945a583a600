"""Who sent this request: a bearer token to a caller."""

import hmac
from datetime import datetime, timedelta

from domain import callers, refusals, tokens
from models import credentials

# A caller found is believed for this long, so that ingest at a high rate asks the database once
# a second for each key; a revocation takes effect within it.
BELIEVED_FOR = timedelta(seconds=1)
_MOST_BELIEVED = 10_000

_believed: dict[tuple[int, tokens.Of, int, bytes], tuple[datetime, callers.Caller]] = {}


async def authenticate(authorization: str | None, now: datetime) -> callers.Caller:
    """The caller of `Authorization: Bearer <token>`; UNAUTHENTICATED where it is not in force."""
    token = _bearer(authorization)
    digest = tokens.digest(token.secret)
    key = (token.account_id, token.of, token.id, digest)
    believed = _believed.get(key)
    if believed is not None and now < believed[0]:
        return believed[1]
    known = await _look_up(token, now)
    if known is None or not hmac.compare_digest(known.secret_hash, digest):
        _believed.pop(key, None)
        raise _unauthenticated("This token or key is not in force; sign in again.")
    if len(_believed) >= _MOST_BELIEVED:
        _believed.clear()
    _believed[key] = (now + BELIEVED_FOR, known.caller)
    return known.caller


def forget(caller: callers.Caller) -> None:
    """Stops believing a caller at once, in this process."""
    for key in [key for key, (_, known) in _believed.items() if known == caller]:
        del _believed[key]


async def _look_up(token: tokens.Token, now: datetime) -> credentials.Known | None:
    if token.of is tokens.Of.KEY:
        return await credentials.known_key(token.account_id, token.id)
    return await credentials.known_session(token.account_id, token.id, now)


def _bearer(authorization: str | None) -> tokens.Token:
    if not authorization:
        raise _unauthenticated("Send `Authorization: Bearer <token or key>`.")
    scheme, _, text = authorization.partition(" ")
    token = tokens.parse(text.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise _unauthenticated("The Authorization header holds no token or key of Callboard.")
    return token


def _unauthenticated(message: str) -> refusals.Refusal:
    return refusals.Refusal("UNAUTHENTICATED", message)
