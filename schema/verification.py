"""Proving that an e-mail address and a mobile number are one's own."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from resolvers import verification as resolve
from schema import base


@strawberry.type(description="A message is on its way.")
class VerificationRequested:
    sent_to: str = strawberry.field(description="The e-mail address or E.164 number it goes to.")
    expires_at: datetime = strawberry.field(
        description="Until when its link or code is good. One sent earlier is good no more."
    )
    again_at: datetime = strawberry.field(description="From when another may be requested.")

    @classmethod
    def of(cls, requested: resolve.Requested) -> "VerificationRequested":
        return cls(
            sent_to=requested.address,
            expires_at=requested.expires_at,
            again_at=requested.again_at,
        )


@strawberry.type(description="An address is proven.")
class Verified:
    address: str = strawberry.field(description="The e-mail address or E.164 number.")
    at: datetime = strawberry.field(description="When it was proven.")

    @classmethod
    def of(cls, verified: resolve.Verified) -> "Verified":
        return cls(address=verified.address, at=verified.at)


@strawberry.input(description="What a link holds.")
class VerifyEmailInput:
    token: str = strawberry.field(description="The link's parameter `token`.")


@strawberry.input(description="What a text message says.")
class VerifyMobileInput:
    code: str = strawberry.field(description="Its six digits.")


RequestEmailVerificationResult: TypeAlias = Annotated[
    VerificationRequested | base.Refused,
    strawberry.union("RequestEmailVerificationResult", description="Whether a mail is sent."),
]
VerifyEmailResult: TypeAlias = Annotated[
    Verified | base.Refused,
    strawberry.union("VerifyEmailResult", description="Whether the address is proven."),
]
RequestMobileVerificationResult: TypeAlias = Annotated[
    VerificationRequested | base.Refused,
    strawberry.union("RequestMobileVerificationResult", description="Whether a text is sent."),
]
VerifyMobileResult: TypeAlias = Annotated[
    Verified | base.Refused,
    strawberry.union("VerifyMobileResult", description="Whether the number is proven."),
]


@strawberry.type
class VerificationMutation:
    @strawberry.mutation(
        description="Mails who asks (a contact, staff) a link to its address, good for 2 days. One"
        " a minute, 5 an hour, 10 a day, else TOO_SOON; ALREADY_VERIFIED."
    )
    async def request_email_verification(self, info: base.Info) -> RequestEmailVerificationResult:
        context = info.context
        requested = await resolve.request_email(context.signed_in(), context.redis, context.now)
        return VerificationRequested.of(requested)

    @strawberry.mutation(
        description="Proves an e-mail address by the link that was mailed to it. Needs no sign-in,"
        " works once. BAD_LINK where it is good no more; ALREADY_VERIFIED where it was used."
    )
    async def verify_email(
        self,
        info: base.Info,
        input: Annotated[VerifyEmailInput, strawberry.argument(description="The link.")],
    ) -> VerifyEmailResult:
        context = info.context
        return Verified.of(
            await resolve.verify_email(context.secret_key, input.token, context.redis, context.now)
        )

    @strawberry.mutation(
        description="Texts who asks (a contact, staff) a code to its mobile number, good for 10"
        " minutes. One a minute, 5 an hour, 10 a day, else TOO_SOON; NO_MOBILE, ALREADY_VERIFIED."
    )
    async def request_mobile_verification(self, info: base.Info) -> RequestMobileVerificationResult:
        context = info.context
        requested = await resolve.request_mobile(context.signed_in(), context.redis, context.now)
        return VerificationRequested.of(requested)

    @strawberry.mutation(
        description="Proves the mobile number of who asks by the code sent to it last."
        " WRONG_CODE; TOO_MANY_TRIES after 5 tries of a code; NO_CODE where there is none in force."
    )
    async def verify_mobile(
        self,
        info: base.Info,
        input: Annotated[VerifyMobileInput, strawberry.argument(description="The code.")],
    ) -> VerifyMobileResult:
        context = info.context
        return Verified.of(
            await resolve.verify_mobile(
                context.signed_in(),
                context.secret_key,
                input.code,
                context.redis,
                context.now,
            )
        )
