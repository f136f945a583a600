"""Messages to people: stored in the transaction that wants them, sent by the worker afterwards."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from domain import messages
from models import db

_INSERT = """
INSERT INTO messages (account_id, kind, channel, recipient, language, proof_id, detail, created_at,
                      due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) RETURNING id
"""

# What is due, taken out of the others' way for the length of a lease.
_CLAIM = """
WITH due AS (
    SELECT account_id, id FROM messages
    WHERE sent_at IS NULL AND failed_at IS NULL AND due_at <= $1 AND channel = ANY($2)
    ORDER BY due_at LIMIT $3
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE messages m SET tries = m.tries + 1, due_at = $1 + $4::interval
    FROM due WHERE m.account_id = due.account_id AND m.id = due.id
    RETURNING m.*
)
SELECT c.account_id, c.id, c.kind, c.channel, c.recipient, c.language, c.detail, c.created_at,
       c.tries, a.name AS account, c.proof_id, p.expires_at,
       c.proof_id IS NULL OR coalesce(p.used_at IS NULL AND p.expires_at > $1, false) AS is_good
FROM claimed c
JOIN accounts a ON a.id = c.account_id
LEFT JOIN proofs p ON p.account_id = c.account_id AND p.id = c.proof_id
ORDER BY c.created_at, c.id
"""
_REMOVE_OLD = """
DELETE FROM messages WHERE account_id = $1 AND id IN (
    SELECT id FROM messages WHERE account_id = $1 AND created_at < $2 ORDER BY id LIMIT $3
)
"""
# Of a claim that ran out meanwhile, somebody else decides.
_MINE = "WHERE account_id = $1 AND id = $2 AND tries = $3 AND sent_at IS NULL"
_PUT_OFF = f"UPDATE messages SET due_at = $4, failure = $5 {_MINE}"
_GIVE_UP = f"UPDATE messages SET failed_at = $4, failure = $5 {_MINE}"
_SENT = """
UPDATE messages SET sent_at = $3, failure = NULL, failed_at = NULL
WHERE account_id = $1 AND id = $2 AND sent_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message to be sent now. `is_good` is whether the link or code that it carries is, if any;
    `expires_at` is when that ends. `account` is the account's name; `tries` counts this one.
    """

    account_id: int
    id: int
    kind: messages.Kind
    channel: messages.Channel
    recipient: str
    language: str
    detail: Mapping[str, str]
    created_at: datetime
    tries: int
    account: str
    proof_id: int | None
    expires_at: datetime | None
    is_good: bool


async def claim(
    channels: Collection[messages.Channel], now: datetime, lease: timedelta, limit: int
) -> list[Claimed]:
    """Messages of these channels that are due, those that wait longest first. Nobody else gets
    them before the lease is over; what was neither sent nor put off by then is due again."""
    async with db.connection() as conn:
        rows = await conn.fetch(_CLAIM, now, list(channels), limit, lease)
    return [_claimed(dict(row)) for row in rows]


async def sent(message: Claimed, now: datetime) -> None:
    async with db.connection() as conn:
        await conn.execute(_SENT, message.account_id, message.id, now)


async def put_off(message: Claimed, due_at: datetime, failure: str) -> None:
    await _end(_PUT_OFF, message, due_at, failure)


async def give_up(message: Claimed, now: datetime, failure: str) -> None:
    await _end(_GIVE_UP, message, now, failure)


async def remove_old(account_id: int, before: datetime, most: int) -> int:
    """Removes so many at most that were stored before then, sent or not, the oldest first; how
    many."""
    return await db.removed(_REMOVE_OLD, account_id, before, most)


async def waiting(channel: messages.Channel) -> int:
    """How many of all accounts are neither sent nor given up."""
    async with db.connection() as conn:
        count: int = await conn.fetchval(
            "SELECT count(*) FROM messages"
            " WHERE channel = $1 AND sent_at IS NULL AND failed_at IS NULL",
            channel,
        )
    return count


async def _end(statement: str, message: Claimed, at: datetime, failure: str) -> None:
    async with db.connection() as conn:
        await conn.execute(statement, message.account_id, message.id, message.tries, at, failure)


def _claimed(row: dict[str, Any]) -> Claimed:
    row["kind"], row["detail"] = messages.Kind(row["kind"]), json.loads(row["detail"])
    row["channel"] = messages.Channel(row["channel"])
    return Claimed(**row)


async def insert(
    account_id: int,
    kind: messages.Kind,
    recipient: str,
    language: str,
    now: datetime,
    *,
    channel: messages.Channel | None = None,
    proof_id: int | None = None,
    detail: Mapping[str, str] | None = None,
) -> int:
    """The message's id. `detail` is what its text names, nothing secret: the link or code of the
    proof is made when it is sent. `channel`: of a kind that has none of its own."""
    async with db.connection() as conn:
        id: int = await conn.fetchval(
            _INSERT,
            account_id,
            kind,
            messages.CHANNEL[kind] if channel is None else channel,
            recipient,
            language,
            proof_id,
            json.dumps(dict(detail or {})),
            now,
        )
    return id
