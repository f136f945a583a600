"""Signing in and out, and who one is."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain import callers
from models import contacts as stored_contacts
from models import credentials
from models import staff as stored_staff
from resolvers import sign_in
from schema import base, keys
from schema import contacts as schema_contacts
from schema import staff as schema_staff

Viewer: TypeAlias = Annotated[
    schema_staff.Staff | schema_contacts.Contact | keys.ApiKey,
    strawberry.union("Viewer", description="Who is asking."),
]


@strawberry.type(description="A login that holds for 30 days, however often it is used.")
class Session:
    token: str = strawberry.field(
        description="Send it as `Authorization: Bearer <token>`. Shown once."
    )
    expires_at: datetime = strawberry.field(description="When it ends by itself.")


@strawberry.type(description="The session has ended.")
class LoggedOut:
    at: datetime = strawberry.field(description="When it ended.")


@strawberry.input(description="E-mail and password of a person.")
class LoginInput:
    email: str = strawberry.field(description="The login's e-mail address.")
    password: str = strawberry.field(description="Its password.")
    otp: str | None = strawberry.field(
        default=None, description="The second factor's code; not looked at while it has none."
    )


LoginResult: TypeAlias = Annotated[
    Session | base.Refused,
    strawberry.union("LoginResult", description="A session, or why there is none."),
]
LogoutResult: TypeAlias = Annotated[
    LoggedOut | base.Refused,
    strawberry.union("LogoutResult", description="Whether the session has ended."),
]


async def of(caller: callers.Caller) -> schema_staff.Staff | schema_contacts.Contact | keys.ApiKey:
    if caller.kind is callers.Kind.STAFF:
        staff = await stored_staff.get(caller.account_id, caller.person)
        assert staff is not None
        return schema_staff.Staff.of(staff)
    if caller.kind is callers.Kind.CONTACT:
        contact = await stored_contacts.get(caller.account_id, caller.person)
        assert contact is not None
        return schema_contacts.Contact.of(contact)
    key = await credentials.key(caller.account_id, caller.person)
    assert key is not None
    return keys.ApiKey.of(key)


@strawberry.type
class ViewerQuery:
    @strawberry.field(description="Who is asking.")
    async def viewer(self, info: base.Info) -> Viewer:
        return await of(info.context.signed_in())


@strawberry.type
class ViewerMutation:
    @strawberry.mutation(
        description="Signs a person in. Refused as WRONG_CREDENTIALS, known e-mail or not."
    )
    async def login(
        self,
        info: base.Info,
        input: Annotated[LoginInput, strawberry.argument(description="Who signs in.")],
    ) -> LoginResult:
        signed_in = await sign_in.login(input.email, input.password, info.context.now)
        return Session(token=signed_in.token, expires_at=signed_in.expires_at)

    @strawberry.mutation(description="Ends the session that asks; within a second everywhere.")
    async def logout(self, info: base.Info) -> LogoutResult:
        await sign_in.logout(info.context.signed_in(), info.context.now)
        return LoggedOut(at=info.context.now)
