"""Carriers: made and read, as the caller may."""

from datetime import datetime

from domain import callers, people
from models import carriers as stored
from models import db
from models.tables import Carrier
from resolvers import access, audit
from resolvers.access import Capability


async def create(
    caller: callers.Caller,
    *,
    name: str,
    reference: str,
    currency: str,
    sip_uri: str | None,
    now: datetime,
) -> Carrier:
    """REFERENCE_TAKEN, INVALID with the field."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    async with db.transaction():
        carrier = await stored.insert(
            caller.account_id,
            name=people.name(name),
            reference=people.reference(reference),
            currency=people.currency(currency),
            sip_uri=None if sip_uri is None else people.sip_uri(sip_uri),
            now=now,
        )
        await audit.write(caller, "carrier.create", f"carrier:{carrier.id}", now)
    return carrier


async def page(caller: callers.Caller, after: int | None, limit: int) -> list[Carrier]:
    access.require_account(caller, Capability.SEE_LIVE)
    return await stored.page(caller.account_id, after, limit)


async def sees_names(caller: callers.Caller) -> bool:
    """False for whoever sees one customer, if the account hides its carriers."""
    return caller.sees_carriers
