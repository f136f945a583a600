"""Switches: what staff see of them and set."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from models import switches as stored
from resolvers import switches
from schema import base


@strawberry.type(description="A machine that reports calls. It is known from its first event.")
class Switch:
    reference: str = strawberry.field(description="The name it gives itself in its events.")
    time_zone: str | None = strawberry.field(
        description="IANA zone of its stamps that name none; null: such stamps are refused."
    )
    lease_seconds: base.Long = strawberry.field(
        description="Seconds for which its calls count as up without news of them."
    )
    first_seen_at: datetime = strawberry.field(description="Its first event, or its configuration.")
    snapshot_wanted_since: datetime | None = strawberry.field(
        description="Since when a snapshot of it is wanted; null while its count is sure."
    )
    snapshot_reason: str | None = strawberry.field(
        description="Why: UNKNOWN, RESTARTED, HOLE (a number is missing), DIFFERS (its count is"
        " another) or REDIS_AWAY; null while none is wanted."
    )

    @classmethod
    def of(cls, value: stored.Switch) -> "Switch":
        return cls(
            reference=value.reference,
            time_zone=value.time_zone,
            lease_seconds=base.Long(value.lease_seconds),
            first_seen_at=value.first_seen_at,
            snapshot_wanted_since=value.snapshot_wanted_since,
            snapshot_reason=value.snapshot_reason,
        )


@strawberry.input(description="Settings of a switch; it need not have reported anything yet.")
class ConfigureSwitchInput:
    reference: str = strawberry.field(description="The name it gives itself in its events.")
    time_zone: str | None = strawberry.field(
        default=None, description="IANA zone of stamps that name none; null: refuse such stamps."
    )
    lease_seconds: base.Long = strawberry.field(
        default=14_400, description="60 to 604,800 seconds: how long a call is believed unheard."
    )


ConfigureSwitchResult: TypeAlias = Annotated[
    Switch | base.Refused,
    strawberry.union("ConfigureSwitchResult", description="The switch, or why it is as before."),
]


@strawberry.type
class SwitchQuery:
    @strawberry.field(description="The account's switches by name. Owner and support.")
    async def switches(self, info: base.Info) -> list[Switch]:
        return [Switch.of(one) for one in await switches.listed(info.context.signed_in())]


@strawberry.type
class SwitchMutation:
    @strawberry.mutation(description="Sets a switch's time zone and lease. Owner and support.")
    async def configure_switch(
        self,
        info: base.Info,
        input: Annotated[ConfigureSwitchInput, strawberry.argument(description="The settings.")],
    ) -> ConfigureSwitchResult:
        found = await switches.configure(
            info.context.signed_in(),
            input.reference,
            time_zone=input.time_zone,
            lease_seconds=input.lease_seconds,
            now=info.context.now,
        )
        return Switch.of(found)
