"""Messages to people: stored in the transaction that wants them, sent by the worker afterwards."""

import json
from collections.abc import Mapping
from datetime import datetime

from domain import messages
from models import db

_INSERT = """
INSERT INTO messages (account_id, kind, channel, recipient, language, proof_id, detail, created_at,
                      due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) RETURNING id
"""


async def insert(
    account_id: int,
    kind: messages.Kind,
    recipient: str,
    language: str,
    now: datetime,
    *,
    proof_id: int | None = None,
    detail: Mapping[str, str] | None = None,
) -> int:
    """The message's id. `detail` is what its text names, nothing secret: the link or code of the
    proof is made when it is sent."""
    async with db.connection() as conn:
        id: int = await conn.fetchval(
            _INSERT,
            account_id,
            kind,
            messages.CHANNEL[kind],
            recipient,
            language,
            proof_id,
            json.dumps(dict(detail or {})),
            now,
        )
    return id
