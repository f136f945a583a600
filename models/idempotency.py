"""Writes that a client may repeat: (account, mutation, key) -> digest of the input and the result.

The effect's own transaction claims the key, so a refused or failed write leaves no key behind, and
a simultaneous request waits for the first one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.refusals import Refusal
from models import db

MAX_KEY_CHARACTERS = 200  # characters

_CLAIM = """
INSERT INTO idempotency_keys (account_id, mutation, key, digest, result_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (account_id, mutation, key) DO NOTHING
RETURNING result_id
"""
_FIND = """
SELECT digest, result_id FROM idempotency_keys
WHERE account_id = $1 AND mutation = $2 AND key = $3
"""


def digest(content: Mapping[str, object]) -> bytes:
    """The digest of a mutation's input: numbers, strings, booleans, nulls and lists of them."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True)
class Request:
    """`digest` is that of the input."""

    mutation: str
    key: str
    digest: bytes


async def find(conn: db.Connection, account_id: int, request: Request) -> int | None:
    """The id of the result of an earlier request with this key, or None.

    Refuses INVALID_IDEMPOTENCY_KEY, and IDEMPOTENCY_KEY_REUSED if the earlier input differs.
    """
    key = request.key
    if not 0 < len(key) <= MAX_KEY_CHARACTERS or not key.isprintable():
        raise Refusal(
            "INVALID_IDEMPOTENCY_KEY",
            "Set idempotencyKey to 1 to {most} printable characters, a new value for each request.",
            "idempotencyKey",
            most=MAX_KEY_CHARACTERS,
        )
    row = await conn.fetchrow(_FIND, account_id, request.mutation, key)
    if row is None:
        return None
    if row["digest"] != request.digest:
        raise Refusal(
            "IDEMPOTENCY_KEY_REUSED",
            "This idempotencyKey was used with other input. Use a new key for a new request.",
            "idempotencyKey",
        )
    result_id: int = row["result_id"]
    return result_id


async def claim(
    conn: db.Connection, account_id: int, request: Request, result_id: int, now: datetime
) -> int | None:
    """Claims the key for `result_id` and returns None; or returns the id of the result of an
    earlier request with this key. Waits for a request with this key that is still running.
    """
    columns = (request.mutation, request.key, request.digest, result_id, now)
    if await conn.fetchval(_CLAIM, account_id, *columns) is not None:
        return None
    return await find(conn, account_id, request)
