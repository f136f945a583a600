"""What a mutation answers instead of its success: the expected no, by its code."""

from typing import Any, Self, TypeAlias

import strawberry

from domain import refusals


@strawberry.interface(description="An expected no of a mutation: what was wrong, how to mend it.")
class Refusal:
    code: str = strawberry.field(description="Stable, for programs, such as REFERENCE_TAKEN.")
    message: str = strawberry.field(description="For people, in their language: what to do.")
    field: str | None = strawberry.field(
        description="The input's field at fault, or null if it is none or more than one."
    )

    @classmethod
    def of(cls, refusal: refusals.Refusal, message: str) -> Self:
        """`message` is the refusal's text in the language of who asks."""
        return cls(code=refusal.code, message=message, field=refusal.field)


@strawberry.type(description="A value of the input is not acceptable.")
class InvalidInput(Refusal):
    pass


@strawberry.type(description="What the input names does not exist, or not for the caller.")
class NotFound(Refusal):
    pass


@strawberry.type(description="The caller is not signed in, or may not do this.")
class NotPermitted(Refusal):
    pass


@strawberry.type(description="The input is sound, but the present state stands against it.")
class Conflict(Refusal):
    pass


# Every mutation's result: `Annotated[Thing | Refused, strawberry.union("DoThingResult", …)]`.
Refused: TypeAlias = InvalidInput | NotFound | NotPermitted | Conflict

# Codes not named here are InvalidInput.
_TYPE_OF_CODE: dict[str, type[Refusal]] = {
    "NOT_FOUND": NotFound,
    "UNAUTHENTICATED": NotPermitted,
    "FORBIDDEN": NotPermitted,
    "WRONG_CREDENTIALS": NotPermitted,
    "WRONG_PASSWORD": NotPermitted,
    "OTP_REQUIRED": NotPermitted,
    "WRONG_OTP": NotPermitted,
    "ADDRESS_NOT_ALLOWED": NotPermitted,
    "TOO_MANY_TRIES": NotPermitted,
    "BUSY": NotPermitted,
    "NO_SESSION": NotPermitted,
    "REFERENCE_TAKEN": Conflict,
    "ALREADY_VERIFIED": Conflict,
    "EMAIL_TAKEN": Conflict,
    "NO_CODE": Conflict,
    "NO_MOBILE": Conflict,
    "NOT_SNOOZABLE": Conflict,
    "TOO_SOON": Conflict,
    "NAME_TAKEN": Conflict,
    "OTHER_CURRENCY": Conflict,
    "EFFECTIVE_IN_PAST": Conflict,
    "ROW_OPEN": Conflict,
    "SUBTOTAL_CHANGED": Conflict,
    "HOURS_ALREADY_INVOICED": Conflict,
    "HOURS_PENDING": Conflict,
    "NOT_A_DRAFT": Conflict,
    "DRAFT_DISCARDED": Conflict,
    "UNRATED_CALLS": Conflict,
    "IDEMPOTENCY_KEY_REUSED": Conflict,
    "NO_LOGIN": Conflict,
    "NO_TWO_FACTOR": Conflict,
    "TWO_FACTOR_ON": Conflict,
    "OWN_TWO_FACTOR": Conflict,
    "WOULD_LOCK_OUT": Conflict,
    "NO_NUMBER_RANGE": Conflict,
    "RANGE_IN_USE": Conflict,
    "NO_FREE_BLOCK": Conflict,
    "BLOCK_TAKEN": Conflict,
    "BLOCK_FREED": Conflict,
    "BLOCK_IN_USE": Conflict,
    "NUMBER_NOT_YOURS": Conflict,
    "USERNAME_TAKEN": Conflict,
    "CHANGED_MEANWHILE": Conflict,
    "CURRENCY_FIXED": Conflict,
    "LAST_OWNER": Conflict,
    "ALREADY_ACCEPTED": Conflict,
    "LOGIN_DISABLED": Conflict,
    "INVITED_JUST_NOW": Conflict,
    "NO_RECIPIENTS": Conflict,
}


class RefusalHandler(strawberry.ExceptionHandler[refusals.Refusal, NotPermitted]):
    """Turns a Refusal raised in a field whose union has the refusal types into its member."""

    def handle(self, exception: refusals.Refusal, *, field: Any, info: Any) -> Any:
        message = info.context.say(exception.text)
        return _TYPE_OF_CODE.get(exception.code, InvalidInput).of(exception, message)
