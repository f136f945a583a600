"""Secrets that have to be read again, encrypted for the database with a key it does not hold."""

import hmac

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey


def seal(secret_key: str, owner: str, text: str) -> bytes:
    """A JWE (RFC 7516; A256GCM) that opens only as this owner's."""
    header = {"alg": "dir", "enc": "A256GCM", "kid": owner}
    return jwe.encrypt_compact(header, text.encode(), _key(secret_key)).encode()


def unseal(secret_key: str, owner: str, sealed: bytes) -> str | None:
    """The text; None of what is another owner's, was changed, or was sealed with another key."""
    try:
        opened = jwe.decrypt_compact(sealed, _key(secret_key))
    except (JoseError, ValueError):
        return None
    if opened.headers().get("kid") != owner or opened.plaintext is None:
        return None
    return opened.plaintext.decode()


def _key(secret_key: str) -> OctKey:
    """Derived, so that what is encrypted and what is signed share no key."""
    return OctKey.import_key(hmac.digest(secret_key.encode(), b"callboard: sealed", "sha256"))
