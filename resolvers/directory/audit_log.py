"""The audit log, as the caller can read it."""

from collections.abc import Sequence
from dataclasses import replace

from domain.identity import callers
from models.directory import audit_log
from models.directory.audit_log import Entry as Entry
from models.directory.audit_log import Filter as Filter
from resolvers import access
from resolvers.access import Capability
from resolvers.directory import customers


async def page(
    caller: callers.Caller, filter: audit_log.Filter, before: audit_log.Place | None, limit: int
) -> list[audit_log.Entry]:
    """Entries about the filter's customer, or (None) of the whole account, newest first.

    Refuses FORBIDDEN, NOT_FOUND.
    """
    access.require_scope(caller, Capability.SEE_AUDIT, filter.customer_id)
    if filter.customer_id is not None:
        await customers.existing(caller.account_id, filter.customer_id)
    entries = await audit_log.page(caller.account_id, filter, before, limit)
    return [_shown(caller, entry) for entry in entries]


def _shown(caller: callers.Caller, entry: audit_log.Entry) -> audit_log.Entry:
    """The entry with the address only if the caller is staff or the actor."""
    is_its_own = entry.actor == caller.actor and entry.staff_id == caller.staff_id
    if access.sees_account(caller) or is_its_own:
        return entry
    return replace(entry, address=None)


async def names(keys: Sequence[tuple[int, str]]) -> list[str | None]:
    """The names of actors such as `staff:3`, by (account, actor) of one account."""
    names_by_actor = await audit_log.names(keys[0][0], [actor for _, actor in keys])
    return [names_by_actor.get(actor) for _, actor in keys]
