"""Carriers: created, changed and read, with the caller's permissions."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from redis.asyncio import Redis

from domain import refusals
from domain.directory import profiles
from domain.identity import callers, personal_data
from live import caption_signals
from models import db, listing
from models.directory import carriers
from models.tables import Carrier
from resolvers import access, audit_entries
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
    """Creates a carrier. Refuses REFERENCE_TAKEN, INVALID with the field."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    async with db.transaction():
        carrier = await carriers.insert(
            caller.account_id,
            name=personal_data.validate_name(name),
            reference=personal_data.validate_reference(reference),
            currency=personal_data.validate_currency(currency),
            sip_uri=None if sip_uri is None else personal_data.validate_sip_uri(sip_uri),
            now=now,
        )
        await audit_entries.write(
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
    fields: Mapping[str, object],
    expected_version: int | None,
    now: datetime,
    redis: Redis,
) -> Carrier:
    """Changes only the given values. Refuses NOT_FOUND, INVALID with the field, REFERENCE_TAKEN,
    CHANGED_MEANWHILE."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    values = profiles.validate(profiles.CARRIER, fields)
    async with db.transaction():
        result = await carriers.change(caller.account_id, carrier_id, values, expected_version)
        if result is None:
            raise refusals.not_found("Carrier", "id")
        if result.after:
            await audit_entries.write(
                caller,
                "carrier.update",
                f"carrier:{carrier_id}",
                now,
                before=result.before,
                after=result.after,
            )
    if result.after:
        await caption_signals.publish(redis, caller.account_id)
    return result.row


async def page(
    caller: callers.Caller, after: int | None, limit: int, search: str | None = None
) -> list[Carrier]:
    """Carriers in order of their ids."""
    access.require_account(caller, Capability.SEE_LIVE)
    request = listing.PageRequest(after, limit, profiles.validate_search(search))
    return await carriers.page(caller.account_id, request)


async def rows(keys: Sequence[tuple[int, int]]) -> list[Carrier | None]:
    """The carriers of foreign keys (account, carrier), all of one account. None for
    calls.NO_CARRIER."""
    if not keys:
        return []
    carriers_by_id = await carriers.by_ids(keys[0][0], [carrier_id for _, carrier_id in keys])
    return [carriers_by_id.get(carrier_id) for _, carrier_id in keys]
