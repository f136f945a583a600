"""Passwords: changed, forgotten, set for the first time."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from live import wake
from models import logins
from resolvers import checklists
from resolvers import passwords as resolve
from schema import base

_RULE = "At least 10 characters, at most 1024 bytes of UTF-8, and not the e-mail address."


@strawberry.type(description="The password is another one now.")
class PasswordChanged:
    at: datetime = strawberry.field(description="When.")


@strawberry.type(description="If there is such a login, a link is on its way to it.")
class ResetRequested:
    at: datetime = strawberry.field(description="When it was asked for.")


@strawberry.input(description="Another password for the viewer.")
class ChangePasswordInput:
    current: str = strawberry.field(description="The present one.")
    new: str = strawberry.field(description=_RULE)


@strawberry.input(description="Whose password is forgotten.")
class RequestPasswordResetInput:
    email: str = strawberry.field(description="The login's e-mail address.")


@strawberry.input(description="Another password, by the link of a mail.")
class ResetPasswordInput:
    token: str = strawberry.field(description="The `token` of the link; good once, for an hour.")
    password: str = strawberry.field(description=_RULE)


@strawberry.input(description="A first password, by the link of an invitation.")
class AcceptInvitationInput:
    token: str = strawberry.field(description="The `token` of the link; good once, for 7 days.")
    password: str = strawberry.field(description=_RULE)


ChangePasswordResult: TypeAlias = Annotated[
    PasswordChanged | base.Refused,
    strawberry.union("ChangePasswordResult", description="Whether it was changed."),
]
RequestPasswordResetResult: TypeAlias = Annotated[
    ResetRequested | base.Refused,
    strawberry.union("RequestPasswordResetResult", description="The same, known e-mail or not."),
]
ResetPasswordResult: TypeAlias = Annotated[
    PasswordChanged | base.Refused,
    strawberry.union("ResetPasswordResult", description="Whether it was set."),
]
AcceptInvitationResult: TypeAlias = Annotated[
    PasswordChanged | base.Refused,
    strawberry.union("AcceptInvitationResult", description="Whether it was set."),
]


@strawberry.type
class PasswordMutation:
    @strawberry.mutation(
        description="Changes the viewer's password and ends its other sessions. WRONG_PASSWORD."
    )
    async def change_password(
        self,
        info: base.Info,
        input: Annotated[ChangePasswordInput, strawberry.argument(description="Both passwords.")],
    ) -> ChangePasswordResult:
        context = info.context
        caller = context.signed_in()
        await resolve.change(context.desk, caller, input.current, input.new, context.now)
        return PasswordChanged(at=context.now)

    @strawberry.mutation(
        description="Sends a link to set another password, if there is such a login. The answer"
        " and its time are the same if there is none."
    )
    async def request_password_reset(
        self,
        info: base.Info,
        input: Annotated[RequestPasswordResetInput, strawberry.argument(description="Whose.")],
    ) -> RequestPasswordResetResult:
        context = info.context
        client = context.exchange.client
        await resolve.request_reset(context.desk, input.email, client, context.now)
        await wake.hint(context.redis, wake.For.MESSAGES)
        return ResetRequested(at=context.now)

    @strawberry.mutation(
        description="Sets another password and ends all sessions; a second factor stays."
        " LINK_NOT_GOOD."
    )
    async def reset_password(
        self,
        info: base.Info,
        input: Annotated[ResetPasswordInput, strawberry.argument(description="The password.")],
    ) -> ResetPasswordResult:
        context = info.context
        client = context.exchange.client
        person = await resolve.reset(context.desk, input.token, input.password, client, context.now)
        await _settled(context, person)
        context.exchange.forget()
        return PasswordChanged(at=context.now)

    @strawberry.mutation(
        description="Sets the first password of a login; its e-mail address is proven by this."
        " LINK_NOT_GOOD."
    )
    async def accept_invitation(
        self,
        info: base.Info,
        input: Annotated[AcceptInvitationInput, strawberry.argument(description="The password.")],
    ) -> AcceptInvitationResult:
        context = info.context
        client = context.exchange.client
        person = await resolve.accept_invitation(
            context.desk, input.token, input.password, client, context.now
        )
        await _settled(context, person)
        return PasswordChanged(at=context.now)


async def _settled(context: base.Context, person: logins.Person) -> None:
    """A link that was followed has proven the address; whoever did it need not be signed in."""
    ids = [person.customer_id]
    await checklists.settle(person.account_id, ids, context.redis, context.now)
