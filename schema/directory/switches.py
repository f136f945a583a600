"""Switches and their configuration."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain.directory import channel_variables
from domain.records import destinations
from resolvers.access import Capability
from resolvers.directory import switches
from schema.engine import base, permissions


@permissions.open_type
@strawberry.type(
    description="A machine that reports calls. Created by its first event or its configuration."
)
class Switch:
    reference: str = strawberry.field(description="The name of the switch in its events.")
    time_zone: str | None = strawberry.field(
        description=(
            "IANA zone of its timestamps without a zone. Null: such timestamps are refused."
        )
    )
    lease_seconds: base.Long = strawberry.field(
        description="Seconds for which its calls count as active without being reported."
    )
    first_seen_at: datetime = strawberry.field(
        description="When it sent its first event or was configured."
    )
    snapshot_wanted_since: datetime | None = strawberry.field(
        description=(
            "Since when it has to send a snapshot; if REDIS_AWAY, when its last event did not"
            " reach Redis. Null while its count is reliable."
        )
    )
    snapshot_reason: str | None = strawberry.field(
        description=(
            "Why it has to send a snapshot: UNKNOWN, RESTARTED, HOLE (an event number is"
            " missing), DIFFERS (its count differs), REDIS_AWAY or REDIS_LOST. Live state is"
            " incomplete until it reports. Null while no snapshot is required."
        )
    )
    last_active_at: datetime | None = strawberry.field(
        description=(
            "When it last sent an event of an active call, a heartbeat or a snapshot, to within"
            " 30 seconds. Null if it never has."
        )
    )

    country_code: str | None = strawberry.field(
        description="Country code of its national numbers, without a plus sign. Null: it writes"
        " every number with its country code."
    )
    national_prefix: str = strawberry.field(
        description="The start of its national numbers, which is removed."
    )
    international_prefix: str = strawberry.field(
        description="The start of its international numbers, which is removed."
    )

    customer_variable: str = strawberry.field(
        description="The channel variable that names the customer, on the first leg of a call."
        " Only for switches that report channels, such as FreeSWITCH."
    )
    carrier_variable: str = strawberry.field(
        description="The channel variable that names the carrier, or the carriers of all offers."
    )
    offers_variable: str = strawberry.field(
        description="The channel variable that lists the offers of a call in order."
    )

    @classmethod
    def of(cls, value: switches.Switch) -> "Switch":
        return cls(
            reference=value.reference,
            time_zone=value.time_zone,
            lease_seconds=base.Long(value.lease_seconds),
            first_seen_at=value.first_seen_at,
            snapshot_wanted_since=value.snapshot_wanted_since,
            snapshot_reason=value.snapshot_reason,
            country_code=value.numbering.country_code,
            national_prefix=value.numbering.national_prefix,
            international_prefix=value.numbering.international_prefix,
            last_active_at=value.last_active_at,
            customer_variable=value.variables.customer,
            carrier_variable=value.variables.carrier,
            offers_variable=value.variables.offers,
        )


@strawberry.input(
    description="Settings of a switch, which does not have to have reported anything yet."
)
class ConfigureSwitchInput:
    reference: str = strawberry.field(description="The name of the switch in its events.")
    time_zone: str | None = strawberry.field(
        default=None,
        description="IANA zone of timestamps without a zone. Null: such timestamps are refused.",
    )
    lease_seconds: base.Long = strawberry.field(
        default=14_400,
        description=(
            "Seconds for which a call counts as active without being reported, 60 to 604,800."
        ),
    )
    country_code: str | None = strawberry.field(
        default=None,
        description=(
            "Country code of national numbers, such as 44. Null: every number includes its"
            " country code, and numbers that start with 0 are not rated."
        ),
    )
    national_prefix: str = strawberry.field(
        default="0",
        description='Start of national numbers, up to 6 digits. "": every number without a plus'
        " sign and without `internationalPrefix` is national. Needs `countryCode`.",
    )
    international_prefix: str = strawberry.field(
        default="00", description="Start of international numbers, 1 to 6 digits."
    )
    customer_variable: str = strawberry.field(
        default=channel_variables.DEFAULT.customer,
        description="The channel variable that names the customer, on the first leg of a call."
        " Only for switches that report channels, such as FreeSWITCH.",
    )
    carrier_variable: str = strawberry.field(
        default=channel_variables.DEFAULT.carrier,
        description="The channel variable that names the carrier: on the leg of an offer, or on the"
        " first leg, where it may list the carriers of all offers in order, such as `a|b`.",
    )
    offers_variable: str = strawberry.field(
        default=channel_variables.DEFAULT.offers,
        description="The channel variable that lists the offers of a call in order, on the first"
        " leg, in the format of FreeSWITCH's `originated_legs`.",
    )


ConfigureSwitchResult: TypeAlias = Annotated[
    Switch | base.Refused,
    strawberry.union("ConfigureSwitchResult", description="The updated switch, or a refusal."),
]


@strawberry.type
class SwitchQuery:
    @permissions.field(
        requires=Capability.MANAGE_CARRIERS,
        whole_account=True,
        description="The account's switches in order of their names.",
    )
    async def switches(self, info: base.Info) -> list[Switch] | None:
        return [Switch.of(row) for row in await switches.list_all(info.context.signed_in())]


@strawberry.type
class SwitchMutation:
    @permissions.mutation(
        requires=Capability.MANAGE_CARRIERS,
        description=(
            "Sets the time zone, lease, numbering and channel variables of a switch. Refused:"
            " BAD_TIME_ZONE, BAD_LEASE, BAD_NUMBERING, BAD_VARIABLE."
        ),
    )
    async def configure_switch(
        self,
        info: base.Info,
        input: Annotated[ConfigureSwitchInput, strawberry.argument(description="The settings.")],
    ) -> ConfigureSwitchResult:
        row = await switches.configure(
            info.context.signed_in(),
            input.reference,
            time_zone=input.time_zone,
            lease_seconds=input.lease_seconds,
            numbering=destinations.Numbering(
                input.country_code, input.national_prefix, input.international_prefix
            ),
            variables=channel_variables.ChannelVariables(
                input.customer_variable, input.carrier_variable, input.offers_variable
            ),
            now=info.context.now,
        )
        return Switch.of(row)
