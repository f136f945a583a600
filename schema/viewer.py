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


@strawberry.type(
    description="A new sign-in. To a page that sends X-Callboard-CSRF, `login` also gives it as a"
    " cookie."
)
class Session:
    token: str = strawberry.field(
        description="Send it as `Authorization: Bearer <token>`. Shown once."
    )
    expires_at: datetime = strawberry.field(
        description="When it ends unless it is used before; use moves this on, up to `endsAt`."
    )
    ends_at: datetime = strawberry.field(description="When it ends, however often it is used.")

    @classmethod
    def of(cls, signed_in: sign_in.SignedIn) -> "Session":
        span = signed_in.span
        return cls(token=signed_in.token, expires_at=span.expires_at, ends_at=span.ends_at)


@strawberry.input(description="E-mail and password of a person.")
class LoginInput:
    email: str = strawberry.field(description="The login's e-mail address.")
    password: str = strawberry.field(description="Its password.")
    otp: str | None = strawberry.field(
        default=None,
        description="The code of its authenticator app, or a recovery code, each good once; not"
        " looked at where it has no second factor.",
    )


@strawberry.input(description="Whom staff sign in as.")
class SignInAsInput:
    contact_id: strawberry.ID = strawberry.field(description="The contact.")


LoginResult: TypeAlias = Annotated[
    Session | base.Refused,
    strawberry.union("LoginResult", description="A session, or why there is none."),
]
SignInAsResult: TypeAlias = Annotated[
    Session | base.Refused,
    strawberry.union("SignInAsResult", description="A session, or why there is none."),
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
        description="Signs a person in. Refused as WRONG_CREDENTIALS, known e-mail or not; after"
        " the right password as OTP_REQUIRED, WRONG_OTP or ADDRESS_NOT_ALLOWED. TOO_MANY_TRIES and"
        " BUSY say how many seconds to wait."
    )
    async def login(
        self,
        info: base.Info,
        input: Annotated[LoginInput, strawberry.argument(description="Who signs in.")],
    ) -> LoginResult:
        context, client = info.context, info.context.exchange.client
        signed_in = await sign_in.login(
            context.desk, input.email, input.password, input.otp, client, context.now
        )
        context.exchange.keep(signed_in.token, signed_in.span.ends_at)
        return Session.of(signed_in)

    @strawberry.mutation(
        description="Signs staff in as a contact, for an hour: to see and do what it can, except"
        " for its password, second factor, networks and sessions. The contact sees it in its"
        " `sessions`, and the audit log names the staff. Never set as a cookie. Owner and support."
    )
    async def sign_in_as(
        self,
        info: base.Info,
        input: Annotated[SignInAsInput, strawberry.argument(description="As whom.")],
    ) -> SignInAsResult:
        context, caller = info.context, info.context.signed_in()
        contact = base.decode_id(input.contact_id, "Contact", caller.account_id)
        client = context.exchange.client
        return Session.of(
            await sign_in.as_contact(context.desk, caller, contact, client, context.now)
        )
