"""The key of a call in `record_keys`: 16 bytes in place of its switch and call id.

PostgreSQL computes it as Python does. A text of PostgreSQL has no NUL, so that no two calls are
framed alike. docs/decisions/0001 states the odds that two calls share a key.
"""

from functools import lru_cache
from hashlib import sha256
from typing import Any

from asyncpg.pgproto.pgproto import UUID

from domain.revisions import Key

# Of the columns `switch` and `call_id`.
SQL = r"""encode(substring(sha256(
    convert_to(switch, 'UTF8') || '\x00'::bytea || convert_to(call_id, 'UTF8')
) FOR 16), 'hex')::uuid"""


@lru_cache(maxsize=5_000)  # records are sorted by it, then stored with it, 500 at a time
def compute(switch: str, call_id: str) -> Any:
    """A UUID: asyncpg sends it as it is."""
    return UUID(sha256(f"{switch}\0{call_id}".encode()).digest()[:16])


def digest(content: bytes) -> Any:
    """The digest of a record's content, 16 bytes, as `record_keys` has it."""
    return UUID(content)


def of_leg(key: Key) -> tuple[Any, int]:
    """The key of a leg as `record_keys` has it."""
    switch, call_id, leg = key
    return compute(switch, call_id), leg


def lock_order(key: Key) -> bytes:
    """By this all sort the keys of legs whose rows they lock; PostgreSQL orders
    (`call_key`, `leg`) in the same way."""
    switch, call_id, leg = key
    order: bytes = compute(switch, call_id).bytes + leg.to_bytes(2, "big")
    return order
