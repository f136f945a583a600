"""The networks from which a contact may sign in."""

from collections.abc import Sequence
from datetime import datetime

from domain import refusals
from domain.identity import callers, networks
from models import db
from models.identity import contacts
from models.tables import Contact
from resolvers import access, audit_entries


async def set_allowed(
    caller: callers.Caller, contact_id: int, networks_text: Sequence[str], now: datetime
) -> Contact:
    """Sets the networks: by staff, or by the contact itself. Refuses NOT_FOUND, FORBIDDEN,
    INVALID, and WOULD_LOCK_OUT if the contact's own address is outside of them."""
    is_own = caller.kind is callers.Kind.CONTACT and caller.id == contact_id
    if is_own:
        access.require_self(caller)
    else:
        access.require_account(caller, access.Capability.MANAGE_CUSTOMERS)
    chosen = networks.parse(networks_text)
    if is_own and not networks.is_allowed(tuple(chosen), caller.address):
        raise refusals.Refusal(
            "WOULD_LOCK_OUT",
            "Your own address {address} is in none of the networks. Add it.",
            "networks",
            address=caller.address or "(unknown)",
        )
    async with db.transaction():
        contact = await contacts.get(caller.account_id, contact_id)
        if contact is None:
            raise refusals.not_found("Contact", "id")
        before = await contacts.allowed_networks(caller.account_id, contact_id)
        await contacts.set_allowed_networks(caller.account_id, contact_id, chosen)
        if before != chosen:
            await audit_entries.write(
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
    """The networks of a contact that the caller can see."""
    return await contacts.allowed_networks(caller.account_id, contact_id)
