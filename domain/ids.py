"""Ids of the API as texts: opaque and global. `schema/ids.py` reads them."""

import base64
import binascii
from functools import lru_cache


def of(kind: str, account_id: int, *parts: int | str) -> str:
    """`kind` is the GraphQL type's name; no part may hold a `:`."""
    return pack("".join((kind, ":", ":".join(map(str, (account_id, *parts))))))


@lru_cache(maxsize=10_000)  # the same few, in every push
def pack(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unpack(text: str) -> str | None:
    if len(text) > 300:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        return None
