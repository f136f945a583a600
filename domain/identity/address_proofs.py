"""Proofs that a person receives messages at an address: signed links, and codes.

A link is a JWS (RFC 7515, HS256) that names a stored proof. The proof decides whether the link is
still valid, so the database contains nothing that could be used in place of the link.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey


class Purpose(StrEnum):
    VERIFY_EMAIL = "VERIFY_EMAIL"
    VERIFY_MOBILE = "VERIFY_MOBILE"
    RESET_PASSWORD = "RESET_PASSWORD"
    INVITATION = "INVITATION"


LIFETIME: dict[Purpose, timedelta] = {
    Purpose.VERIFY_EMAIL: timedelta(days=2),
    Purpose.VERIFY_MOBILE: timedelta(minutes=10),
    Purpose.RESET_PASSWORD: timedelta(hours=1),
    Purpose.INVITATION: timedelta(days=7),
}


@dataclass(frozen=True, slots=True)
class Link:
    """The stored proof that a link names."""

    account_id: int
    id: int


def sign(secret_key: str, purpose: Purpose, link: Link, expires_at: datetime) -> str:
    """The link's token, URL-safe."""
    claims = {
        "aud": purpose.value,
        "sub": f"{link.account_id}:{link.id}",
        "exp": int(expires_at.timestamp()),
    }
    return jwt.encode({"alg": "HS256"}, claims, _key(secret_key))


def read_link(secret_key: str, purpose: Purpose, token: str, now: datetime) -> Link | None:
    """The link of a token that was signed for this purpose and has not expired, else None."""
    if len(token) > 1_000:
        return None
    try:
        claims = jwt.decode(token, _key(secret_key), algorithms=["HS256"]).claims
        account, id = (int(part) for part in str(claims["sub"]).split(":"))
        is_valid = claims["aud"] == purpose.value and now.timestamp() < int(claims["exp"])
    except (JoseError, ValueError, KeyError, TypeError):
        return None
    return Link(account, id) if is_valid else None


MAX_TRIES = 5  # of one code
CODE_DIGITS = 6

# The number of proofs of one purpose that a login may request in a period.
REQUEST_LIMITS: tuple[tuple[int, timedelta], ...] = (
    (1, timedelta(minutes=1)),
    (5, timedelta(hours=1)),
    (10, timedelta(days=1)),
)


def remaining_wait(requested: Sequence[datetime], now: datetime) -> timedelta:
    """The time until the next request is allowed; zero if it is allowed now.

    `requested` are the times of earlier requests, in any order.
    """
    latest = sorted(requested, reverse=True)
    waits = (
        latest[limit - 1] + period - now for limit, period in REQUEST_LIMITS if len(latest) >= limit
    )
    return max([timedelta(0), *waits])


def code_hash(secret_key: str, proof: Link, code: str) -> bytes:
    """The stored hash of a code: keyed, because six digits could be guessed from a plain hash."""
    message = f"code:{proof.account_id}:{proof.id}:{code}"
    return hmac.digest(secret_key.encode(), message.encode(), "sha256")


def is_valid_code(secret_key: str, proof: Link, code: str, stored_hash: bytes) -> bool:
    return hmac.compare_digest(code_hash(secret_key, proof, code), stored_hash)


def _key(secret_key: str) -> OctKey:
    return OctKey.import_key(secret_key.encode())
