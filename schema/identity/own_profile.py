"""Mutations of the viewer's own profile."""

from typing import Annotated, TypeAlias

import strawberry

from resolvers.access import Identity
from resolvers.identity import own_profile
from schema.engine import base, partial_inputs, permissions
from schema.engine.documents import prices
from schema.identity import viewer as schema_viewer


@strawberry.input(description="Changes of the viewer's profile. " + partial_inputs.PARTIAL)
class UpdateProfileInput:
    name: str | None = partial_inputs.optional("The person's name.")
    email: str | None = partial_inputs.optional(
        "E-mail address, also the login. A new address has to be verified. Requires"
        " `currentPassword`."
    )
    mobile: str | None = partial_inputs.optional("E.164 number. A new number has to be verified.")
    department: str | None = partial_inputs.optional(
        "Department of the company. Only for contacts."
    )
    phone: str | None = partial_inputs.optional(
        "E.164 number to which no messages are sent. Only for contacts."
    )
    current_password: str | None = strawberry.field(
        default=None, description="The present password. Required if the e-mail address changes."
    )


@strawberry.input(description="The time zone of the viewer's graphs and lists.")
class SetTimeZoneInput:
    time_zone: str = strawberry.field(description="Any IANA zone, such as Europe/Berlin.")


@strawberry.input(description="The language of messages to the viewer.")
class SetLanguageInput:
    language: str = strawberry.field(description="BCP 47 tag, such as de.")


@permissions.open_type
@strawberry.type(description="The updated profile.")
class Profile:
    viewer: schema_viewer.Viewer = strawberry.field(description="The caller.")


UpdateProfileResult: TypeAlias = Annotated[
    Profile | base.Refused,
    strawberry.union("UpdateProfileResult", description="The updated profile, or a refusal."),
]
SetTimeZoneResult: TypeAlias = Annotated[
    Profile | base.Refused,
    strawberry.union("SetTimeZoneResult", description="The updated profile, or a refusal."),
]
SetLanguageResult: TypeAlias = Annotated[
    Profile | base.Refused,
    strawberry.union("SetLanguageResult", description="The updated profile, or a refusal."),
]


@strawberry.type
class ProfileMutation:
    @permissions.mutation(
        requires=Identity.PERSON,
        description="Changes the viewer's profile.",
        metadata=prices.password_price(only_with="currentPassword"),
    )
    async def update_profile(
        self,
        info: base.Info,
        input: Annotated[UpdateProfileInput, strawberry.argument(description="The changes.")],
    ) -> UpdateProfileResult:
        changes = partial_inputs.values(input, {"current_password"})
        return await _changed(info, changes, input.current_password)

    @permissions.mutation(
        requires=Identity.PERSON,
        description=(
            "Sets the time zone of the viewer's graphs and lists. Does not affect billing."
        ),
    )
    async def set_time_zone(
        self,
        info: base.Info,
        input: Annotated[SetTimeZoneInput, strawberry.argument(description="The time zone.")],
    ) -> SetTimeZoneResult:
        return await _changed(info, {"time_zone": input.time_zone})

    @permissions.mutation(
        requires=Identity.PERSON,
        description="Sets the language of messages to the viewer.",
    )
    async def set_language(
        self,
        info: base.Info,
        input: Annotated[SetLanguageInput, strawberry.argument(description="The language.")],
    ) -> SetLanguageResult:
        return await _changed(info, {"language": input.language})


async def _changed(
    info: base.Info, changes: dict[str, object], current_password: str | None = None
) -> Profile:
    caller = info.context.signed_in()
    await own_profile.update(
        info.context.services.sign_in, caller, changes, current_password, info.context.now
    )
    return Profile(viewer=await schema_viewer.of(caller))
