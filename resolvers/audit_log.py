"""The audit log, as the caller may read it."""

from dataclasses import replace

from domain import callers
from models import audit as stored
from resolvers import access, customers
from resolvers.access import Capability


async def page(
    caller: callers.Caller, wanted: stored.Filter, before: stored.Place | None, limit: int
) -> list[stored.Entry]:
    """What concerns the filter's customer, or (None) the whole account; newest first.

    FORBIDDEN, NOT_FOUND.
    """
    access.require_scope(caller, Capability.SEE_AUDIT, wanted.customer_id)
    if wanted.customer_id is not None:
        await customers.existing(caller.account_id, wanted.customer_id)
    entries = await stored.page(caller.account_id, wanted, before, limit)
    return [_shown(caller, entry) for entry in entries]


def _shown(caller: callers.Caller, entry: stored.Entry) -> stored.Entry:
    """From where somebody works is told to staff, and to itself."""
    is_its_own = entry.actor == caller.actor and entry.staff_id == caller.staff_id
    if caller.customer_id is None or is_its_own:
        return entry
    return replace(entry, address=None)
