"""Writes what a caller did into the audit log, in the transaction that does it."""

from datetime import datetime

from domain import callers
from models import audit


def actor(caller: callers.Caller) -> audit.Actor:
    return audit.Actor(caller.actor, caller.staff_id, caller.address)


async def write(
    caller: callers.Caller,
    action: str,
    subject: str,
    now: datetime,
    *,
    customer_id: int | None = None,
    before: audit.State | None = None,
    after: audit.State | None = None,
) -> None:
    """`action` is such as `customer.update`; `customer_id` is whom it concerns, by default the
    caller's own. `before` and `after` hold what has changed alone, and nothing secret."""
    await audit.insert(
        caller.account_id,
        actor(caller),
        action,
        subject,
        now,
        customer_id=caller.customer_id if customer_id is None else customer_id,
        before=before,
        after=after,
    )
