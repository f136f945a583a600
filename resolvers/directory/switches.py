"""Switches as staff see and configure them."""

from dataclasses import asdict
from datetime import datetime

from domain.directory import channel_variables
from domain.identity import callers, personal_data
from domain.records import destinations
from models import db
from models.directory import switches
from models.directory.switches import Switch as Switch
from resolvers import access, audit_entries
from resolvers.access import Capability


async def list_all(caller: callers.Caller) -> list[Switch]:
    """The switches. Refuses FORBIDDEN if the caller cannot manage carriers."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    return await switches.list_all(caller.account_id)


async def configure(
    caller: callers.Caller,
    reference: str,
    *,
    time_zone: str | None,
    lease_seconds: int,
    numbering: destinations.Numbering,
    variables: channel_variables.ChannelVariables,
    now: datetime,
) -> Switch:
    """Configures a switch. Refuses FORBIDDEN, INVALID, BAD_TIME_ZONE, BAD_LEASE, BAD_NUMBERING and
    BAD_VARIABLE."""
    access.require_account(caller, Capability.MANAGE_CARRIERS)
    name = personal_data.validate_name(reference, "reference")
    async with db.transaction():
        before = await _named(caller.account_id, name)
        await switches.configure(
            caller.account_id,
            name,
            switches.SwitchSettings(
                time_zone=time_zone,
                lease_seconds=lease_seconds,
                numbering=numbering,
                variables=variables,
            ),
            now,
        )
        after = await _named(caller.account_id, name)
        assert after is not None
        await audit_entries.write(
            caller,
            "switch.configure",
            f"switch:{name}",
            now,
            before=_settings(before),
            after=_settings(after),
        )
    return after


def _settings(switch: Switch | None) -> dict[str, object] | None:
    if switch is None:
        return None
    return {
        "time_zone": switch.time_zone,
        "lease_seconds": switch.lease_seconds,
        **asdict(switch.numbering),
        **{f"{name}_variable": value for name, value in asdict(switch.variables).items()},
    }


async def _named(account_id: int, name: str) -> Switch | None:
    rows = await switches.list_all(account_id)
    return next((row for row in rows if row.reference == name), None)
