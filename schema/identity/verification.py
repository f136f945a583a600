"""Verification of the caller's e-mail address and mobile number."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from resolvers.access import Identity
from resolvers.identity import verification
from schema.engine import base, permissions


@permissions.open_type
@strawberry.type(description="A message is being sent.")
class VerificationRequested:
    sent_to: str = strawberry.field(
        description="The e-mail address or E.164 number to which it is sent."
    )
    expires_at: datetime = strawberry.field(
        description="When its link or code expires. Earlier links and codes are no longer valid."
    )
    again_at: datetime = strawberry.field(description="When another one can be requested.")

    @classmethod
    def of(cls, requested: verification.Requested) -> "VerificationRequested":
        return cls(
            sent_to=requested.address,
            expires_at=requested.expires_at,
            again_at=requested.again_at,
        )


@permissions.open_type
@strawberry.type(description="An address was verified.")
class Verified:
    address: str = strawberry.field(description="The e-mail address or E.164 number.")
    at: datetime = strawberry.field(description="When it was verified.")

    @classmethod
    def of(cls, verified: verification.Verified) -> "Verified":
        return cls(address=verified.address, at=verified.at)


@strawberry.input(description="The token of a link.")
class VerifyEmailInput:
    token: str = strawberry.field(description="The `token` parameter of the link.")


@strawberry.input(description="The code of a text message.")
class VerifyMobileInput:
    code: str = strawberry.field(description="The six digits.")


RequestEmailVerificationResult: TypeAlias = Annotated[
    VerificationRequested | base.Refused,
    strawberry.union("RequestEmailVerificationResult", description="A confirmation, or a refusal."),
]
VerifyEmailResult: TypeAlias = Annotated[
    Verified | base.Refused,
    strawberry.union("VerifyEmailResult", description="A confirmation, or a refusal."),
]
RequestMobileVerificationResult: TypeAlias = Annotated[
    VerificationRequested | base.Refused,
    strawberry.union(
        "RequestMobileVerificationResult", description="A confirmation, or a refusal."
    ),
]
VerifyMobileResult: TypeAlias = Annotated[
    Verified | base.Refused,
    strawberry.union("VerifyMobileResult", description="A confirmation, or a refusal."),
]


@strawberry.type
class VerificationMutation:
    @permissions.mutation(
        requires=Identity.PERSON_ITSELF,
        description=(
            "Sends a link to the caller's e-mail address, valid for 2 days. At most one a"
            " minute, 5 an hour and 10 a day. Refused: TOO_SOON, ALREADY_VERIFIED."
        ),
    )
    async def request_email_verification(self, info: base.Info) -> RequestEmailVerificationResult:
        context = info.context
        requested = await verification.request_email(context.signed_in(), context.now)
        return VerificationRequested.of(requested)

    @permissions.mutation(
        requires=Identity.NONE,
        description=(
            "Verifies an e-mail address with the link that was sent to it. Refused: BAD_LINK if"
            " the link is no longer valid, ALREADY_VERIFIED if it was used."
        ),
    )
    async def verify_email(
        self,
        info: base.Info,
        input: Annotated[VerifyEmailInput, strawberry.argument(description="The link.")],
    ) -> VerifyEmailResult:
        context = info.context
        return Verified.of(
            await verification.verify_email(
                context.services.sign_in.secret_key, input.token, context.now
            )
        )

    @permissions.mutation(
        requires=Identity.PERSON_ITSELF,
        description=(
            "Sends a code to the caller's mobile number by text message, valid for 10 minutes."
            " At most one a minute, 5 an hour and 10 a day. Refused: TOO_SOON, NO_MOBILE,"
            " ALREADY_VERIFIED."
        ),
    )
    async def request_mobile_verification(self, info: base.Info) -> RequestMobileVerificationResult:
        context = info.context
        requested = await verification.request_mobile(context.signed_in(), context.now)
        return VerificationRequested.of(requested)

    @permissions.mutation(
        requires=Identity.PERSON_ITSELF,
        description=(
            "Verifies the caller's mobile number with the most recent code sent to it. Refused:"
            " WRONG_CODE; TOO_MANY_TRIES after 5 tries of a code; NO_CODE if there is no valid"
            " code."
        ),
    )
    async def verify_mobile(
        self,
        info: base.Info,
        input: Annotated[VerifyMobileInput, strawberry.argument(description="The code.")],
    ) -> VerifyMobileResult:
        context = info.context
        return Verified.of(
            await verification.verify_mobile(
                context.signed_in(),
                context.services.sign_in.secret_key,
                input.code,
                context.now,
            )
        )
