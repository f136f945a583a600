"""Switches: registered at their first contact, with their settings."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from domain import refusals, time_zones
from domain.directory import channel_variables
from domain.directory.switch_activity import Activity, MissedEvents
from domain.records import destinations, references
from models import db
from models.directory import switch_reports

_CONFIGURE = """
INSERT INTO switches (account_id, reference, time_zone, lease_seconds, first_seen_at, country_code,
                      national_prefix, international_prefix, customer_variable, carrier_variable,
                      offers_variable)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (account_id, reference) DO UPDATE
SET time_zone = $3, lease_seconds = $4, country_code = $6, national_prefix = $7,
    international_prefix = $8, customer_variable = $9, carrier_variable = $10, offers_variable = $11
"""


@dataclass(frozen=True, slots=True)
class SwitchStates:
    """Switches of an account, by name.

    - `snapshot_wanted`: those of the account that have to send a snapshot.
    - `missed_events`: those of them with events that have not reached Redis.
    - `switches`, `activity`: of these and of the named switches.
    """

    switches: Mapping[str, references.Switch]
    snapshot_wanted: frozenset[str]
    missed_events: tuple[MissedEvents, ...] = ()
    activity: Mapping[str, Activity] = field(default_factory=dict)


async def find_or_register(account_id: int, names: Collection[str], now: datetime) -> SwitchStates:
    """Reads the named switches. Registers new ones with the default settings."""
    switch_states = await _read(account_id, names, now)
    new = sorted(set(names) - switch_states.switches.keys())
    if not new:
        return switch_states
    async with db.connection() as conn:
        await conn.execute(
            "INSERT INTO switches (account_id, reference, first_seen_at)"
            " SELECT $1, unnest($2::text[]), $3 ON CONFLICT DO NOTHING",
            account_id,
            new,
            now,
        )
    return await _read(account_id, names, now)


async def _read(account_id: int, names: Collection[str], now: datetime) -> SwitchStates:
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT reference, time_zone, lease_seconds, snapshot_wanted_since, snapshot_reason,"
            " last_active_at, sends_beats, country_code, national_prefix, international_prefix"
            " FROM switches"
            " WHERE account_id = $1"
            " AND (reference = ANY($2::text[]) OR snapshot_wanted_since IS NOT NULL)",
            account_id,
            list(names),
        )
    zones = {row["reference"]: row["time_zone"] for row in rows}
    return SwitchStates(
        {
            row["reference"]: references.Switch(
                ZoneInfo(zones[row["reference"]]) if zones[row["reference"]] else None,
                row["lease_seconds"],
                _numbering(row),
            )
            for row in rows
        },
        frozenset(row["reference"] for row in rows if row["snapshot_wanted_since"] is not None),
        tuple(switch_reports.missed_events(rows, now)),
        {row["reference"]: switch_reports.activity_of(row) for row in rows},
    )


def _numbering(row: Mapping[str, Any]) -> destinations.Numbering:
    return destinations.Numbering(
        row["country_code"], row["national_prefix"], row["international_prefix"]
    )


async def numbering(
    account_id: int, names: Collection[str]
) -> Mapping[str, destinations.Numbering]:
    """The numbering of each switch; the default for an unknown one."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT reference, country_code, national_prefix, international_prefix FROM switches"
            " WHERE account_id = $1 AND reference = ANY($2::text[])",
            account_id,
            list(names),
        )
    stored = {row["reference"]: _numbering(row) for row in rows}
    return {name: stored.get(name, destinations.INTERNATIONAL) for name in names}


async def channel_variables_of(account_id: int, name: str) -> channel_variables.ChannelVariables:
    """The channel variables of a switch; the defaults for an unknown one."""
    async with db.connection() as conn:
        row = await conn.fetchrow(
            "SELECT customer_variable, carrier_variable, offers_variable FROM switches"
            " WHERE account_id = $1 AND reference = $2",
            account_id,
            name,
        )
    return channel_variables.DEFAULT if row is None else _variables(row)


def _variables(row: Mapping[str, Any]) -> channel_variables.ChannelVariables:
    return channel_variables.ChannelVariables(
        row["customer_variable"], row["carrier_variable"], row["offers_variable"]
    )


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch in the staff's list. `snapshot_wanted_since` None: no snapshot is requested."""

    reference: str
    time_zone: str | None
    lease_seconds: int
    first_seen_at: datetime
    snapshot_wanted_since: datetime | None
    snapshot_reason: str | None
    last_active_at: datetime | None
    numbering: destinations.Numbering
    variables: channel_variables.ChannelVariables


async def list_all(account_id: int) -> list[Switch]:
    """The account's switches, sorted by name."""
    async with db.connection() as conn:
        rows = await conn.fetch(
            "SELECT reference, time_zone, lease_seconds, first_seen_at, snapshot_wanted_since,"
            " snapshot_reason, last_active_at, country_code, national_prefix, international_prefix,"
            " customer_variable, carrier_variable, offers_variable"
            " FROM switches WHERE account_id = $1 ORDER BY reference",
            account_id,
        )
    return [
        Switch(
            row["reference"],
            row["time_zone"],
            row["lease_seconds"],
            row["first_seen_at"],
            row["snapshot_wanted_since"],
            row["snapshot_reason"],
            row["last_active_at"],
            _numbering(row),
            _variables(row),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class SwitchSettings:
    """Settings of a switch.

    - `time_zone`: of timestamps without an offset.
    - `lease_seconds`: a call without an event for that time is no longer active.
    - `numbering`: of numbers without a plus sign.
    - `variables`: that a switch which reports channels uses.
    """

    time_zone: str | None
    lease_seconds: int
    numbering: destinations.Numbering = destinations.INTERNATIONAL
    variables: channel_variables.ChannelVariables = channel_variables.DEFAULT


async def configure(account_id: int, name: str, settings: SwitchSettings, now: datetime) -> None:
    """Sets the settings of a switch. Refuses BAD_TIME_ZONE, BAD_LEASE, BAD_NUMBERING and
    BAD_VARIABLE."""
    variables = channel_variables.validate(settings.variables)
    numbering, time_zone = settings.numbering, settings.time_zone
    destinations.validate(numbering)
    if time_zone is not None:
        time_zone = time_zones.find(time_zone)
        if time_zone is None:
            raise refusals.Refusal(
                "BAD_TIME_ZONE", "Set an IANA time zone, such as Europe/Berlin.", "timeZone"
            )
    if not 60 <= settings.lease_seconds <= 604_800:
        raise refusals.Refusal("BAD_LEASE", "Set a lease of 60 s to 7 days.", "leaseSeconds")
    async with db.connection() as conn:
        await conn.execute(
            _CONFIGURE,
            account_id,
            name,
            time_zone,
            settings.lease_seconds,
            now,
            numbering.country_code,
            numbering.national_prefix,
            numbering.international_prefix,
            variables.customer,
            variables.carrier,
            variables.offers,
        )
