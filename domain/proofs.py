"""What is sent to an address to prove that it arrives there: signed links, and codes.

A link is a JWS (RFC 7515, HS256) that names a stored proof; the proof says whether it is still
good. So nothing that could be used lies in the database.
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


GOOD_FOR: dict[Purpose, timedelta] = {
    Purpose.VERIFY_EMAIL: timedelta(days=2),
    Purpose.VERIFY_MOBILE: timedelta(minutes=10),
    Purpose.RESET_PASSWORD: timedelta(hours=1),
    Purpose.INVITATION: timedelta(days=7),
}


# What is sent to the login's e-mail address: good no more when that changes.


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


def read(secret_key: str, purpose: Purpose, token: str, now: datetime) -> Link | None:
    """The link of a token that was signed for this purpose and has not expired, else None."""
    if len(token) > 1_000:
        return None
    try:
        claims = jwt.decode(token, _key(secret_key), algorithms=["HS256"]).claims
        account, id = (int(part) for part in str(claims["sub"]).split(":"))
        good = claims["aud"] == purpose.value and now.timestamp() < int(claims["exp"])
    except (JoseError, ValueError, KeyError, TypeError):
        return None
    return Link(account, id) if good else None


MOST_TRIES = 5  # of one code
CODE_DIGITS = 6

# How many proofs of a purpose a login may ask for in how long.
ASKED_AT_MOST: tuple[tuple[int, timedelta], ...] = (
    (1, timedelta(minutes=1)),
    (5, timedelta(hours=1)),
    (10, timedelta(days=1)),
)


def wait(asked: Sequence[datetime], now: datetime) -> timedelta:
    """How long to wait before asking again; zero: not at all. `asked` is when it was asked before,
    in any order."""
    latest = sorted(asked, reverse=True)
    waits = (
        latest[most - 1] + within - now for most, within in ASKED_AT_MOST if len(latest) >= most
    )
    return max([timedelta(0), *waits])


def code_hash(secret_key: str, proof: Link, code: str) -> bytes:
    """What is kept of a code: six digits could be guessed from a plain hash."""
    said = f"code:{proof.account_id}:{proof.id}:{code}"
    return hmac.digest(secret_key.encode(), said.encode(), "sha256")


def is_code(secret_key: str, proof: Link, code: str, kept: bytes) -> bool:
    return hmac.compare_digest(code_hash(secret_key, proof, code), kept)


def _key(secret_key: str) -> OctKey:
    return OctKey.import_key(secret_key.encode())
