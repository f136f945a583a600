"""Mutations of passwords: change, reset, and accept an invitation."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from resolvers.access import Identity
from resolvers.identity import passwords
from schema.engine import base, permissions
from schema.engine.documents import prices

_RULE = "At least 10 characters, at most 1024 bytes of UTF-8, and not the e-mail address."


@permissions.open_type
@strawberry.type(description="The password was changed.")
class PasswordChanged:
    at: datetime = strawberry.field(description="When it was done.")


@permissions.open_type
@strawberry.type(description="If the login exists, a link is being sent to it.")
class ResetRequested:
    at: datetime = strawberry.field(description="When it was requested.")


@strawberry.input(description="A new password for the viewer.")
class ChangePasswordInput:
    current: str = strawberry.field(description="The present password.")
    new: str = strawberry.field(description=_RULE)


@strawberry.input(description="The login whose password to reset.")
class RequestPasswordResetInput:
    email: str = strawberry.field(description="The login's e-mail address.")


@strawberry.input(description="A new password, with the link from an e-mail.")
class ResetPasswordInput:
    token: str = strawberry.field(
        description="The `token` parameter of the link, which is valid once, for an hour."
    )
    password: str = strawberry.field(description=_RULE)


@strawberry.input(description="The first password of an invited person.")
class AcceptInvitationInput:
    token: str = strawberry.field(
        description="The `token` parameter of the link, which is valid once, for 7 days."
    )
    password: str = strawberry.field(description=_RULE)


ChangePasswordResult: TypeAlias = Annotated[
    PasswordChanged | base.Refused,
    strawberry.union("ChangePasswordResult", description="A confirmation, or a refusal."),
]
RequestPasswordResetResult: TypeAlias = Annotated[
    ResetRequested | base.Refused,
    strawberry.union(
        "RequestPasswordResetResult",
        description="A confirmation, whether the e-mail address exists or not, or a refusal.",
    ),
]
ResetPasswordResult: TypeAlias = Annotated[
    PasswordChanged | base.Refused,
    strawberry.union("ResetPasswordResult", description="A confirmation, or a refusal."),
]
AcceptInvitationResult: TypeAlias = Annotated[
    PasswordChanged | base.Refused,
    strawberry.union("AcceptInvitationResult", description="A confirmation, or a refusal."),
]


@strawberry.type
class PasswordMutation:
    @permissions.mutation(
        requires=Identity.SESSION_ITSELF,
        description=(
            "Changes the viewer's password and ends the viewer's other sessions. Refused:"
            " WRONG_PASSWORD."
        ),
        metadata=prices.password_price(2),
    )
    async def change_password(
        self,
        info: base.Info,
        input: Annotated[
            ChangePasswordInput,
            strawberry.argument(description="The present and the new password."),
        ],
    ) -> ChangePasswordResult:
        context = info.context
        caller = context.signed_in()
        await passwords.change(
            context.services.sign_in, caller, input.current, input.new, context.now
        )
        return PasswordChanged(at=context.now)

    @permissions.mutation(
        requires=Identity.NONE,
        description=(
            "Sends a link to set a new password, if the login exists. The response and its"
            " timing are the same if it does not."
        ),
    )
    async def request_password_reset(
        self,
        info: base.Info,
        input: Annotated[RequestPasswordResetInput, strawberry.argument(description="The login.")],
    ) -> RequestPasswordResetResult:
        context = info.context
        client = context.exchange.client
        await passwords.request_reset(context.services.sign_in, input.email, client, context.now)
        return ResetRequested(at=context.now)

    @permissions.mutation(
        requires=Identity.NONE,
        description=(
            "Sets a new password and ends all sessions. A second factor remains enabled."
            " Refused: LINK_NOT_GOOD."
        ),
        metadata=prices.password_price(signed_in=False),
    )
    async def reset_password(
        self,
        info: base.Info,
        input: Annotated[ResetPasswordInput, strawberry.argument(description="The password.")],
    ) -> ResetPasswordResult:
        context = info.context
        client = context.exchange.client
        await passwords.reset(
            context.services.sign_in, input.token, input.password, client, context.now
        )
        context.exchange.forget()
        return PasswordChanged(at=context.now)

    @permissions.mutation(
        requires=Identity.NONE,
        description=(
            "Sets the first password of a login, which also verifies its e-mail address."
            " Refused: LINK_NOT_GOOD."
        ),
        metadata=prices.password_price(signed_in=False),
    )
    async def accept_invitation(
        self,
        info: base.Info,
        input: Annotated[AcceptInvitationInput, strawberry.argument(description="The password.")],
    ) -> AcceptInvitationResult:
        context = info.context
        client = context.exchange.client
        await passwords.accept_invitation(
            context.services.sign_in, input.token, input.password, client, context.now
        )
        return PasswordChanged(at=context.now)
