"""Who did what, when, from where, and what was before and after. Only ever added to."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from models import db

State: TypeAlias = Mapping[str, Any]

_INSERT = """
INSERT INTO audit_log (account_id, at, actor, action, subject, customer_id, staff_id, address,
                       before, after)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


async def insert(
    account_id: int,
    actor: str,
    action: str,
    subject: str,
    at: datetime,
    *,
    customer_id: int | None = None,
    staff_id: int | None = None,
    address: str | None = None,
    before: State | None = None,
    after: State | None = None,
) -> None:
    """`actor` and `subject` are such as `staff:3`; `staff_id` is who acted as the contact.

    Give `before` and `after` only what has changed, and nothing secret.
    """
    async with db.connection() as conn:
        await conn.execute(
            _INSERT,
            account_id,
            at,
            actor,
            action,
            subject,
            customer_id,
            staff_id,
            address,
            _json(before),
            _json(after),
        )


def _json(state: State | None) -> str | None:
    return None if state is None else json.dumps(dict(state), default=str)
