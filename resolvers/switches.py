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
        before = await _named(caller.account_id, name)
        await stored.configure(
            caller.account_id, name, time_zone=time_zone, lease_seconds=lease_seconds, now=now
        )
        after = await _named(caller.account_id, name)
        assert after is not None
        await audit.write(
            caller,
            "switch.configure",
            f"switch:{name}",
            now,
            before=_settings(before),
            after=_settings(after),
        )
    return after


def _settings(found: Switch | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {"time_zone": found.time_zone, "lease_seconds": found.lease_seconds}


async def _named(account_id: int, name: str) -> Switch | None:
    found = await stored.listed(account_id)
    return next((one for one in found if one.reference == name), None)
