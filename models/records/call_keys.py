"""The key of a call in `record_keys`: 16 bytes in place of its switch and call id.

PostgreSQL and Python compute it in the same way. A NUL separates the two parts, because a text in
PostgreSQL cannot contain it. docs/decisions/0001 states the probability of a collision.
"""

from functools import lru_cache
from hashlib import sha256
from typing import Any

from asyncpg.pgproto.pgproto import UUID

from domain.records.revisions import Key

# Of the columns `switch` and `call_id`.
SQL = r"""encode(substring(sha256(
    convert_to(switch, 'UTF8') || '\x00'::bytea || convert_to(call_id, 'UTF8')
) FOR 16), 'hex')::uuid"""


@lru_cache(maxsize=5_000)  # 500 records at a time are sorted by it, then stored with it
def key_bytes(switch: str, call_id: str) -> bytes:
    """The key's 16 bytes."""
    return sha256(f"{switch}\0{call_id}".encode()).digest()[:16]


def compute(switch: str, call_id: str) -> Any:
    """The key as a UUID, which asyncpg sends without conversion."""
    return UUID(key_bytes(switch, call_id))


def digest(content: bytes) -> Any:
    """The 16-byte digest of a record's content, as `record_keys` stores it."""
    return UUID(content)


def of_leg(key: Key) -> tuple[Any, int]:
    """The key of a leg, as `record_keys` stores it."""
    switch, call_id, leg = key
    return compute(switch, call_id), leg


def lock_order(key: Key) -> bytes:
    """The sort key in which every transaction locks the rows of legs. PostgreSQL orders
    (`call_key`, `leg`) in the same way."""
    switch, call_id, leg = key
    return key_bytes(switch, call_id) + leg.to_bytes(2, "big")
