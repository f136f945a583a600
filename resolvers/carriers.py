"""Carriers: made, changed and read, as the caller may."""

from collections.abc import Mapping
from datetime import datetime

from domain import callers, people, profiles, refusals
from models import carriers as stored
from models import db, lists
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
        await audit.write(
            caller,
            "carrier.create",
            f"carrier:{carrier.id}",
            now,
            after={
                "name": carrier.name,
                "reference": carrier.reference,
                "currency": carrier.currency,
                "sip_uri": carrier.sip_uri,
            },
        )
    return carrier


async def update(
    caller: callers.Caller,
    carrier_id: int,
    given: Mapping[str, object],
    expected_version: int | None,
    now: datetime,
) -> Carrier:
    """Changes what is given alone. NOT_FOUND, INVALID with the field, REFERENCE_TAKEN,
    CHANGED_MEANWHILE."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    wanted = profiles.checked(profiles.CARRIER, given)
    async with db.transaction():
        made = await stored.change(caller.account_id, carrier_id, wanted, expected_version)
        if made is None:
            raise refusals.no_such("Carrier", "carrierId")
        if made.after:
            await audit.write(
                caller,
                "carrier.update",
                f"carrier:{carrier_id}",
                now,
                before=made.before,
                after=made.after,
            )
    return made.row


async def page(
    caller: callers.Caller, after: int | None, limit: int, search: str | None = None
) -> list[Carrier]:
    """In order of their ids."""
    access.require_account(caller, Capability.SEE_LIVE)
    wanted = lists.Wanted(after, limit, profiles.search(search))
    return await stored.page(caller.account_id, wanted)


async def sees_names(caller: callers.Caller) -> bool:
    """False for whoever sees one customer, if the account hides its carriers."""
    return caller.sees_carriers
