"""Secrets that are read again, encrypted with a key that the database does not contain."""

import hmac

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey


def seal(secret_key: str, owner: str, text: str) -> bytes:
    """A JWE (RFC 7516; A256GCM) that only `unseal` of this owner decrypts."""
    header = {"alg": "dir", "enc": "A256GCM", "kid": owner}
    return jwe.encrypt_compact(header, text.encode(), _key(secret_key)).encode()


def unseal(secret_key: str, owner: str, sealed: bytes) -> str | None:
    """The text; None if it has another owner or key, or was changed."""
    try:
        plain = jwe.decrypt_compact(sealed, _key(secret_key))
    except (JoseError, ValueError):
        return None
    if plain.headers().get("kid") != owner or plain.plaintext is None:
        return None
    return plain.plaintext.decode()


def _key(secret_key: str) -> OctKey:
    """A derived key, so that encryption and signatures share no key."""
    return OctKey.import_key(hmac.digest(secret_key.encode(), b"callboard: sealed", "sha256"))
