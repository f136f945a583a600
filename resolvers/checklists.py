"""What is still to be put right, as the caller may see it."""

from domain import callers, checklist
from models import checklists as stored
from models import contacts as stored_contacts
from resolvers import access
from resolvers.access import Capability


async def outstanding(caller: callers.Caller, customer_id: int) -> list[checklist.Outstanding]:
    """What the customer has to put right: of verifications a contact's own, or (staff, keys) those
    of all its contacts."""
    access.require_customer(caller, Capability.SEE_CUSTOMERS, customer_id)
    if caller.kind is not callers.Kind.CONTACT:
        facts = await stored.of_customer(caller.account_id, customer_id)
        return checklist.outstanding(facts, caller.language)
    contact = await stored_contacts.get(caller.account_id, caller.person)
    assert contact is not None
    facts = checklist.Facts(
        unverified_emails=int(contact.email_verified_at is None),
        unverified_mobiles=int(contact.mobile_verified_at is None),
        unrated_calls=await stored.unrated_calls(caller.account_id, customer_id),
        asked_by_contact=True,
        mobile=contact.mobile,
    )
    return checklist.outstanding(facts, caller.language)
