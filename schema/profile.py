"""What people change of themselves."""

from typing import Annotated, TypeAlias

import strawberry

from resolvers import profiles as resolve
from schema import base, checklist, given
from schema import viewer as schema_viewer


@strawberry.input(description="Changes of one's own profile. " + given.KEEPS)
class UpdateProfileInput:
    name: str | None = given.optional("The person's name.")
    email: str | None = given.optional(
        "The login too; it has to be verified again. Needs `currentPassword`."
    )
    mobile: str | None = given.optional("E.164 number; has to be verified again.")
    department: str | None = given.optional("Where in the company one works. Contacts.")
    phone: str | None = given.optional("E.164 number that nothing is sent to. Contacts.")
    current_password: str | None = strawberry.field(
        default=None, description="Asked for where the e-mail address changes."
    )


@strawberry.input(description="The time zone of one's graphs and lists.")
class SetTimeZoneInput:
    time_zone: str = strawberry.field(description="Any IANA zone, such as Europe/Berlin.")


@strawberry.input(description="The language one is written to.")
class SetLanguageInput:
    language: str = strawberry.field(description="BCP 47 tag, such as de.")


@strawberry.type(description="One's profile, as it is now.")
class Profile:
    viewer: schema_viewer.Viewer = strawberry.field(description="Who is asking.")


UpdateProfileResult: TypeAlias = Annotated[
    Profile | base.Refused,
    strawberry.union("UpdateProfileResult", description="The profile, or why it is as before."),
]
SetTimeZoneResult: TypeAlias = Annotated[
    Profile | base.Refused,
    strawberry.union("SetTimeZoneResult", description="The profile, or why it is as before."),
]
SetLanguageResult: TypeAlias = Annotated[
    Profile | base.Refused,
    strawberry.union("SetLanguageResult", description="The profile, or why it is as before."),
]


@strawberry.type
class ProfileMutation:
    @strawberry.mutation(description="Changes one's own profile. Contacts and staff.")
    async def update_profile(
        self,
        info: base.Info,
        input: Annotated[UpdateProfileInput, strawberry.argument(description="What to change.")],
    ) -> UpdateProfileResult:
        changes = given.values(input, {"current_password"})
        return await _changed(info, changes, input.current_password)

    @strawberry.mutation(
        description="Sets the zone that one's graphs and lists are shown in; it changes nothing"
        " that is billed. Contacts and staff."
    )
    async def set_time_zone(
        self,
        info: base.Info,
        input: Annotated[SetTimeZoneInput, strawberry.argument(description="Which zone.")],
    ) -> SetTimeZoneResult:
        return await _changed(info, {"time_zone": input.time_zone})

    @strawberry.mutation(description="Sets the language one is written to. Contacts and staff.")
    async def set_language(
        self,
        info: base.Info,
        input: Annotated[SetLanguageInput, strawberry.argument(description="Which language.")],
    ) -> SetLanguageResult:
        return await _changed(info, {"language": input.language})


async def _changed(
    info: base.Info, changes: dict[str, object], current_password: str | None = None
) -> Profile:
    caller = info.context.signed_in()
    await resolve.update(info.context.desk, caller, changes, current_password, info.context.now)
    await checklist.settle(info, caller.customer_id)
    return Profile(viewer=await schema_viewer.of(caller))
