"""The networks a contact is let in from."""

from collections.abc import Sequence
from datetime import datetime

from domain import callers, networks, refusals
from models import contacts as stored
from models import db
from models.tables import Contact
from resolvers import access, audit


async def set_allowed(
    caller: callers.Caller, contact_id: int, given: Sequence[str], now: datetime
) -> Contact:
    """By staff, and by the contact for itself: WOULD_LOCK_OUT where it sits outside of them.

    NOT_FOUND, FORBIDDEN, INVALID.
    """
    is_own = caller.kind is callers.Kind.CONTACT and caller.id == contact_id
    if is_own:
        access.require_self(caller)
    else:
        access.require_account(caller, access.Capability.MANAGE_CUSTOMERS)
    chosen = networks.parse(given)
    if is_own and not networks.allow(tuple(chosen), caller.address):
        raise refusals.Refusal(
            "WOULD_LOCK_OUT",
            "Your own address {address} is in none of them; add it.",
            "networks",
            address=caller.address or "(unknown)",
        )
    async with db.transaction():
        contact = await stored.get(caller.account_id, contact_id)
        if contact is None:
            raise refusals.Refusal(
                "NOT_FOUND", "There is no such Contact; check its id.", "contactId"
            )
        before = await stored.allowed_networks(caller.account_id, contact_id)
        await stored.set_allowed_networks(caller.account_id, contact_id, chosen)
        if before != chosen:
            await audit.write(
                caller,
                "contact.networks",
                f"contact:{contact_id}",
                now,
                customer_id=contact.customer_id,
                before={"networks": before},
                after={"networks": chosen},
            )
    return contact


async def allowed(caller: callers.Caller, contact_id: int) -> list[str]:
    """Of a contact that the caller may see."""
    return await stored.allowed_networks(caller.account_id, contact_id)
