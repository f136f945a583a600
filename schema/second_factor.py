"""The second factor of a person."""

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from live import wake
from resolvers import second_factor as resolve
from schema import base, checklist


@strawberry.type(description="The viewer's second factor: an authenticator app, RFC 6238.")
class TwoFactor:
    enabled_at: datetime | None = strawberry.field(
        description="Since when sign-in asks for it; null: it does not."
    )
    recovery_codes_left: base.Long = strawberry.field(
        description="How many recovery codes are unused."
    )


@strawberry.type(
    description="What an authenticator app needs. Shown once; in force when it is confirmed."
)
class TwoFactorSetup:
    secret: str = strawberry.field(
        description="To type into the app: base32, SHA-1, 6 digits, 30 s."
    )
    uri: str = strawberry.field(description="The same for the app to open, `otpauth://…`.")
    qr: str = strawberry.field(description="The URI as a QR code: an SVG element.")


@strawberry.type(
    description="Codes to sign in with where the app is lost, each good once. Shown this once."
)
class RecoveryCodes:
    codes: list[str] = strawberry.field(description="Such as abcd-efgh-ijkl-mnop.")


@strawberry.type(description="Sign-in asks for no second factor any more.")
class TwoFactorDisabled:
    at: datetime = strawberry.field(description="Since when.")


@strawberry.input(description="The viewer's password, to ask for a second factor.")
class EnableTwoFactorInput:
    password: str = strawberry.field(description="The viewer's password.")


@strawberry.input(description="What the authenticator app shows.")
class ConfirmTwoFactorInput:
    code: str = strawberry.field(description="Six digits.")


@strawberry.input(description="The viewer's password, to switch the second factor off.")
class DisableTwoFactorInput:
    password: str = strawberry.field(description="The viewer's password.")


@strawberry.input(description="The viewer's password, for other recovery codes.")
class RegenerateRecoveryCodesInput:
    password: str = strawberry.field(description="The viewer's password.")


@strawberry.input(description="Who has lost its authenticator app and its recovery codes.")
class RemoveTwoFactorInput:
    person_id: strawberry.ID = strawberry.field(description="A contact's id, or one of staff.")


EnableTwoFactorResult: TypeAlias = Annotated[
    TwoFactorSetup | base.Refused,
    strawberry.union("EnableTwoFactorResult", description="What the app needs, or why not."),
]
ConfirmTwoFactorResult: TypeAlias = Annotated[
    RecoveryCodes | base.Refused,
    strawberry.union("ConfirmTwoFactorResult", description="Recovery codes, or why not."),
]
DisableTwoFactorResult: TypeAlias = Annotated[
    TwoFactorDisabled | base.Refused,
    strawberry.union("DisableTwoFactorResult", description="Whether it is switched off."),
]
RegenerateRecoveryCodesResult: TypeAlias = Annotated[
    RecoveryCodes | base.Refused,
    strawberry.union("RegenerateRecoveryCodesResult", description="Other codes, or why not."),
]
RemoveTwoFactorResult: TypeAlias = Annotated[
    TwoFactorDisabled | base.Refused,
    strawberry.union("RemoveTwoFactorResult", description="Whether it is removed."),
]


@strawberry.type
class SecondFactorQuery:
    @strawberry.field(
        description="The viewer's second factor. Refused to API keys, and to staff signed in as a"
        " contact."
    )
    async def two_factor(self, info: base.Info) -> TwoFactor:
        state = await resolve.state(info.context.signed_in())
        return TwoFactor(enabled_at=state.enabled_at, recovery_codes_left=state.recovery_codes_left)


@strawberry.type
class SecondFactorMutation:
    @strawberry.mutation(
        description="Offers the viewer a second factor; asked again, another one. WRONG_PASSWORD,"
        " TWO_FACTOR_ON."
    )
    async def enable_two_factor(
        self,
        info: base.Info,
        input: Annotated[EnableTwoFactorInput, strawberry.argument(description="The password.")],
    ) -> EnableTwoFactorResult:
        context = info.context
        made = await resolve.enable(context.desk, context.signed_in(), input.password)
        return TwoFactorSetup(secret=made.secret, uri=made.uri, qr=made.qr)

    @strawberry.mutation(
        description="Puts the offered second factor into force. WRONG_OTP, NO_TWO_FACTOR."
    )
    async def confirm_two_factor(
        self,
        info: base.Info,
        input: Annotated[ConfirmTwoFactorInput, strawberry.argument(description="The code.")],
    ) -> ConfirmTwoFactorResult:
        context = info.context
        codes = await resolve.confirm(context.desk, context.signed_in(), input.code, context.now)
        await checklist.settle(info, context.signed_in().customer_id)
        return RecoveryCodes(codes=list(codes))

    @strawberry.mutation(
        description="Switches the viewer's second factor off. WRONG_PASSWORD, NO_TWO_FACTOR."
    )
    async def disable_two_factor(
        self,
        info: base.Info,
        input: Annotated[DisableTwoFactorInput, strawberry.argument(description="The password.")],
    ) -> DisableTwoFactorResult:
        context = info.context
        await resolve.disable(context.desk, context.signed_in(), input.password, context.now)
        await checklist.settle(info, context.signed_in().customer_id)
        return TwoFactorDisabled(at=context.now)

    @strawberry.mutation(
        description="Takes the second factor of a contact (owner and support) or another person of"
        " the account (owner) away, without its password: for who has lost the app and the codes."
        " The person is signed out within a second and told by mail. NO_TWO_FACTOR, and"
        " OWN_TWO_FACTOR of one's own."
    )
    async def remove_two_factor(
        self,
        info: base.Info,
        input: Annotated[RemoveTwoFactorInput, strawberry.argument(description="Whose.")],
    ) -> RemoveTwoFactorResult:
        caller, now = info.context.signed_in(), info.context.now
        kind, id = base.person_id(input.person_id, caller.account_id)
        customer_id = None
        if kind == "Staff":
            await resolve.remove_from_staff(caller, id, now)
        else:
            customer_id = await resolve.remove_from_contact(caller, id, now)
        await wake.hint(info.context.redis, wake.For.MESSAGES)
        await checklist.settle(info, customer_id)
        return TwoFactorDisabled(at=now)

    @strawberry.mutation(
        description="Other recovery codes; those there were are good no more. WRONG_PASSWORD,"
        " NO_TWO_FACTOR."
    )
    async def regenerate_recovery_codes(
        self,
        info: base.Info,
        input: Annotated[
            RegenerateRecoveryCodesInput, strawberry.argument(description="The password.")
        ],
    ) -> RegenerateRecoveryCodesResult:
        context, caller = info.context, info.context.signed_in()
        codes = await resolve.regenerate(context.desk, caller, input.password, context.now)
        return RecoveryCodes(codes=list(codes))
