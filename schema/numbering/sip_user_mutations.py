"""Mutations of SIP users."""

from typing import Annotated, TypeAlias

import strawberry

from domain.numbering import number_ranges
from resolvers.access import Capability
from resolvers.numbering import sip_users
from schema.engine import base, customer_ids, permissions
from schema.numbering.sip_users import SipUser

_PASSWORD = (
    "The secret: 12 to 64 printable ASCII characters without space, quote, backslash and colon."
    " Null: a random one is generated."
)


@strawberry.input(description="A new SIP user.")
class CreateSipUserInput:
    username: str = strawberry.field(
        description="A free number, such as one of the customer's availableUsernames."
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description=f"The customer. {customer_ids.LEFT_OUT}"
    )
    display_name: str | None = strawberry.field(
        default=None, description="Name shown to people. Null: none."
    )
    password: str | None = strawberry.field(default=None, description=_PASSWORD)


@strawberry.input(description="Changes of a SIP user.")
class UpdateSipUserInput:
    id: strawberry.ID = strawberry.field(description="The SIP user's id.")
    display_name: str | None = strawberry.field(
        default=None, description='Name shown to people. Null: unchanged; "": none.'
    )
    status: number_ranges.Status | None = strawberry.field(
        default=None, description="Whether it may register at the switch. Null: unchanged."
    )


@strawberry.input(description="The SIP user whose secret to replace.")
class ResetSipUserSecretInput:
    id: strawberry.ID = strawberry.field(description="The SIP user's id.")
    password: str | None = strawberry.field(default=None, description=_PASSWORD)


@strawberry.input(description="The SIP user to remove.")
class RemoveSipUserInput:
    id: strawberry.ID = strawberry.field(description="The SIP user's id.")


CreateSipUserResult: TypeAlias = Annotated[
    SipUser | base.Refused,
    strawberry.union(
        "CreateSipUserResult", description="The created SIP user with its secret, or a refusal."
    ),
]
UpdateSipUserResult: TypeAlias = Annotated[
    SipUser | base.Refused,
    strawberry.union("UpdateSipUserResult", description="The updated SIP user, or a refusal."),
]
ResetSipUserSecretResult: TypeAlias = Annotated[
    SipUser | base.Refused,
    strawberry.union(
        "ResetSipUserSecretResult", description="The SIP user with its new secret, or a refusal."
    ),
]
RemoveSipUserResult: TypeAlias = Annotated[
    SipUser | base.Refused,
    strawberry.union("RemoveSipUserResult", description="The removed SIP user, or a refusal."),
]


@strawberry.type
class SipUserMutation:
    @permissions.mutation(
        requires=Capability.USE_NUMBERS,
        description=(
            "Creates a SIP user and returns its secret, which is shown only once. Refused:"
            " NUMBER_NOT_YOURS, USERNAME_TAKEN, NO_NUMBER_RANGE."
        ),
    )
    async def create_sip_user(
        self,
        info: base.Info,
        input: Annotated[CreateSipUserInput, strawberry.argument(description="The SIP user.")],
    ) -> CreateSipUserResult:
        caller = info.context.signed_in()
        created = await sip_users.create(
            caller,
            customer_ids.required(caller, input.customer_id),
            input.username,
            realm=info.context.services.sip_realm,
            display_name=input.display_name,
            secret=input.password,
            now=info.context.now,
        )
        return SipUser.of(created.user, created.secret)

    @permissions.mutation(
        requires=Capability.USE_NUMBERS,
        description="Renames, disables or enables a SIP user.",
    )
    async def update_sip_user(
        self,
        info: base.Info,
        input: Annotated[UpdateSipUserInput, strawberry.argument(description="The changes.")],
    ) -> UpdateSipUserResult:
        caller = info.context.signed_in()
        id = base.decode_id(input.id, "SipUser", caller.account_id)
        return SipUser.of(
            await sip_users.update(caller, id, input.display_name, input.status, info.context.now)
        )

    @permissions.mutation(
        requires=Capability.USE_NUMBERS,
        description=(
            "Replaces the secret of a SIP user and returns the new one, which is shown only once."
        ),
    )
    async def reset_sip_user_secret(
        self,
        info: base.Info,
        input: Annotated[ResetSipUserSecretInput, strawberry.argument(description="The SIP user.")],
    ) -> ResetSipUserSecretResult:
        caller, context = info.context.signed_in(), info.context
        id = base.decode_id(input.id, "SipUser", caller.account_id)
        created = await sip_users.reset_secret(
            caller, id, context.services.sip_realm, input.password, context.now
        )
        return SipUser.of(created.user, created.secret)

    @permissions.mutation(
        requires=Capability.USE_NUMBERS,
        description="Removes a SIP user. Its number is free at once.",
    )
    async def remove_sip_user(
        self,
        info: base.Info,
        input: Annotated[RemoveSipUserInput, strawberry.argument(description="The SIP user.")],
    ) -> RemoveSipUserResult:
        caller = info.context.signed_in()
        id = base.decode_id(input.id, "SipUser", caller.account_id)
        return SipUser.of(await sip_users.remove(caller, id, info.context.now))
