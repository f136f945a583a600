"""Global ids of the API: opaque texts. `schema/engine/ids.py` decodes them."""

import base64
import binascii
from functools import lru_cache


def of(kind: str, account_id: int, *parts: int | str) -> str:
    """`kind` is the GraphQL type's name; no part may contain a `:`."""
    return pack("".join((kind, ":", ":".join(map(str, (account_id, *parts))))))


@lru_cache(maxsize=10_000)  # pushes repeat the same few ids
def pack(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def unpack(text: str) -> str | None:
    """The text that `pack` encoded; None if `pack` cannot have produced it."""
    if len(text) > 300:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        packed = base64.b64decode(padded, altchars=b"-_", validate=True)
        unpacked = packed.decode()
    except (binascii.Error, UnicodeError, ValueError):
        return None
    return unpacked if base64.urlsafe_b64encode(packed).decode().rstrip("=") == text else None
