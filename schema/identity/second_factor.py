"""The second factor of a person."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from resolvers.access import Capability, Identity
from resolvers.identity import second_factor
from schema.engine import base, permission_sentences, permissions, target_ids
from schema.engine.documents import prices


@permissions.open_type
@strawberry.type(description="The viewer's second factor: an authenticator app, RFC 6238.")
class TwoFactor:
    enabled_at: datetime | None = strawberry.field(
        description="When it was enabled. Null if it is not enabled."
    )
    recovery_codes_left: base.Long = strawberry.field(
        description="Number of unused recovery codes."
    )


@permissions.open_type
@strawberry.type(
    description=(
        "Data for an authenticator app. Shown only once; takes effect with `confirmTwoFactor`."
    )
)
class TwoFactorSetup:
    secret: str = strawberry.field(
        description="Secret to enter in the app: base32, SHA-1, 6 digits, 30 s."
    )
    uri: str = strawberry.field(description="The secret as a URI for the app, `otpauth://…`.")
    qr: str = strawberry.field(description="The URI as a QR code: an SVG element.")


@permissions.open_type
@strawberry.type(
    description=(
        "Codes for signing in without the authenticator app, each valid once. Shown only once."
    )
)
class RecoveryCodes:
    codes: list[str] = strawberry.field(description="Codes such as abcd-efgh-ijkl-mnop.")


@permissions.open_type
@strawberry.type(description="The second factor is disabled.")
class TwoFactorDisabled:
    at: datetime = strawberry.field(description="When it was disabled.")


@strawberry.input(description="The viewer's password, required to enable a second factor.")
class EnableTwoFactorInput:
    password: str = strawberry.field(description="The viewer's password.")


@strawberry.input(description="The code that the authenticator app shows.")
class ConfirmTwoFactorInput:
    code: str = strawberry.field(description="Six digits.")


@strawberry.input(description="The viewer's password, required to disable the second factor.")
class DisableTwoFactorInput:
    password: str = strawberry.field(description="The viewer's password.")


@strawberry.input(description="The viewer's password, required to replace the recovery codes.")
class RegenerateRecoveryCodesInput:
    password: str = strawberry.field(description="The viewer's password.")


@strawberry.input(description="The person whose second factor to remove.")
class RemoveTwoFactorInput:
    id: strawberry.ID | None = target_ids.id_field("Id of a contact or of staff.")
    person_id: strawberry.ID | None = target_ids.deprecated_id("Id of a contact or of staff.")


EnableTwoFactorResult: TypeAlias = Annotated[
    TwoFactorSetup | base.Refused,
    strawberry.union(
        "EnableTwoFactorResult", description="The data for the authenticator app, or a refusal."
    ),
]
ConfirmTwoFactorResult: TypeAlias = Annotated[
    RecoveryCodes | base.Refused,
    strawberry.union("ConfirmTwoFactorResult", description="Recovery codes, or a refusal."),
]
DisableTwoFactorResult: TypeAlias = Annotated[
    TwoFactorDisabled | base.Refused,
    strawberry.union("DisableTwoFactorResult", description="A confirmation, or a refusal."),
]
RegenerateRecoveryCodesResult: TypeAlias = Annotated[
    RecoveryCodes | base.Refused,
    strawberry.union("RegenerateRecoveryCodesResult", description="The new codes, or a refusal."),
]
RemoveTwoFactorResult: TypeAlias = Annotated[
    TwoFactorDisabled | base.Refused,
    strawberry.union("RemoveTwoFactorResult", description="A confirmation, or a refusal."),
]


@strawberry.type
class SecondFactorQuery:
    @permissions.field(
        requires=Identity.SESSION_ITSELF,
        description="The viewer's second factor.",
    )
    async def two_factor(self, info: base.Info) -> TwoFactor | None:
        state = await second_factor.state(info.context.signed_in())
        return TwoFactor(enabled_at=state.enabled_at, recovery_codes_left=state.recovery_codes_left)


@strawberry.type
class SecondFactorMutation:
    @permissions.mutation(
        requires=Identity.SESSION_ITSELF,
        description=(
            "Creates a second factor for the viewer, which takes effect with `confirmTwoFactor`."
            " Each call creates a new one. Refused: WRONG_PASSWORD, TWO_FACTOR_ON."
        ),
        metadata=prices.password_price(),
    )
    async def enable_two_factor(
        self,
        info: base.Info,
        input: Annotated[EnableTwoFactorInput, strawberry.argument(description="The password.")],
    ) -> EnableTwoFactorResult:
        context = info.context
        setup = await second_factor.enable(
            context.services.sign_in, context.signed_in(), input.password
        )
        return TwoFactorSetup(secret=setup.secret, uri=setup.uri, qr=setup.qr)

    @permissions.mutation(
        requires=Identity.SESSION_ITSELF,
        description=(
            "Enables the second factor that `enableTwoFactor` created. Refused: WRONG_OTP,"
            " NO_TWO_FACTOR."
        ),
    )
    async def confirm_two_factor(
        self,
        info: base.Info,
        input: Annotated[ConfirmTwoFactorInput, strawberry.argument(description="The code.")],
    ) -> ConfirmTwoFactorResult:
        context = info.context
        codes = await second_factor.confirm(
            context.services.sign_in, context.signed_in(), input.code, context.now
        )
        return RecoveryCodes(codes=list(codes))

    @permissions.mutation(
        requires=Identity.SESSION_ITSELF,
        description="Disables the viewer's second factor. Refused: WRONG_PASSWORD, NO_TWO_FACTOR.",
        metadata=prices.password_price(),
    )
    async def disable_two_factor(
        self,
        info: base.Info,
        input: Annotated[DisableTwoFactorInput, strawberry.argument(description="The password.")],
    ) -> DisableTwoFactorResult:
        context = info.context
        await second_factor.disable(
            context.services.sign_in, context.signed_in(), input.password, context.now
        )
        return TwoFactorDisabled(at=context.now)

    @permissions.mutation(
        requires=Capability.MANAGE_CUSTOMERS,
        description="Removes the second factor of a contact who has lost the app and the recovery"
        " codes. That of other staff can be removed by"
        f" {permission_sentences.holders(Capability.MANAGE_STAFF)}."
        " The person is signed out within a second and notified by e-mail. Refused:"
        " NO_TWO_FACTOR; OWN_TWO_FACTOR for the caller's own.",
    )
    async def remove_two_factor(
        self,
        info: base.Info,
        input: Annotated[RemoveTwoFactorInput, strawberry.argument(description="The login.")],
    ) -> RemoveTwoFactorResult:
        caller, now = info.context.signed_in(), info.context.now
        kind, id = base.person_id(target_ids.required(input.id, input.person_id), caller.account_id)
        if kind == "Staff":
            await second_factor.remove_from_staff(caller, id, now)
        else:
            await second_factor.remove_from_contact(caller, id, now)
        return TwoFactorDisabled(at=now)

    @permissions.mutation(
        requires=Identity.SESSION_ITSELF,
        description=(
            "Replaces the viewer's recovery codes. The previous codes are no longer valid."
            " Refused: WRONG_PASSWORD, NO_TWO_FACTOR."
        ),
        metadata=prices.password_price(),
    )
    async def regenerate_recovery_codes(
        self,
        info: base.Info,
        input: Annotated[
            RegenerateRecoveryCodesInput, strawberry.argument(description="The password.")
        ],
    ) -> RegenerateRecoveryCodesResult:
        context, caller = info.context, info.context.signed_in()
        codes = await second_factor.regenerate(
            context.services.sign_in, caller, input.password, context.now
        )
        return RecoveryCodes(codes=list(codes))
