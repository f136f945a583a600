"""Messages to people: stored in the transaction that requests them, then sent by the worker."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from domain.messaging import messages
from models import changes, db

_INSERT = """
INSERT INTO messages (account_id, kind, channel, recipient, language, proof_id, detail, created_at,
                      due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) RETURNING id
"""

# Due messages, hidden from other workers for the length of a lease.
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
       c.proof_id IS NULL OR coalesce(p.used_at IS NULL AND p.expires_at > $1, false) AS is_valid
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
# If the claim has expired, another worker decides.
_CLAIMED = "WHERE account_id = $1 AND id = $2 AND tries = $3 AND sent_at IS NULL"
_POSTPONE = f"UPDATE messages SET due_at = $4, failure = $5 {_CLAIMED}"
_MARK_FAILED = f"UPDATE messages SET failed_at = $4, failure = $5 {_CLAIMED}"
_MARK_SENT = """
UPDATE messages SET sent_at = $3, failure = NULL, failed_at = NULL
WHERE account_id = $1 AND id = $2 AND sent_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message to send now. `is_valid` is false if its link or code is no longer valid, and
    `expires_at` is the end of that. `account` is the account's name. `tries` includes this one.
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
    is_valid: bool


async def claim(
    channels: Collection[messages.Channel], now: datetime, lease: timedelta, limit: int
) -> list[ClaimedMessage]:
    """Claims due messages of these channels, longest waiting first. No other worker gets them
    until the lease ends. A message that is neither sent nor postponed by then is due again."""
    async with db.connection() as conn:
        rows = await conn.fetch(_CLAIM, now, list(channels), limit, lease)
    return [_claimed_message(dict(row)) for row in rows]


async def mark_sent(message: ClaimedMessage, now: datetime) -> None:
    async with db.connection() as conn:
        await conn.execute(_MARK_SENT, message.account_id, message.id, now)


async def postpone(message: ClaimedMessage, due_at: datetime, failure: str) -> None:
    await _update_claimed(_POSTPONE, message, due_at, failure)


async def mark_failed(message: ClaimedMessage, now: datetime, failure: str) -> None:
    await _update_claimed(_MARK_FAILED, message, now, failure)


async def remove_old(account_id: int, before: datetime, limit: int) -> int:
    """Removes up to `limit` messages stored before then, oldest first; returns the number."""
    return await db.delete_rows(_REMOVE_OLD, account_id, before, limit)


async def _update_claimed(
    statement: str, message: ClaimedMessage, at: datetime, failure: str
) -> None:
    async with db.connection() as conn:
        await conn.execute(statement, message.account_id, message.id, message.tries, at, failure)


def _claimed_message(row: dict[str, Any]) -> ClaimedMessage:
    row["kind"], row["detail"] = messages.Kind(row["kind"]), json.loads(row["detail"])
    row["channel"] = messages.Channel(row["channel"])
    return ClaimedMessage(**row)


@dataclass(frozen=True, slots=True)
class NewMessage:
    """`detail` holds the values of its text and nothing secret: the link or code of the proof is
    created when the message is sent. `channel` None: that of the kind."""

    kind: messages.Kind
    recipient: str
    language: str
    channel: messages.Channel | None = None
    proof_id: int | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


async def insert(account_id: int, message: NewMessage, now: datetime) -> int:
    """Inserts a message and returns its id."""
    channel = messages.CHANNEL[message.kind] if message.channel is None else message.channel
    async with db.connection() as conn:
        id: int = await conn.fetchval(
            _INSERT,
            account_id,
            message.kind,
            channel,
            message.recipient,
            message.language,
            message.proof_id,
            json.dumps(dict(message.detail)),
            now,
        )
    changes.record(changes.Work.MESSAGES)
    return id
