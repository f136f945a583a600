"""Writes the actions of callers to the audit log, in the transaction of the action."""

from datetime import datetime

from domain.identity import callers
from models.directory import audit_log


def actor(caller: callers.Caller) -> audit_log.Actor:
    return audit_log.Actor(caller.actor, caller.staff_id, caller.address)


async def write(
    caller: callers.Caller,
    action: str,
    subject: str,
    now: datetime,
    *,
    customer_id: int | None = None,
    before: audit_log.State | None = None,
    after: audit_log.State | None = None,
) -> None:
    """Writes an entry. `action` is such as `customer.update`; `customer_id` is the customer that it
    concerns, by default the caller's own. `before` and `after` contain only changed values and no
    secrets."""
    await audit_log.insert(
        caller.account_id,
        actor(caller),
        audit_log.NewEntry(
            action=action,
            subject=subject,
            customer_id=caller.customer_id if customer_id is None else customer_id,
            before=before,
            after=after,
        ),
        now,
    )
