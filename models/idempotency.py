"""Writes that a client may repeat: (account, mutation, key) -> digest of the input and the result.

The key is claimed in the effect's own transaction, so that a refused or failed write leaves
nothing behind, and a second one at the same time waits for the first.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from domain.refusals import Refusal
from models import db

MAX_KEY = 200  # characters

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
    """Of a mutation's input: numbers, strings, booleans, nulls and lists of them."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


async def find(
    conn: db.Connection, account_id: int, mutation: str, key: str, digest: bytes
) -> int | None:
    """The id of the result this key had, or None. Refuses a key that had another input."""
    if not 0 < len(key) <= MAX_KEY or not key.isprintable():
        raise Refusal(
            "INVALID_IDEMPOTENCY_KEY",
            "Give an idempotencyKey of 1 to {most} printable characters, a new one each time.",
            "idempotencyKey",
            most=MAX_KEY,
        )
    row = await conn.fetchrow(_FIND, account_id, mutation, key)
    if row is None:
        return None
    if row["digest"] != digest:
        raise Refusal(
            "IDEMPOTENCY_KEY_REUSED",
            "This idempotencyKey was used with other input. Use a new key for a new request.",
            "idempotencyKey",
        )
    result_id: int = row["result_id"]
    return result_id


async def claim(
    conn: db.Connection,
    account_id: int,
    mutation: str,
    key: str,
    digest: bytes,
    result_id: int,
    now: datetime,
) -> int | None:
    """Claims the key for `result_id` until the transaction ends, and returns None; or returns the
    id of the result that another request with this key had. Waits for one that is under way.
    """
    claimed = await conn.fetchval(_CLAIM, account_id, mutation, key, digest, result_id, now)
    if claimed is not None:
        return None
    return await find(conn, account_id, mutation, key, digest)
