"""Signing in and out, and the viewer."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from domain.identity import callers
from models import tables
from resolvers.access import Capability, Identity
from resolvers.identity import own_profile, sign_in
from schema.engine import base, permissions, target_ids
from schema.engine.documents import prices
from schema.identity import api_keys
from schema.identity import contacts as schema_contacts
from schema.identity import staff as schema_staff

Viewer: TypeAlias = Annotated[
    schema_staff.Staff | schema_contacts.Contact | api_keys.ApiKey,
    strawberry.union("Viewer", description="The caller."),
]


@permissions.open_type
@strawberry.type(
    description=(
        "A new session. If the request has the header X-Callboard-CSRF, `login` also sets it as"
        " a cookie."
    )
)
class Session:
    token: str = strawberry.field(
        description="Bearer token: send it as `Authorization: Bearer <token>`. Shown only once."
    )
    expires_at: datetime = strawberry.field(
        description="When it expires unless it is used. Each use extends it, up to `endsAt`."
    )
    ends_at: datetime = strawberry.field(description="When it ends at the latest.")

    @classmethod
    def of(cls, signed_in: sign_in.SignedIn) -> "Session":
        span = signed_in.span
        return cls(token=signed_in.token, expires_at=span.expires_at, ends_at=span.ends_at)


@strawberry.input(description="Credentials of a person.")
class LoginInput:
    email: str = strawberry.field(description="The login's e-mail address.")
    password: str = strawberry.field(description="The password.")
    otp: str | None = strawberry.field(
        default=None,
        description=(
            "The code of the authenticator app or a recovery code, each valid once. Ignored if"
            " the login has no second factor."
        ),
    )


@strawberry.input(description="The contact as whom staff sign in.")
class SignInAsInput:
    id: strawberry.ID | None = target_ids.id_field("The contact.")
    contact_id: strawberry.ID | None = target_ids.deprecated_id("The contact.")


LoginResult: TypeAlias = Annotated[
    Session | base.Refused,
    strawberry.union("LoginResult", description="A session, or a refusal."),
]
SignInAsResult: TypeAlias = Annotated[
    Session | base.Refused,
    strawberry.union("SignInAsResult", description="A session, or a refusal."),
]


async def of(
    caller: callers.Caller,
) -> schema_staff.Staff | schema_contacts.Contact | api_keys.ApiKey:
    row = await own_profile.of(caller)
    if isinstance(row, tables.Staff):
        return schema_staff.Staff.of(row)
    if isinstance(row, tables.Contact):
        return schema_contacts.Contact.of(row)
    return api_keys.ApiKey.of(row)


@strawberry.type
class ViewerQuery:
    @permissions.field(requires=Identity.SIGNED_IN, description="The caller.")
    async def viewer(self, info: base.Info) -> Viewer:
        return await of(info.context.signed_in())


@strawberry.type
class ViewerMutation:
    @permissions.mutation(
        requires=Identity.NONE,
        description=(
            "Signs a person in. Refused: WRONG_CREDENTIALS, whether the e-mail address exists or"
            " not; after the correct password OTP_REQUIRED, WRONG_OTP or ADDRESS_NOT_ALLOWED;"
            " TOO_MANY_TRIES and BUSY with the seconds to wait."
        ),
        metadata=prices.password_price(signed_in=False),
    )
    async def login(
        self,
        info: base.Info,
        input: Annotated[LoginInput, strawberry.argument(description="The credentials.")],
    ) -> LoginResult:
        context, client = info.context, info.context.exchange.client
        signed_in = await sign_in.login(
            context.services.sign_in, input.email, input.password, input.otp, client, context.now
        )
        context.exchange.keep(signed_in.token, signed_in.span.ends_at)
        return Session.of(signed_in)

    @permissions.mutation(
        requires=Capability.SIGN_IN_AS,
        description=(
            "Signs staff in as a contact for an hour, with all rights of the contact except"
            " those to its password, second factor, networks and sessions. The contact sees the"
            " session in its `sessions`, and the audit log names the staff. Never sets a cookie."
        ),
    )
    async def sign_in_as(
        self,
        info: base.Info,
        input: Annotated[SignInAsInput, strawberry.argument(description="The contact.")],
    ) -> SignInAsResult:
        context, caller = info.context, info.context.signed_in()
        contact = target_ids.number(input.id, input.contact_id, "Contact", caller.account_id)
        client = context.exchange.client
        return Session.of(
            await sign_in.as_contact(context.services.sign_in, caller, contact, client, context.now)
        )
