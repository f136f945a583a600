"""Switches as staff see and configure them."""

from datetime import datetime

from domain import callers, people
from models import db
from models import switches as stored
from models.switches import Switch
from resolvers import access, audit
from resolvers.access import Capability


async def listed(caller: callers.Caller) -> list[Switch]:
    """Refuses FORBIDDEN to whoever may not manage carriers."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    return await stored.listed(caller.account_id)


async def configure(
    caller: callers.Caller,
    reference: str,
    *,
    time_zone: str | None,
    lease_seconds: int,
    now: datetime,
) -> Switch:
    """Refuses FORBIDDEN, INVALID, BAD_TIME_ZONE, BAD_LEASE."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    name = people.name(reference, "reference")
    async with db.transaction():
        await stored.configure(
            caller.account_id, name, time_zone=time_zone, lease_seconds=lease_seconds, now=now
        )
        await audit.write(caller, "switch.configure", f"switch:{name}", now)
        found = await stored.listed(caller.account_id)
    return next(one for one in found if one.reference == name)
