"""The types of expected refusals in the results of mutations, by code."""

from typing import Any, Self, TypeAlias

import strawberry

from domain import refusals
from schema.engine import permissions


@permissions.open_type
@strawberry.interface(description="An expected error of a mutation: the problem and how to fix it.")
class Refusal:
    code: str = strawberry.field(description="Stable code for programs, such as REFERENCE_TAKEN.")
    message: str = strawberry.field(
        description="The problem and the remedy, in the caller's language."
    )
    field: str | None = strawberry.field(
        description="The input field that caused it. Null if there is none or more than one."
    )
    retry_after_seconds: int | None = strawberry.field(
        default=None,
        description="Seconds after which the same mutation may succeed. Null if waiting does not"
        " help.",
    )

    @classmethod
    def of(cls, refusal: refusals.Refusal, message: str) -> Self:
        """`message` is the refusal's text in the caller's language."""
        return cls(
            code=refusal.code,
            message=message,
            field=refusal.field,
            retry_after_seconds=refusal.retry_after_seconds,
        )


@strawberry.type(description="A value of the input is not acceptable.")
class InvalidInput(Refusal):
    pass


@strawberry.type(
    description="The input names an object that does not exist or that the caller cannot access."
)
class NotFound(Refusal):
    pass


@strawberry.type(description="The caller is not signed in or does not have permission.")
class NotPermitted(Refusal):
    pass


@strawberry.type(description="The input is valid, but conflicts with the present state.")
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
    """Converts a Refusal that a field raises into a member of the field's union."""

    def handle(self, exception: refusals.Refusal, *, field: Any, info: Any) -> Any:
        message = info.context.say(exception.text)
        return _TYPE_OF_CODE.get(exception.code, InvalidInput).of(exception, message)
